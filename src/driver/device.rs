//! A device: what identifies it, and what can be asked of it.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr;

use crate::driver::Driver;
use crate::driver::loaded::{DeviceRecord, Loaded};
use crate::driver::uuid::Uuid;
use crate::error::Error;
use crate::sys::{self, CUresult};

/// A device that the driver shows this process.
///
/// A small handle, an identity and no context: having it retains nothing. Ordinals number what the
/// process sees, after `CUDA_VISIBLE_DEVICES`; to compare with other processes or with `nvidia-smi`
/// use the [`uuid`](Self::uuid) or the [`pci_bus_id`](Self::pci_bus_id).
#[derive(Clone, Copy)]
pub struct Device(pub(crate) &'static DeviceRecord);

impl Device {
    /// The driver that the device belongs to.
    #[inline]
    #[must_use]
    pub fn driver(self) -> Driver {
        Driver::of(self.0.driver)
    }

    /// The device's number in this process, from 0.
    #[inline]
    #[must_use]
    pub fn ordinal(self) -> u32 {
        self.0.ordinal
    }

    /// The driver's handle, for calls of the raw layer.
    #[doc(alias = "cuDeviceGet")]
    #[inline]
    #[must_use]
    pub fn as_raw(self) -> sys::CUdevice {
        self.0.handle
    }

    /// The product name, such as `NVIDIA H200`. Calls `cuDeviceGetName`; needs no context and
    /// creates none.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetName")]
    pub fn name(self) -> Result<String, Error> {
        self.text("cuDeviceGetName", self.loaded().functions().device_get_name)
    }

    /// The PCI address as `domain:bus:device.function`, such as `0000:3B:00.0`. Read
    /// once, when the driver is loaded, with `cuDeviceGetPCIBusId`; needs no context and creates none.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetPCIBusId")]
    pub fn pci_bus_id(self) -> Result<String, Error> {
        self.loaded().check_process()?;
        if let Some(address) = self.0.pci_bus_id.get() {
            return Ok(address.to_string());
        }
        let function = self.loaded().functions().device_get_pci_bus_id;
        let address = self.text("cuDeviceGetPCIBusId", function)?;
        Ok(self.0.pci_bus_id.get_or_init(|| address.into()).to_string())
    }

    /// The device's unique id; that of the MIG instance where the driver can tell (CUDA 11.4).
    ///
    /// Read once, when the driver is loaded, with `cuDeviceGetUuid_v2` if the driver has it and with
    /// `cuDeviceGetUuid`. As documented, the second returns the GPU's id where the first returns that of
    /// a MIG instance, so two different ids mean an instance. Needs no context and creates none.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetUuid")]
    #[doc(alias = "cuDeviceGetUuid_v2")]
    pub fn uuid(self) -> Result<Uuid, Error> {
        self.loaded().check_process()?;
        if let Some(uuid) = self.0.uuid.get() {
            return Ok(*uuid);
        }
        let functions = self.loaded().functions();
        let of_the_gpu = self.uuid_by(functions.device_get_uuid, "cuDeviceGetUuid")?;
        let uuid = match functions.device_get_uuid_v2 {
            Some(get_uuid_v2) => {
                let bytes = self.uuid_by(get_uuid_v2, "cuDeviceGetUuid_v2")?;
                match bytes == of_the_gpu {
                    true => Uuid::from_bytes(bytes),
                    false => Uuid::mig_from_bytes(bytes),
                }
            }
            None => Uuid::from_bytes(of_the_gpu),
        };
        Ok(*self.0.uuid.get_or_init(|| uuid))
    }

    /// The unique id, if the driver has returned it. Makes no driver call.
    pub(crate) fn known_uuid(self) -> Option<Uuid> {
        self.0.uuid.get().copied()
    }

    fn uuid_by(
        self,
        get_uuid: unsafe extern "C" fn(*mut sys::CUuuid, sys::CUdevice) -> CUresult,
        call: &'static str,
    ) -> Result<[u8; 16], Error> {
        let mut raw = sys::CUuuid { bytes: [0; 16] };
        // SAFETY: the out-parameter is a uuid of ours, the handle is the driver's own.
        let code = unsafe { get_uuid(&mut raw, self.0.handle) };
        self.0.check(code, call)?;
        Ok(raw.bytes.map(|byte| byte as u8))
    }

    /// One attribute, as the driver gives it. Calls `cuDeviceGetAttribute`; needs no context and
    /// creates none.
    ///
    /// # Errors
    /// [`Error::Driver`] (`CUDA_ERROR_INVALID_VALUE` for an attribute that the driver does not
    /// know), [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetAttribute")]
    pub fn attribute(self, attribute: sys::CUdevice_attribute) -> Result<c_int, Error> {
        let loaded = self.loaded();
        loaded.check_process()?;
        let mut value = 0;
        // SAFETY: the out-parameter is an int of ours, the handle is the driver's own, and an
        // attribute it does not know is refused.
        let code = unsafe {
            (loaded.functions().device_get_attribute)(&mut value, attribute, self.as_raw())
        };
        loaded.check(code, "cuDeviceGetAttribute", Some(self.0.ordinal))?;
        Ok(value)
    }

    /// The compute capability as `(major, minor)`: `(9, 0)` for an H200. Calls `cuDeviceGetAttribute`;
    /// needs no context and creates none.
    ///
    /// # Errors
    /// As [`attribute`](Self::attribute).
    #[doc(alias = "cuDeviceGetAttribute")]
    #[doc(alias = "cuDeviceComputeCapability")]
    pub fn compute_capability(self) -> Result<(i32, i32), Error> {
        use sys::CUdevice_attribute as Attribute;
        let major = self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        Ok((major, minor))
    }

    /// The device's memory in bytes, used and free. Calls `cuDeviceTotalMem_v2`; needs no context and
    /// creates none.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceTotalMem")]
    #[doc(alias = "cuDeviceTotalMem_v2")]
    pub fn total_memory(self) -> Result<u64, Error> {
        let loaded = self.loaded();
        loaded.check_process()?;
        let mut bytes = 0;
        // SAFETY: the out-parameter is a size of ours, and the handle is the driver's own.
        let code = unsafe { (loaded.functions().device_total_mem)(&mut bytes, self.as_raw()) };
        loaded.check(code, "cuDeviceTotalMem_v2", Some(self.0.ordinal))?;
        Ok(bytes as u64)
    }

    /// How many handles of this crate are alive on the device, each with one reference; one that is
    /// being made or released at this moment counts. Calls nothing and never waits.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`].
    pub fn handles(self) -> Result<u32, Error> {
        self.loaded().check_process()?;
        Ok(self.0.handles.count())
    }

    #[inline]
    pub(crate) fn loaded(self) -> &'static Loaded {
        self.0.driver
    }

    /// Asks for a text that the driver writes into a buffer.
    fn text(
        self,
        call: &'static str,
        function: unsafe extern "C" fn(*mut c_char, c_int, sys::CUdevice) -> CUresult,
    ) -> Result<String, Error> {
        const SIZE: usize = 256;
        let loaded = self.loaded();
        loaded.check_process()?;
        let mut buffer = [0_u8; SIZE];
        // One byte less than there is, so that the text ends in NUL whatever the driver does.
        // SAFETY: the buffer has room for the size given, the handle is the driver's own.
        let code =
            unsafe { function(buffer.as_mut_ptr().cast(), SIZE as c_int - 1, self.as_raw()) };
        loaded.check(code, call, Some(self.0.ordinal))?;
        let text = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
        Ok(text.to_string_lossy().into_owned())
    }
}

/// Two devices are equal when they are one device of one driver.
impl PartialEq for Device {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.0, other.0)
    }
}

impl Eq for Device {}

impl Hash for Device {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ptr::hash(self.0, state);
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Device")
            .field("ordinal", &self.0.ordinal)
            .field("driver", &self.0.driver.path())
            .finish()
    }
}
