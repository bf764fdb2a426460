//! Plain function pointers: the raw twin, and the same under a lock.

use std::sync::Mutex;

use crate::contender::{Calls, Contender, kept};
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

/// The raw twin, with every retain and release under one lock, as the crate makes them: what it
/// takes beyond that is the crate's own.
pub struct UnderALock {
    plain: Plain,
    lock: Mutex<()>,
}

impl UnderALock {
    pub fn load() -> Self {
        Self { plain: Plain::load(), lock: Mutex::new(()) }
    }

    #[inline]
    fn locked<T>(&self, work: impl FnOnce(&Raw) -> T) -> T {
        let _serial = self.lock.lock().expect("nobody panicked under it");
        work(&self.plain.0)
    }
}

impl Contender for UnderALock {
    fn name(&self) -> &'static str {
        "raw under a lock"
    }

    #[inline]
    fn release_path(&self) {
        let devices = &self.plain.0.devices;
        let kept = devices[kept(devices.len())];
        self.locked(|raw| raw.retain_only(kept)).expect("every call succeeds");
        self.locked(|raw| raw.release(kept)).expect("the device was retained");
    }

    #[inline]
    fn retain_and_release(&self) {
        let devices = &self.plain.0.devices;
        let device = devices[kept(devices.len())];
        self.locked(|raw| raw.retain(device)).expect("the device can be retained");
        self.locked(|raw| raw.release(device)).expect("the device was retained");
    }
}
