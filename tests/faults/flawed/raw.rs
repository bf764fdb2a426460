//! The raw functions, looked up before any trial. Each answers its code, and what it gave.

use std::ptr;

use cuda_primary_context::sys::{self, functions};
use cuda_primary_context::{Device, Driver, FunctionPointer};

type Function<F> = <F as FunctionPointer>::Function;

pub struct Raw {
    retain: Function<sys::PFN_cuDevicePrimaryCtxRetain_v7000>,
    release: Function<sys::PFN_cuDevicePrimaryCtxRelease_v11000>,
    get_state: Function<sys::PFN_cuDevicePrimaryCtxGetState_v7000>,
    get_current: Function<sys::PFN_cuCtxGetCurrent_v4000>,
    get_device: Function<sys::PFN_cuCtxGetDevice_v2000>,
    get_api_version: Function<sys::PFN_cuCtxGetApiVersion_v3020>,
    set_current: Function<sys::PFN_cuCtxSetCurrent_v4000>,
    push: Function<sys::PFN_cuCtxPushCurrent_v4000>,
    pop: Function<sys::PFN_cuCtxPopCurrent_v4000>,
}

impl Raw {
    pub fn new(driver: Driver) -> Self {
        Self {
            retain: driver.function(functions::cuDevicePrimaryCtxRetain_v7000).unwrap(),
            release: driver.function(functions::cuDevicePrimaryCtxRelease_v11000).unwrap(),
            get_state: driver.function(functions::cuDevicePrimaryCtxGetState_v7000).unwrap(),
            get_current: driver.function(functions::cuCtxGetCurrent_v4000).unwrap(),
            get_device: driver.function(functions::cuCtxGetDevice_v2000).unwrap(),
            get_api_version: driver.function(functions::cuCtxGetApiVersion_v3020).unwrap(),
            set_current: driver.function(functions::cuCtxSetCurrent_v4000).unwrap(),
            push: driver.function(functions::cuCtxPushCurrent_v4000).unwrap(),
            pop: driver.function(functions::cuCtxPopCurrent_v4000).unwrap(),
        }
    }

    pub fn retain(&self, device: Device) -> (u32, sys::CUcontext) {
        let mut raw = ptr::null_mut();
        // SAFETY: the out-parameter is ours, the handle is the driver's own.
        let code = unsafe { (self.retain)(&mut raw, device.as_raw()) };
        (code.0, raw)
    }

    pub fn release(&self, device: Device) -> u32 {
        // SAFETY: the handle is the driver's own, and nothing uses a simulated context.
        unsafe { (self.release)(device.as_raw()) }.0
    }

    pub fn state(&self, device: Device) -> (u32, bool) {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: the out-parameters are ours, the handle is the driver's own.
        let code = unsafe { (self.get_state)(device.as_raw(), &mut flags, &mut active) };
        (code.0, active != 0)
    }

    pub fn current(&self) -> (u32, sys::CUcontext) {
        let mut raw = ptr::null_mut();
        // SAFETY: the out-parameter is ours.
        let code = unsafe { (self.get_current)(&mut raw) };
        (code.0, raw)
    }

    pub fn device_of_current(&self) -> (u32, sys::CUdevice) {
        let mut device = 0;
        // SAFETY: the out-parameter is ours.
        let code = unsafe { (self.get_device)(&mut device) };
        (code.0, device)
    }

    pub fn api_version(&self, context: sys::CUcontext) -> u32 {
        let mut version = 0;
        // SAFETY: the out-parameter is ours, and the simulated driver takes any handle.
        unsafe { (self.get_api_version)(context, &mut version) }.0
    }

    pub fn set_current(&self, context: sys::CUcontext) -> u32 {
        // SAFETY: the simulated driver takes any handle.
        unsafe { (self.set_current)(context) }.0
    }

    pub fn push(&self, context: sys::CUcontext) -> u32 {
        // SAFETY: as above.
        unsafe { (self.push)(context) }.0
    }

    pub fn pop(&self) -> u32 {
        let mut raw = ptr::null_mut();
        // SAFETY: the out-parameter is ours.
        unsafe { (self.pop)(&mut raw) }.0
    }
}
