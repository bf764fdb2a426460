//! Plain function pointers: the raw twin, and the same with a count.

use crate::contender::{Calls, Contender, kept};
use crate::support::counted::{Counted, CountedDevice};
use crate::support::raw::Raw;

pub const LIBRARY: &str = "libcuda.so.1";

pub struct Plain(Raw);

impl Plain {
    pub fn load() -> Self {
        Self(Raw::load(LIBRARY.as_ref()).expect("the driver works"))
    }

    /// Somebody else's reference on each of these devices.
    pub fn stray(&self, ordinals: &[usize]) {
        for &ordinal in ordinals {
            self.retain(self.0.devices[ordinal]);
        }
    }

    /// Somebody else's references go.
    pub fn clear(&self, ordinals: &[usize]) {
        for &ordinal in ordinals {
            self.release(self.0.devices[ordinal]);
        }
    }

    /// Which of the devices are active.
    pub fn active(&self) -> Vec<usize> {
        let devices = self.0.devices.iter().enumerate();
        devices.filter(|&(_, &device)| self.is_active(device)).map(|(place, _)| place).collect()
    }

    /// Leaves a mark in the simulator's log of calls: one that no contender makes.
    pub fn mark(&self) {
        let mut version = 0;
        // SAFETY: the out-parameter is an int of ours.
        let code = unsafe { (self.0.functions.driver_get_version)(&mut version) };
        assert!(code.is_success());
    }

    pub fn first_use() -> bool {
        let plain = Self::load();
        plain.is_active(plain.0.devices[0])
    }
}

impl Calls for Plain {
    type Device = cuda_primary_context::sys::CUdevice;

    const NAME: &'static str = "raw";

    #[inline]
    fn devices(&self) -> &[Self::Device] {
        &self.0.devices
    }

    #[inline]
    fn retain(&self, device: Self::Device) {
        self.0.retain(device).expect("the device can be retained");
    }

    #[inline]
    fn release(&self, device: Self::Device) {
        self.0.release(device).expect("the device was retained");
    }

    #[inline]
    fn is_active(&self, device: Self::Device) -> bool {
        self.0.is_active(device).expect("the device answers")
    }

    #[inline]
    fn nothing_is_current(&self) -> bool {
        self.0.nothing_is_current().expect("the thread answers")
    }
}

/// The raw twin with one atomic operation for each retain and each release, as the crate needs them:
/// what it takes beyond that is the crate's own.
pub struct WithACount(Counted);

impl WithACount {
    pub const NAME: &str = "raw with a count";

    pub fn load() -> Self {
        Self(Counted::load(LIBRARY.as_ref()).expect("the driver works"))
    }

    #[inline]
    fn kept(&self) -> &CountedDevice {
        self.0.device(kept(self.0.device_count()) as u32)
    }
}

impl Contender for WithACount {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    #[inline]
    fn release_path(&self) {
        let kept = self.0.retain_only(self.kept()).expect("every call succeeds");
        self.0.release(kept).expect("the device was retained");
    }

    #[inline]
    fn retain_and_release(&self) {
        let device = self.0.retain(self.kept()).expect("the device can be retained");
        self.0.release(device).expect("the device was retained");
    }
}
