//! Reports, plans, audits and errors as data, with the feature `serde`.
//!
//! A report is the object that the example prints: driver, kept device, whether the calling thread's
//! current context was switched, and a line for every device with its outcome and calls.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::audit::PrimaryContexts;
use crate::device::{Device, Uuid};
use crate::driver::Driver;
use crate::error::Error;
use crate::report::{Call, DeviceReport, Outcome, Report};
use crate::stale_release::{Plan, Planned};
use crate::sys::CUresult;

/// `path`, `version`, and whether it is `simulated`.
impl Serialize for Driver {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("path", &self.path().to_string_lossy())?;
        map.serialize_entry("version", &self.version())?;
        map.serialize_entry("simulated", &self.is_simulated())?;
        map.end()
    }
}

/// `ordinal`, `uuid` and `pci_bus_id`; what the driver does not tell is null.
impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("ordinal", &self.ordinal())?;
        map.serialize_entry("uuid", &self.uuid().ok())?;
        map.serialize_entry("pci_bus_id", &self.pci_bus_id().ok())?;
        map.end()
    }
}

/// As [`Uuid`] is displayed.
impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `driver`, `kept`, `current_context_switched` and `devices`.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("driver", &self.kept().driver())?;
        map.serialize_entry("kept", &self.kept())?;
        map.serialize_entry("current_context_switched", &self.current_context_switched())?;
        map.serialize_entry("devices", &self.devices().collect::<Vec<_>>())?;
        map.end()
    }
}

/// `ordinal`, `uuid`, `outcome`, what belongs to the outcome (`releases`, `handles` or `error`), and
/// `calls`.
impl Serialize for DeviceReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let outcome = self.outcome();
        map.serialize_entry("ordinal", &self.ordinal())?;
        map.serialize_entry("uuid", &self.uuid().ok())?;
        map.serialize_entry("outcome", outcome.kind())?;
        match outcome {
            Outcome::Released { releases } | Outcome::StillActive { releases } => {
                map.serialize_entry("releases", &releases)?;
            }
            Outcome::HeldHere { handles } => map.serialize_entry("handles", &handles)?,
            Outcome::Failed(error) => map.serialize_entry("error", &error)?,
            Outcome::Kept | Outcome::AlreadyInactive => {}
        }
        map.serialize_entry("calls", &self.calls().collect::<Vec<_>>())?;
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
        map.serialize_entry("driver", &self.kept().driver())?;
        map.serialize_entry("dry_run", &true)?;
        map.serialize_entry("kept", &self.kept())?;
        map.serialize_entry("devices", &self.devices().map(PlannedDevice).collect::<Vec<_>>())?;
        map.end()
    }
}

struct PlannedDevice((Device, Planned));

impl Serialize for PlannedDevice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (device, planned) = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ordinal", &device.ordinal())?;
        map.serialize_entry("uuid", &device.uuid().ok())?;
        map.serialize_entry("planned", planned.kind())?;
        match planned {
            Planned::Release { at_most } => map.serialize_entry("at_most", at_most)?,
            Planned::HeldHere { handles } => map.serialize_entry("handles", handles)?,
            Planned::Failed(error) => map.serialize_entry("error", error)?,
            Planned::Keep | Planned::AlreadyInactive => {}
        }
        map.end()
    }
}

/// A list of devices, each with `ordinal`, `uuid`, and `active` and `flags`, or `error`. Asks the
/// driver, as iterating does.
impl Serialize for PrimaryContexts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.clone().map(AuditedDevice))
    }
}

struct AuditedDevice(<PrimaryContexts as Iterator>::Item);

impl Serialize for AuditedDevice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (device, state) = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ordinal", &device.ordinal())?;
        map.serialize_entry("uuid", &device.uuid().ok())?;
        match state {
            Ok(state) => {
                map.serialize_entry("active", &state.active)?;
                map.serialize_entry("flags", &state.flags.0)?;
            }
            Err(error) => map.serialize_entry("error", error)?,
        }
        map.end()
    }
}

/// `kind`, `call`, `device`, `code`, `name` and `message`; what does not apply is null.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("kind", self.kind())?;
        map.serialize_entry("call", &self.call())?;
        map.serialize_entry("device", &self.device())?;
        map.serialize_entry("code", &self.code().map(|code| code.0))?;
        map.serialize_entry("name", &self.code().and_then(CUresult::name))?;
        map.serialize_entry("message", &format_args!("{self}"))?;
        map.end()
    }
}
