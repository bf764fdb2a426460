//! The crate `cudarc`: its `result` layer where that has the call, else its `sys` layer.

use cudarc::driver::{result, sys};

use crate::contender::Calls;

pub struct Cudarc(Vec<sys::CUdevice>);

impl Cudarc {
    pub fn load() -> Self {
        result::init().expect("the driver works");
        let count = result::device::get_count().expect("the driver works");
        let devices = (0..count).map(result::device::get);
        Self(devices.collect::<Result<_, _>>().expect("the driver works"))
    }

    pub fn first_use() -> bool {
        let cudarc = Self::load();
        cudarc.is_active(cudarc.0[0])
    }
}

impl Calls for Cudarc {
    type Device = sys::CUdevice;

    const NAME: &'static str = "cudarc";

    #[inline]
    fn devices(&self) -> &[sys::CUdevice] {
        &self.0
    }

    #[inline]
    fn retain(&self, device: sys::CUdevice) {
        // SAFETY: the device handle is the driver's own.
        unsafe { result::primary_ctx::retain(device) }.expect("the device can be retained");
    }

    #[inline]
    fn release(&self, device: sys::CUdevice) {
        // SAFETY: as above.
        unsafe { result::primary_ctx::release(device) }.expect("the device was retained");
    }

    #[inline]
    fn is_active(&self, device: sys::CUdevice) -> bool {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: the out-parameters are ints of ours.
        let code = unsafe { sys::cuDevicePrimaryCtxGetState(device, &mut flags, &mut active) };
        code.result().expect("the device answers");
        active != 0
    }

    #[inline]
    fn nothing_is_current(&self) -> bool {
        result::ctx::get_current().expect("the thread answers").is_none()
    }
}
