//! The safe layer, with the raw twin's words.

use cuda_primary_context::{
    Device, Driver, Error, PrimaryContext, PrimaryContextGuard, StrayRelease,
};

pub struct Safe {
    pub driver: Driver,
}

impl Safe {
    #[inline]
    pub fn device(&self, ordinal: u32) -> Device {
        self.driver.device(ordinal).expect("the machine has the device")
    }

    #[inline]
    pub fn retain_only(&self, kept: Device) -> Result<PrimaryContextGuard, Error> {
        PrimaryContextGuard::retain_only(kept)
    }

    #[inline]
    pub fn release_active(&self) -> Result<(), Error> {
        std::hint::black_box(StrayRelease::new().run(self.driver)?);
        Ok(())
    }

    #[inline]
    pub fn retain(&self, device: Device) -> Result<PrimaryContext, Error> {
        PrimaryContext::retain(device)
    }

    /// By Drop, as programs do it.
    #[inline]
    pub fn release<Handle>(&self, handle: Handle) -> Result<(), Error> {
        drop(handle);
        Ok(())
    }
}
