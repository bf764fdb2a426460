//! A device: what identifies it, and what the driver says about it.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::driver::Driver;
use crate::driver::calls::Call;
use crate::driver::functions::{Entry, Functions};
use crate::driver::ledger::Ledger;
use crate::driver::uuid::Uuid;
use crate::error::Error;
use crate::sys::{self, CUresult};

/// A device that the driver shows this process.
///
/// A small handle, an identity and no context: having it retains nothing. Ordinals number what the
/// process sees, after `CUDA_VISIBLE_DEVICES`. To compare with other processes or with `nvidia-smi`, use
/// the [`uuid`](Self::uuid) or the [`pci_bus_id`](Self::pci_bus_id).
#[derive(Clone, Copy)]
pub struct Device(pub(super) &'static Inside);

/// What is kept of a device for the rest of the process.
pub(super) struct Inside {
    driver: Driver,
    raw: sys::CUdevice,
    ordinal: u32,
    ledger: Ledger,
    /// How many references runs of this process released here. It only grows.
    released: AtomicU32,
    /// Read once, so that displaying a report calls nothing. A failure is kept, too: a driver without an id for
    /// a device can release its strays all the same.
    uuid: Result<Uuid, Error>,
    pci_bus_id: Result<String, Error>,
}

impl Inside {
    pub(super) fn new(driver: Driver, ordinal: u32, raw: sys::CUdevice) -> Self {
        let functions = driver.functions();
        let failed = |call: Call| call.error(Some(ordinal));
        Self {
            driver,
            raw,
            ordinal,
            ledger: Ledger::new(),
            released: AtomicU32::new(0),
            uuid: uuid(functions, raw).map_err(failed),
            pci_bus_id: text(functions.device_get_pci_bus_id, raw).map_err(failed),
        }
    }
}

impl Device {
    /// The driver that the device belongs to.
    #[inline]
    pub fn driver(self) -> Driver {
        self.0.driver
    }

    /// The device's number in this process, from 0.
    #[inline]
    pub fn ordinal(self) -> u32 {
        self.0.ordinal
    }

    /// The driver's handle, for calls of the raw layer.
    #[doc(alias = "cuDeviceGet")]
    #[inline]
    pub fn as_raw(self) -> sys::CUdevice {
        self.0.raw
    }

    /// Returns the product name, such as `NVIDIA H200`. Calls `cuDeviceGetName`; needs no context and
    /// creates none.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetName")]
    pub fn name(self) -> Result<String, Error> {
        self.driver().check_process()?;
        let name = text(self.driver().functions().device_get_name, self.as_raw());
        name.map_err(|call| self.error(call))
    }

    /// Returns the PCI address as `domain:bus:device.function`, such as `0000:3B:00.0`. Read once, when
    /// the driver is loaded, with `cuDeviceGetPCIBusId`.
    ///
    /// # Errors
    /// [`Error::Driver`] if that call failed, [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetPCIBusId")]
    pub fn pci_bus_id(self) -> Result<String, Error> {
        self.driver().check_process()?;
        self.0.pci_bus_id.clone()
    }

    /// Returns the device's unique id: that of the MIG instance, from CUDA 11.4 on.
    /// Read once, when the driver is loaded, with `cuDeviceGetUuid` and `cuDeviceGetUuid_v2`.
    ///
    /// # Errors
    /// [`Error::Driver`] if one of those calls failed, [`Error::ForkedAfterInit`].
    #[doc(alias("cuDeviceGetUuid", "cuDeviceGetUuid_v2"))]
    pub fn uuid(self) -> Result<Uuid, Error> {
        self.driver().check_process()?;
        self.0.uuid.clone()
    }

    /// The unique id for a report, in a forked child, too.
    pub(crate) fn known_uuid(self) -> Option<Uuid> {
        self.0.uuid.as_ref().ok().copied()
    }

    /// The PCI address for a report, in a forked child, too.
    #[cfg(feature = "serde")]
    pub(crate) fn known_pci_bus_id(self) -> Option<&'static str> {
        self.0.pci_bus_id.as_deref().ok()
    }

    /// Returns one attribute, as the driver gives it. Calls `cuDeviceGetAttribute`; needs no context and
    /// creates none.
    ///
    /// # Errors
    /// [`Error::Driver`] (`CUDA_ERROR_INVALID_VALUE` for an attribute that the driver does not
    /// know), [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetAttribute")]
    pub fn attribute(self, attribute: sys::CUdevice_attribute) -> Result<c_int, Error> {
        self.driver().check_process()?;
        let mut value = 0;
        let get_attribute = self.driver().functions().device_get_attribute;
        // SAFETY: the out-parameter is an int of ours, the device is the driver's own, and an
        // attribute that it does not know is refused.
        let code = unsafe { (get_attribute.function)(&mut value, attribute, self.as_raw()) };
        self.check(get_attribute.returned(code)).map(|()| value)
    }

    /// Returns the compute capability as `(major, minor)`: `(9, 0)` for an H200. Calls
    /// `cuDeviceGetAttribute` twice; needs no context and creates none.
    ///
    /// # Errors
    /// As [`attribute`](Self::attribute).
    #[doc(alias("cuDeviceGetAttribute", "cuDeviceComputeCapability"))]
    pub fn compute_capability(self) -> Result<(i32, i32), Error> {
        use sys::CUdevice_attribute as Attribute;
        let major = self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        Ok((major, minor))
    }

    /// Returns the device's memory in bytes, used and free. Calls `cuDeviceTotalMem_v2`; needs no context
    /// and creates none.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias("cuDeviceTotalMem", "cuDeviceTotalMem_v2"))]
    pub fn total_memory(self) -> Result<u64, Error> {
        self.driver().check_process()?;
        let mut bytes = 0;
        let total_mem = self.driver().functions().device_total_mem;
        // SAFETY: the out-parameter is a size of ours, and the device is the driver's own.
        let code = unsafe { (total_mem.function)(&mut bytes, self.as_raw()) };
        self.check(total_mem.returned(code)).map(|()| bytes as u64)
    }

    /// Returns how many handles of this crate are alive on the device, each with one reference. One that
    /// is being made or released at this moment counts. Makes no driver call and never waits.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`].
    pub fn handles(self) -> Result<u32, Error> {
        self.driver().check_process()?;
        Ok(self.0.ledger.handles())
    }

    #[inline]
    pub(crate) fn ledger(self) -> &'static Ledger {
        &self.0.ledger
    }

    /// Counts references that a run released here. Returns how many were counted before.
    pub(crate) fn count_released(self, references: u32) -> u32 {
        self.0.released.fetch_add(references, Ordering::Relaxed)
    }

    /// The error for a failed call about this device, or nothing.
    #[inline]
    pub(crate) fn check(self, call: Call) -> Result<(), Error> {
        call.check(Some(self.ordinal()))
    }

    pub(crate) fn error(self, call: Call) -> Error {
        call.error(Some(self.ordinal()))
    }
}

/// Two devices are equal if they are one device of one driver.
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
        formatter.debug_tuple("Device").field(&self.ordinal()).finish()
    }
}

/// The ordinal.
impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ordinal(), formatter)
    }
}

/// `cuDeviceGetUuid` and `cuDeviceGetUuid_v2`.
type GetUuid = unsafe extern "C" fn(*mut sys::CUuuid, sys::CUdevice) -> CUresult;

/// `cuDeviceGetName` and `cuDeviceGetPCIBusId`.
type GetText = unsafe extern "C" fn(*mut c_char, c_int, sys::CUdevice) -> CUresult;

/// The id of the GPU, or that of the MIG instance. As documented, `cuDeviceGetUuid` returns the GPU's id
/// for both, so that two different ids mean an instance.
fn uuid(functions: &Functions, device: sys::CUdevice) -> Result<Uuid, Call> {
    let of_the_gpu = uuid_by(functions.device_get_uuid, device)?;
    let Some(get_uuid_v2) = functions.device_get_uuid_v2 else {
        return Ok(Uuid::from_bytes(of_the_gpu));
    };
    let bytes = uuid_by(get_uuid_v2, device)?;
    Ok(match bytes == of_the_gpu {
        true => Uuid::from_bytes(bytes),
        false => Uuid::mig_from_bytes(bytes),
    })
}

fn uuid_by(get_uuid: Entry<GetUuid>, device: sys::CUdevice) -> Result<[u8; 16], Call> {
    let mut raw = sys::CUuuid { bytes: [0; 16] };
    // SAFETY: the out-parameter is a uuid of ours, and the device is the driver's own.
    let call = get_uuid.returned(unsafe { (get_uuid.function)(&mut raw, device) });
    call.result().map(|()| raw.bytes.map(|byte| byte as u8))
}

/// A text that the driver writes into a buffer.
fn text(get_text: Entry<GetText>, device: sys::CUdevice) -> Result<String, Call> {
    const SIZE: usize = 256;
    let mut buffer = [0_u8; SIZE];
    // One byte less than there is, so that the text ends in NUL whatever the driver does.
    let size = SIZE as c_int - 1;
    // SAFETY: the buffer has room for the size given, and the device is the driver's own.
    let code = unsafe { (get_text.function)(buffer.as_mut_ptr().cast(), size, device) };
    get_text.returned(code).result()?;
    let text = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
    Ok(text.to_string_lossy().into_owned())
}
