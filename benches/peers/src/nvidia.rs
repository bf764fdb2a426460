//! NVIDIA's crate `cuda-bindings`, from under `cuda-core`, which keeps its own wrappers of these
//! calls to itself.

use std::ptr;

use cuda_bindings::{
    CUdevice, CUresult, cuCtxGetCurrent, cuDeviceGet, cuDeviceGetCount, cuDevicePrimaryCtxGetState,
    cuDevicePrimaryCtxRelease_v2, cuDevicePrimaryCtxRetain, cuInit,
};

use crate::contender::Calls;

pub struct CudaBindings(Vec<CUdevice>);

#[inline]
fn succeed(code: CUresult) {
    assert_eq!(code, 0, "the driver refuses");
}

impl CudaBindings {
    pub fn load() -> Self {
        // SAFETY: flags must be 0.
        succeed(unsafe { cuInit(0) });
        let mut count = 0;
        // SAFETY: the out-parameter is an int of ours.
        succeed(unsafe { cuDeviceGetCount(&mut count) });
        let device = |ordinal| {
            let mut device = 0;
            // SAFETY: the out-parameter is a device handle of ours.
            succeed(unsafe { cuDeviceGet(&mut device, ordinal) });
            device
        };
        Self((0..count).map(device).collect())
    }

    pub fn first_use() -> bool {
        let bindings = Self::load();
        bindings.is_active(bindings.0[0])
    }
}

impl Calls for CudaBindings {
    type Device = CUdevice;

    const NAME: &'static str = "cuda-bindings";

    #[inline]
    fn devices(&self) -> &[CUdevice] {
        &self.0
    }

    #[inline]
    fn retain(&self, device: CUdevice) {
        let mut context = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        succeed(unsafe { cuDevicePrimaryCtxRetain(&mut context, device) });
    }

    #[inline]
    fn release(&self, device: CUdevice) {
        // SAFETY: the device handle is the driver's own.
        succeed(unsafe { cuDevicePrimaryCtxRelease_v2(device) });
    }

    #[inline]
    fn is_active(&self, device: CUdevice) -> bool {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: the out-parameters are ints of ours.
        succeed(unsafe { cuDevicePrimaryCtxGetState(device, &mut flags, &mut active) });
        active != 0
    }

    #[inline]
    fn nothing_is_current(&self) -> bool {
        let mut context = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        succeed(unsafe { cuCtxGetCurrent(&mut context) });
        context.is_null()
    }
}
