//! The crate itself.

use cuda_primary_context::{Device, Driver, PrimaryContext, PrimaryContextGuard};

use crate::contender::{Contender, kept};

pub struct ThisCrate(Device);

impl ThisCrate {
    pub fn load() -> Self {
        let driver = Driver::load().expect("the driver works");
        let kept = kept(driver.device_count() as usize) as u32;
        Self(driver.device(kept).expect("the device is there"))
    }

    pub fn first_use() -> bool {
        let device = Driver::load().and_then(|driver| driver.device(0));
        let state = device.and_then(|device| device.primary_context_state());
        state.expect("the device answers").active
    }
}

impl Contender for ThisCrate {
    fn name(&self) -> &'static str {
        "cuda-primary-context"
    }

    #[inline]
    fn release_path(&self) {
        drop(PrimaryContextGuard::retain_only(self.0).expect("the device can be retained"));
    }

    #[inline]
    fn retain_and_release(&self) {
        drop(PrimaryContext::retain(self.0).expect("the device can be retained"));
    }
}
