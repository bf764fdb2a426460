//! Drivers, devices and ids as data, with the feature `serde`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::driver::Driver;
use crate::driver::device::Device;
use crate::driver::holders::Holder;
use crate::driver::uuid::Uuid;
use crate::error::serialize::object;

object! {
    /// The version is a number: 13000 for CUDA 13.0.
    Driver, this: {
        "path": this.path().to_string_lossy(),
        "version": this.version().raw(),
    }
}

object! {
    /// What the driver did not return is null. Makes no driver call.
    Device, this: {
        "ordinal": this.ordinal(),
        "uuid": this.known_uuid(),
        "pci_bus_id": this.known_pci_bus_id(),
    }
}

object! {
    Holder, this: {
        "library": this.library.to_string_lossy(),
        "references": this.references,
        "green_contexts": this.green_contexts,
        "ordinary_contexts": this.ordinary_contexts,
        "taken": this.taken,
    }
}

/// As [`Uuid`] is displayed.
impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
