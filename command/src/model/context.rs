//! The kinds of contexts, and those that live beside the primary one.

use std::path::PathBuf;

use crate::record::{Call, Purpose};

/// An ordinary or green context that lives.
#[derive(Debug)]
pub struct Context {
    /// The library that made it.
    pub library: String,
    /// Which.
    pub kind: Kind,
    pub(super) handle: u64,
    /// The library's file, by which it is told from others of its name.
    pub(super) file: Option<PathBuf>,
}

/// The kind of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The driver's one for each device and process.
    Primary,
    /// Of `cuCtxCreate`.
    Ordinary,
    /// Of `cuGreenCtxCreate`.
    Green,
}

impl Kind {
    /// Which kind a call makes or ends.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        match call.function.purpose() {
            Some(Purpose::Create | Purpose::Destroy) => Self::Ordinary,
            Some(Purpose::GreenCreate | Purpose::GreenDestroy) => Self::Green,
            _ => Self::Primary,
        }
    }

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Ordinary => "ordinary",
            Self::Green => "green",
        }
    }
}
