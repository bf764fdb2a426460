//! The audit as data, with the feature `serde`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::primary_context::PrimaryContexts;

/// A list of devices, each with `ordinal`, `uuid`, and `active` and `flags`, or `error`. Calls the
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
