//! Drivers, devices and ids as data, with the feature `serde`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::driver::Driver;
use crate::driver::device::Device;
use crate::driver::holders::Holder;
use crate::driver::uuid::Uuid;

/// `path`, and `version` as a number: 13000 for CUDA 13.0.
impl Serialize for Driver {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("path", &self.path().to_string_lossy())?;
        map.serialize_entry("version", &self.version().raw())?;
        map.end()
    }
}

/// `ordinal`, `uuid` and `pci_bus_id`; what the driver did not return is null. Makes no driver call.
impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("ordinal", &self.ordinal())?;
        map.serialize_entry("uuid", &self.known_uuid())?;
        map.serialize_entry("pci_bus_id", &self.known_pci_bus_id())?;
        map.end()
    }
}

/// `library`, `references`, `green_contexts`, `ordinary_contexts` and `taken`.
impl Serialize for Holder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("library", &self.library.to_string_lossy())?;
        map.serialize_entry("references", &self.references)?;
        map.serialize_entry("green_contexts", &self.green_contexts)?;
        map.serialize_entry("ordinary_contexts", &self.ordinary_contexts)?;
        map.serialize_entry("taken", &self.taken)?;
        map.end()
    }
}

/// As [`Uuid`] is displayed.
impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
