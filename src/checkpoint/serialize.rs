//! States, errors and reports as data, with the feature `serde`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::report::{ProcessReport, Step, StepReport};
use crate::checkpoint::room::{DeviceRoom, Room};
use crate::checkpoint::state::State;
use crate::checkpoint::step_error::StepError;
use crate::checkpoint::suspended::{GroupError, Resumed, Suspended};
use crate::checkpoint::tree::TreeProcess;
use crate::fork::DeviceFile;
use crate::sys::CUresult;

/// As it is displayed: its `kind`, and an unknown one with its number.
impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Its `kind`.
impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.kind())
    }
}

/// `kind`, `call`, `pid`, `code`, `name` and `message`; what does not apply is null.
impl Serialize for CheckpointError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("kind", self.kind())?;
        map.serialize_entry("call", &self.call())?;
        map.serialize_entry("pid", &self.pid())?;
        map.serialize_entry("code", &self.code().map(|code| code.0))?;
        map.serialize_entry("name", &self.code().and_then(CUresult::name))?;
        map.serialize_entry("message", &format_args!("{self}"))?;
        map.end()
    }
}

/// `error`, and the `state` of the process, null where it is not known.
impl Serialize for StepError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("error", self.error())?;
        map.serialize_entry("state", &self.found().state())?;
        map.end()
    }
}

/// `step`, `undoing`, `milliseconds` and `error`, null for none.
impl Serialize for StepReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("step", &self.step())?;
        map.serialize_entry("undoing", &self.is_undoing())?;
        map.serialize_entry("milliseconds", &(self.took().as_secs_f64() * 1e3))?;
        map.serialize_entry("error", &self.error())?;
        map.end()
    }
}

/// `pid`, `steps` and `state`, null where it is not known.
impl Serialize for ProcessReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("pid", &self.pid())?;
        map.serialize_entry("steps", self.steps())?;
        map.serialize_entry("state", &self.state())?;
        map.end()
    }
}

/// `processes`: the reports.
impl Serialize for Suspended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("processes", self.reports())?;
        map.end()
    }
}

/// `processes`: the reports.
impl Serialize for Resumed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("processes", self.reports())?;
        map.end()
    }
}

/// `error` and `processes`: the reports.
impl Serialize for GroupError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("error", self.error())?;
        map.serialize_entry("processes", self.reports())?;
        map.end()
    }
}

/// `device`, `needed` and `free`.
impl Serialize for DeviceRoom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("device", &self.device)?;
        map.serialize_entry("needed", &self.needed)?;
        map.serialize_entry("free", &self.free)?;
        map.end()
    }
}

/// The devices; null where the caller answers for it.
impl Serialize for Room {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Looked(devices) => devices.serialize(serializer),
            Self::Trusted => serializer.serialize_none(),
        }
    }
}

/// `pid`, `parent`, `command` and `device_files`, null where they are not known; what is not UTF-8 is
/// replaced.
impl Serialize for TreeProcess {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("pid", &self.pid)?;
        map.serialize_entry("parent", &self.parent)?;
        map.serialize_entry("command", &self.command.to_string_lossy())?;
        map.serialize_entry("device_files", &self.device_files)?;
        map.end()
    }
}

/// `descriptor` and `path`.
impl Serialize for DeviceFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("descriptor", &self.descriptor)?;
        map.serialize_entry("path", &self.path.to_string_lossy())?;
        map.end()
    }
}

#[cfg(feature = "nvml")]
mod nvml {
    use super::{Serialize, SerializeMap, Serializer};
    use crate::checkpoint::nvml::{DeviceMemory, NvmlError};

    /// `device` and `bytes`.
    impl Serialize for DeviceMemory {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("device", &self.device)?;
            map.serialize_entry("bytes", &self.bytes)?;
            map.end()
        }
    }

    /// `kind` and `message`.
    impl Serialize for NvmlError {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("kind", self.kind())?;
            map.serialize_entry("message", &format_args!("{self}"))?;
            map.end()
        }
    }
}
