//! One way to the driver, and the work that every one of them does.

/// A way to the driver, loaded and ready.
pub trait Contender {
    fn name(&self) -> &'static str;

    /// Retains the kept device, asks every other one for its state, releases each active one once
    /// and asks again, and gives the kept device's reference back.
    fn release_path(&self);

    /// Retains the kept device, and gives it back.
    fn retain_and_release(&self);
}

/// The ordinal of the device that everybody keeps: not the first, where there are two.
pub fn kept(devices: usize) -> usize {
    usize::from(devices > 1)
}

/// The calls of a binding that has no such loop of its own: what its user writes.
pub trait Calls {
    type Device: Copy + PartialEq;

    const NAME: &'static str;

    fn devices(&self) -> &[Self::Device];
    fn retain(&self, device: Self::Device);
    fn release(&self, device: Self::Device);
    fn is_active(&self, device: Self::Device) -> bool;
    fn nothing_is_current(&self) -> bool;
}

impl<T: Calls> Contender for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    #[inline]
    fn release_path(&self) {
        let devices = self.devices();
        let kept = devices[kept(devices.len())];
        self.retain(kept);
        let mut thread_is_known = false;
        for &other in devices {
            if other == kept || !self.is_active(other) {
                continue;
            }
            if !thread_is_known {
                assert!(self.nothing_is_current());
                thread_is_known = true;
            }
            self.release(other);
            self.is_active(other);
        }
        self.release(kept);
    }

    #[inline]
    fn retain_and_release(&self) {
        let device = self.devices()[kept(self.devices().len())];
        self.retain(device);
        self.release(device);
    }
}
