//! Reports and plans as data, with the feature `serde`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::error::serialize::object;
use crate::retain_only::outcome::{CurrentContextChange, Outcome};
use crate::retain_only::plan::{Plan, Planned};
use crate::retain_only::report::{DeviceReport, Report};

object! {
    Report, this: {
        "summary": this.summary(),
        "driver": this.driver(),
        "kept": this.kept(),
        "current_context_switched": this.current_context_switched(),
        "current_context": this.current_context(),
        "devices": this.devices().collect::<Vec<_>>(),
    }
}

object! {
    /// `from` is an ordinal; what does not apply is null.
    CurrentContextChange, this: {
        "change": this.kind(),
        "from": this.from().map(Device::ordinal),
        "error": this.error(),
    }
}

/// `ordinal`, `uuid`, `outcome`, what belongs to the outcome (`releases`, `handles`, or `error`,
/// `releases` and `active`), `taken_before`, `calls`, and `holders`, which is null without a trace.
impl Serialize for DeviceReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let outcome = self.outcome();
        map.serialize_entry("ordinal", &self.ordinal())?;
        map.serialize_entry("uuid", &self.uuid())?;
        map.serialize_entry("outcome", outcome.kind())?;
        match outcome {
            Outcome::Released { releases }
            | Outcome::StillActive { releases }
            | Outcome::HeldByGreenContext { releases } => {
                map.serialize_entry("releases", releases)?;
            }
            Outcome::HeldHere { handles } => map.serialize_entry("handles", handles)?,
            Outcome::Failed { error, releases, active } => {
                map.serialize_entry("error", error)?;
                map.serialize_entry("releases", releases)?;
                map.serialize_entry("active", active)?;
            }
            Outcome::Kept | Outcome::LeftAlone | Outcome::AlreadyInactive => {}
        }
        map.serialize_entry("taken_before", &self.taken_before())?;
        map.serialize_entry("calls", &self.calls().collect::<Vec<_>>())?;
        map.serialize_entry("holders", &self.holders())?;
        map.end()
    }
}

object! {
    Call, this: {
        "call": this.function,
        "code": this.code.0,
        "name": this.code.name(),
    }
}

object! {
    /// Each device has `ordinal`, `uuid`, `planned` and what belongs to that (`at_most`, `handles` or `error`).
    Plan, this: {
        "driver": this.driver(),
        "dry_run": true,
        "kept": this.kept(),
        "devices": this.devices().map(PlannedDevice).collect::<Vec<_>>(),
    }
}

struct PlannedDevice<'a>((Device, &'a Planned));

impl Serialize for PlannedDevice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (device, planned) = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ordinal", &device.ordinal())?;
        map.serialize_entry("uuid", &device.known_uuid())?;
        map.serialize_entry("planned", planned.kind())?;
        match planned {
            Planned::Release { at_most } => map.serialize_entry("at_most", at_most)?,
            Planned::HeldHere { handles } => map.serialize_entry("handles", handles)?,
            Planned::Failed(error) => map.serialize_entry("error", error)?,
            Planned::Keep
            | Planned::LeaveAlone
            | Planned::AlreadyInactive
            | Planned::LeaveActive => {}
        }
        map.end()
    }
}
