//! The raw twin: the safe layer's driver calls through plain function pointers, and nothing else.

use std::ptr;

use cuda_primary_context::sys::functions::{
    cuCtxGetCurrent_v4000, cuDevicePrimaryCtxGetState_v7000, cuDevicePrimaryCtxRelease_v11000,
    cuDevicePrimaryCtxRetain_v7000,
};
use cuda_primary_context::sys::{
    CUcontext, CUdevice, CUresult, PFN_cuCtxGetCurrent_v4000, PFN_cuDevicePrimaryCtxGetState_v7000,
    PFN_cuDevicePrimaryCtxRelease_v11000, PFN_cuDevicePrimaryCtxRetain_v7000,
};
use cuda_primary_context::{Driver, Error, FunctionPointer};

type Pointer<F> = <F as FunctionPointer>::Function;

/// A driver as a program without any layer has it.
pub struct Raw {
    devices: Vec<CUdevice>,
    get_current: Pointer<PFN_cuCtxGetCurrent_v4000>,
    get_state: Pointer<PFN_cuDevicePrimaryCtxGetState_v7000>,
    retain: Pointer<PFN_cuDevicePrimaryCtxRetain_v7000>,
    release: Pointer<PFN_cuDevicePrimaryCtxRelease_v11000>,
}

#[inline]
fn check(code: CUresult) -> Result<(), CUresult> {
    match code.is_success() {
        true => Ok(()),
        false => Err(code),
    }
}

impl Raw {
    pub fn new(driver: Driver) -> Result<Self, Error> {
        Ok(Self {
            devices: driver.devices().map(|device| device.as_raw()).collect(),
            get_current: driver.function(cuCtxGetCurrent_v4000)?,
            get_state: driver.function(cuDevicePrimaryCtxGetState_v7000)?,
            retain: driver.function(cuDevicePrimaryCtxRetain_v7000)?,
            release: driver.function(cuDevicePrimaryCtxRelease_v11000)?,
        })
    }

    #[inline]
    pub fn device(&self, ordinal: u32) -> CUdevice {
        self.devices[ordinal as usize]
    }

    #[inline]
    pub fn is_active(&self, device: CUdevice) -> Result<bool, CUresult> {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: the out-parameters are ints of ours.
        check(unsafe { (self.get_state)(device, &mut flags, &mut active) })?;
        Ok(active != 0)
    }

    #[inline]
    pub fn retain(&self, device: CUdevice) -> Result<CUdevice, CUresult> {
        let mut context: CUcontext = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        check(unsafe { (self.retain)(&mut context, device) })?;
        std::hint::black_box(context);
        Ok(device)
    }

    #[inline]
    pub fn release(&self, device: CUdevice) -> Result<(), CUresult> {
        // SAFETY: one release for a retain of ours.
        check(unsafe { (self.release)(device) })
    }

    #[inline]
    pub fn nothing_is_current(&self) -> Result<bool, CUresult> {
        let mut current: CUcontext = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        check(unsafe { (self.get_current)(&mut current) })?;
        Ok(current.is_null())
    }

    /// The loop that `PrimaryContextGuard::retain_only` stands for; the kept device.
    #[inline]
    pub fn retain_only(&self, kept: CUdevice) -> Result<CUdevice, CUresult> {
        self.retain(kept)?;
        self.release_others(Some(kept))?;
        Ok(kept)
    }

    /// What [`StrayRelease::run`](cuda_primary_context::StrayRelease::run) stands for if nothing is kept.
    #[inline]
    pub fn release_active(&self) -> Result<(), CUresult> {
        self.release_others(None)
    }

    #[inline(always)]
    fn release_others(&self, kept: Option<CUdevice>) -> Result<(), CUresult> {
        let mut thread_is_known = false;
        for &device in &self.devices {
            if Some(device) == kept || !self.is_active(device)? {
                continue;
            }
            if !thread_is_known {
                assert!(self.nothing_is_current()?, "no context is current in a benchmark");
                thread_is_known = true;
            }
            self.release(device)?;
            self.is_active(device)?;
        }
        Ok(())
    }
}
