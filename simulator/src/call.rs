//! What the simulated driver says about itself.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::library;

/// One call that a client made, as the driver logged it. It displays as `function@device`, or as the function
/// alone if it was about no device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The exported symbol, such as `cuDevicePrimaryCtxRelease_v2`.
    pub function: &'static str,
    /// The ordinal that the call was about, where it was about one.
    pub device: Option<u32>,
    /// The `CUresult` that the client got.
    pub code: u32,
    /// The process that called.
    pub pid: i32,
    /// The thread that called.
    pub tid: i32,
}

/// The file of the log, beside the library.
pub(crate) const LOG_NAME: &str = "calls.jsonl";

impl Call {
    /// The calls in a log; none if nothing was logged yet.
    pub(crate) fn read_log(path: &Path) -> io::Result<Vec<Self>> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(text.lines().filter_map(Self::from_json).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn from_json(line: &str) -> Option<Self> {
        let field = |name: &str| {
            let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
            rest.split([',', '}']).next()
        };
        let function = field("function")?.trim_matches('"');
        Some(Self {
            function: library::entry_points().find(|entry| entry.symbol == function)?.symbol,
            device: field("device")?.parse().ok(),
            code: field("code")?.parse().ok()?,
            pid: field("pid")?.parse().ok()?,
            tid: field("tid")?.parse().ok()?,
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device {
            Some(device) => write!(formatter, "{}@{device}", self.function),
            None => formatter.write_str(self.function),
        }
    }
}

/// One entry of a thread's stack of current contexts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(C)] // as in c/simulated_cuda.h
pub struct StackEntry {
    /// The device that the context is on.
    pub device: u32,
    /// Whether it is the device's primary context.
    pub is_primary: bool,
    /// Whether it is alive; a released primary context stays on the stack dead.
    pub alive: bool,
}

/// A release by somebody who had no reference of its own, which took another's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// The device.
    pub device: u32,
    /// Who released.
    pub by: String,
    /// Whose reference it was.
    pub from: String,
}
