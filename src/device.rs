//! A device: what identifies it, what can be asked of it, and the settings of its primary context.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use crate::driver::Driver;
use crate::error::Error;
use crate::loaded::Loaded;
use crate::primary_context::PrimaryContextState;
use crate::sys::{self, CUresult};

/// A device that the driver shows this process.
///
/// A small handle, an identity and no context: having it retains nothing. Ordinals number what the
/// process sees, after `CUDA_VISIBLE_DEVICES`; to compare with other processes or with `nvidia-smi`
/// use the [`uuid`](Self::uuid) or the [`pci_bus_id`](Self::pci_bus_id).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Device {
    driver: Driver,
    ordinal: u32,
}

impl Device {
    #[inline]
    pub(crate) fn new(driver: Driver, ordinal: u32) -> Self {
        Self { driver, ordinal }
    }

    /// The driver that the device belongs to.
    #[inline]
    #[must_use]
    pub fn driver(self) -> Driver {
        self.driver
    }

    /// The device's number in this process, from 0.
    #[inline]
    #[must_use]
    pub fn ordinal(self) -> u32 {
        self.ordinal
    }

    /// The driver's handle, for calls of the raw layer.
    #[doc(alias = "cuDeviceGet")]
    #[inline]
    #[must_use]
    pub fn as_raw(self) -> sys::CUdevice {
        self.loaded().device(self.ordinal).handle
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

    /// The PCI address as `domain:bus:device.function`, such as `0000:3B:00.0`. Calls
    /// `cuDeviceGetPCIBusId`; needs no context and creates none.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetPCIBusId")]
    pub fn pci_bus_id(self) -> Result<String, Error> {
        self.text("cuDeviceGetPCIBusId", self.loaded().functions().device_get_pci_bus_id)
    }

    /// The device's unique id; that of the MIG instance where the driver can tell (CUDA 11.4).
    /// Asked of the driver once, with `cuDeviceGetUuid_v2` or, where that is missing,
    /// `cuDeviceGetUuid`; needs no context and creates none.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDeviceGetUuid")]
    #[doc(alias = "cuDeviceGetUuid_v2")]
    pub fn uuid(self) -> Result<Uuid, Error> {
        let loaded = self.loaded();
        loaded.check_process()?;
        let record = loaded.device(self.ordinal);
        if let Some(uuid) = record.uuid.get() {
            return Ok(*uuid);
        }
        let functions = loaded.functions();
        let (get_uuid, call) = match functions.device_get_uuid_v2 {
            Some(get_uuid_v2) => (get_uuid_v2, "cuDeviceGetUuid_v2"),
            None => (functions.device_get_uuid, "cuDeviceGetUuid"),
        };
        let mut raw = sys::CUuuid { bytes: [0; 16] };
        // SAFETY: the out-parameter is a uuid of ours, the handle is the driver's own.
        let code = unsafe { get_uuid(&mut raw, record.handle) };
        loaded.check(code, call, Some(self.ordinal))?;
        let uuid = Uuid(raw.bytes.map(|byte| byte as u8));
        Ok(*record.uuid.get_or_init(|| uuid))
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
        loaded.check(code, "cuDeviceGetAttribute", Some(self.ordinal))?;
        Ok(value)
    }

    /// Whether the device's primary context is active in this process, and with which flags. Calls
    /// `cuDevicePrimaryCtxGetState`, which creates nothing.
    ///
    /// Whoever retains it, active means active: this crate, the CUDA runtime, another library. How
    /// many references there are cannot be read.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxGetState")]
    #[inline]
    pub fn primary_context_state(self) -> Result<PrimaryContextState, Error> {
        let loaded = self.loaded();
        loaded.check_process()?;
        let (code, state) = self.query_state();
        loaded.check(code, "cuDevicePrimaryCtxGetState", Some(self.ordinal))?;
        Ok(state)
    }

    /// How many handles of this crate are alive on the device, each with one reference.
    ///
    /// # Errors
    /// [`Error::ForkedAfterInit`].
    pub fn handles(self) -> Result<u32, Error> {
        Ok(self.loaded().lock()?[self.ordinal as usize])
    }

    /// The bare call, for callers that have made sure of the process. The state says something
    /// where the code is success.
    #[inline]
    pub(crate) fn query_state(self) -> (CUresult, PrimaryContextState) {
        let (mut flags, mut active) = (0, 0);
        let functions = self.loaded().functions();
        // SAFETY: the out-parameters are ints of ours, the handle is the driver's own.
        let code =
            unsafe { (functions.primary_ctx_get_state)(self.as_raw(), &mut flags, &mut active) };
        (code, PrimaryContextState { active: active != 0, flags: sys::CUctx_flags(flags) })
    }

    /// Sets the flags of the device's primary context, for example how a thread waits for the
    /// device. Calls `cuDevicePrimaryCtxSetFlags_v2`; creates nothing.
    ///
    /// The flags are the process's: every other holder of the context is affected. A driver from
    /// CUDA 11.0 on takes them while the context is active, too.
    ///
    /// # Errors
    /// [`Error::Driver`] (`CUDA_ERROR_INVALID_VALUE` for flags that the driver does not know),
    /// [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxSetFlags")]
    #[doc(alias = "cuDevicePrimaryCtxSetFlags_v2")]
    pub fn set_primary_context_flags(self, flags: sys::CUctx_flags) -> Result<(), Error> {
        let loaded = self.loaded();
        let _serial = loaded.lock()?;
        // SAFETY: the handle is the driver's own, and flags it does not know are refused.
        let code = unsafe { (loaded.functions().primary_ctx_set_flags)(self.as_raw(), flags.0) };
        loaded.check(code, "cuDevicePrimaryCtxSetFlags_v2", Some(self.ordinal))
    }

    /// Destroys everything in the device's primary context, whoever made it. Calls
    /// `cuDevicePrimaryCtxReset_v2`. It gives no reference back: every retain stays to be released.
    ///
    /// [`retain_only`](crate::PrimaryContextGuard::retain_only) never does this. Projects that reset
    /// a device behind its other users' backs had crashes in those users, and took it out again.
    ///
    /// # Safety
    /// Nothing in the process may use an allocation, a stream, an event, a module or any other
    /// object of this context any more, on any thread, now or later: not this program, not the CUDA
    /// runtime, not a library. Stale handles are not always refused; some crash inside the driver.
    ///
    /// # Errors
    /// [`Error::Driver`], [`Error::ForkedAfterInit`].
    #[doc(alias = "cuDevicePrimaryCtxReset")]
    #[doc(alias = "cuDevicePrimaryCtxReset_v2")]
    pub unsafe fn reset_primary_context(self) -> Result<(), Error> {
        let loaded = self.loaded();
        let _serial = loaded.lock()?;
        // SAFETY: the handle is the driver's own; that nobody uses the context is the caller's
        // promise.
        let code = unsafe { (loaded.functions().primary_ctx_reset)(self.as_raw()) };
        loaded.check(code, "cuDevicePrimaryCtxReset_v2", Some(self.ordinal))
    }

    #[inline]
    pub(crate) fn loaded(self) -> &'static Loaded {
        self.driver.loaded()
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
        loaded.check(code, call, Some(self.ordinal))?;
        let text = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
        Ok(text.to_string_lossy().into_owned())
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Device")
            .field("ordinal", &self.ordinal)
            .field("driver", &self.driver.path())
            .finish()
    }
}

/// A device's unique id. Displayed as NVIDIA's tools do: `GPU-` and the hexadecimal groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// The sixteen bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GPU")?;
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 0 | 4 | 6 | 8 | 10) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Uuid;

    #[test]
    fn uuid_reads_as_in_nvidia_smi() {
        let uuid = Uuid([
            0x8f, 0x6c, 0x1a, 0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa,
            0xbb, 0x0c,
        ]);
        assert_eq!(uuid.to_string(), "GPU-8f6c1a02-1122-3344-5566-778899aabb0c");
    }
}
