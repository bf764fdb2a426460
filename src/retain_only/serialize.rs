//! Reports and plans as data, with the feature `serde`.
//!
//! A report is the object that the example prints: driver, kept device, what became of the calling
//! thread's current context, and a line for every device with its outcome and calls.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::driver::calls::Call;
use crate::driver::device::Device;
use crate::retain_only::outcome::{CurrentContextChange, Outcome};
use crate::retain_only::plan::{Plan, Planned};
use crate::retain_only::report::{DeviceReport, Report};

/// `summary`, `driver`, `kept`, `current_context_switched`, `current_context` and `devices`.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("summary", &self.summary())?;
        map.serialize_entry("driver", &self.driver())?;
        map.serialize_entry("kept", &self.kept())?;
        map.serialize_entry("current_context_switched", &self.current_context_switched())?;
        map.serialize_entry("current_context", self.current_context())?;
        map.serialize_entry("devices", &self.devices().collect::<Vec<_>>())?;
        map.end()
    }
}

/// `change` (`unchanged`, `switched` or `not_restored`), `from` (an ordinal) and `error`; what does not
/// apply is null.
impl Serialize for CurrentContextChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("change", self.kind())?;
        map.serialize_entry("from", &self.from().map(Device::ordinal))?;
        map.serialize_entry("error", &self.error())?;
        map.end()
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

/// `call`, `code` and `name`.
impl Serialize for Call {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("call", self.function)?;
        map.serialize_entry("code", &self.code.0)?;
        map.serialize_entry("name", &self.code.name())?;
        map.end()
    }
}

/// `dry_run`, `driver`, `kept` and `devices`, each with `ordinal`, `uuid`, `planned` and what belongs
/// to that (`at_most`, `handles` or `error`).
impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("driver", &self.driver())?;
        map.serialize_entry("dry_run", &true)?;
        map.serialize_entry("kept", &self.kept())?;
        map.serialize_entry("devices", &self.devices().map(PlannedDevice).collect::<Vec<_>>())?;
        map.end()
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
