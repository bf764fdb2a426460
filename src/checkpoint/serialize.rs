//! States, errors and reports as data, with the feature `serde`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::report::{ProcessReport, Step, StepReport};
use crate::checkpoint::room::{DeviceRoom, Room};
use crate::checkpoint::state::State;
use crate::checkpoint::step_error::StepError;
use crate::checkpoint::suspended::{GroupError, Resumed, Suspended};
use crate::checkpoint::tree::TreeProcess;
use crate::error::serialize::object;
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

object! {
    /// What does not apply is null.
    CheckpointError, this: {
        "kind": this.kind(),
        "call": this.call(),
        "pid": this.pid(),
        "code": this.code().map(|code| code.0),
        "name": this.code().and_then(CUresult::name),
        "message": format_args!("{this}"),
    }
}

object! {
    /// The state is null if it is not known.
    StepError, this: {
        "error": this.error(),
        "state": this.found().state(),
    }
}

object! {
    /// The error is null for none.
    StepReport, this: {
        "step": this.step,
        "undoing": this.undoing,
        "milliseconds": this.took.as_secs_f64() * 1e3,
        "error": this.error,
    }
}

object! {
    /// The state is null if it is not known.
    ProcessReport, this: {
        "pid": this.pid,
        "steps": this.steps,
        "state": this.state,
    }
}

object! { Suspended, this: { "processes": this.reports(), } }
object! { Resumed, this: { "processes": this.reports(), } }
object! { GroupError, this: { "error": this.error(), "processes": this.reports(), } }
object! { DeviceRoom, this: { "device": this.device, "needed": this.needed, "free": this.free, } }

/// The devices; null if the caller knows that there is room.
impl Serialize for Room {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Looked(devices) => devices.serialize(serializer),
            Self::Trusted => serializer.serialize_none(),
        }
    }
}

object! {
    /// The device files are null if they are not known; what is not UTF-8 is replaced.
    TreeProcess, this: {
        "pid": this.pid,
        "parent": this.parent,
        "command": this.command.to_string_lossy(),
        "device_files": this.device_files,
    }
}

object! {
    DeviceFile, this: {
        "descriptor": this.descriptor,
        "path": this.path.to_string_lossy(),
    }
}

#[cfg(feature = "nvml")]
mod nvml {
    use super::{Serialize, SerializeMap, Serializer, object};
    use crate::checkpoint::nvml::{DeviceMemory, NvmlError};

    object! { DeviceMemory, this: { "device": this.device, "bytes": this.bytes, } }
    object! { NvmlError, this: { "kind": this.kind(), "message": format_args!("{this}"), } }
}
