//! Finding a device by its unique id, its PCI address or its raw handle.

use std::ffi::CString;

use crate::driver::Driver;
use crate::driver::device::Device;
use crate::driver::uuid::Uuid;
use crate::error::Error;
use crate::sys::{self, CUresult};

impl Driver {
    /// Returns the device with this unique id, as `nvidia-smi -L` lists it. Ordinals differ from process to
    /// process; unique ids do not.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`], and those of [`Device::uuid`].
    pub fn device_by_uuid(self, uuid: Uuid) -> Result<Device, Error> {
        self.check_process()?;
        if let Some(found) = self.devices().find(|device| device.known_uuid() == Some(uuid)) {
            return Ok(found);
        }
        // It may be a device whose id could not be read.
        self.devices().try_for_each(|device| device.uuid().map(drop))?;
        Err(self.unknown_device(uuid.to_string()))
    }

    /// Returns the device at this PCI address, written `domain:bus:device.function`; the domain or the
    /// function may be left out. Calls `cuDeviceGetByPCIBusId`.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`] if the driver shows no device there or the text is not an address
    /// (`CUDA_ERROR_INVALID_DEVICE`, `CUDA_ERROR_INVALID_VALUE`), [`Error::Driver`] for any other failure,
    /// [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetByPCIBusId")]
    pub fn device_by_pci_bus_id(self, address: &str) -> Result<Device, Error> {
        self.check_process()?;
        let Ok(text) = CString::new(address) else {
            return Err(self.unknown_device(address));
        };
        let mut raw: sys::CUdevice = 0;
        let by_address = self.functions().device_get_by_pci_bus_id;
        // SAFETY: the out-parameter is a device of ours, the text a C string.
        let code = unsafe { (by_address.function)(&mut raw, text.as_ptr()) };
        match code {
            CUresult::CUDA_ERROR_INVALID_DEVICE | CUresult::CUDA_ERROR_INVALID_VALUE => {
                return Err(self.unknown_device(address));
            }
            code => by_address.returned(code).check(None)?,
        }
        self.device_from_raw(raw)
    }

    /// Returns the device of this handle of the raw layer. Makes no driver call.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`] if `cuDeviceGet` returned no such handle in this process.
    pub fn device_from_raw(self, raw: sys::CUdevice) -> Result<Device, Error> {
        let mut devices = self.devices();
        let found = devices.find(|device| device.as_raw() == raw);
        found.ok_or_else(|| self.unknown_device(format!("with the handle {raw}")))
    }

    #[cold]
    fn unknown_device(self, identity: impl Into<Box<str>>) -> Error {
        Error::UnknownDevice { identity: identity.into(), count: self.device_count() }
    }
}
