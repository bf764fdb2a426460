//! The kinds of contexts.

use crate::record::{Call, Holding, Purpose};

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
    /// Which kind a call creates or ends.
    pub fn of(call: &Call) -> Self {
        match call.function.purpose() {
            Some(Purpose::Create | Purpose::Destroy) => Self::Ordinary,
            Some(Purpose::GreenCreate | Purpose::GreenDestroy) => Self::Green,
            _ => Self::Primary,
        }
    }

    /// Which kind a library holds.
    pub fn held(holding: Holding) -> Self {
        match holding {
            Holding::Reference => Self::Primary,
            Holding::OrdinaryContext => Self::Ordinary,
            Holding::GreenContext | Holding::GreenReference => Self::Green,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Ordinary => "ordinary",
            Self::Green => "green",
        }
    }
}
