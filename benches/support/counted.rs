//! The raw twin with a count: one atomic operation for each retain and each release, on a word of the
//! device's own. That is what a layer cannot do without that knows how many handles live on a device.

use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use cuda_primary_context::sys::{CUdevice, CUresult};

use super::raw::Raw;

/// A driver by plain function pointers, and what is counted of its devices.
pub struct Counted {
    raw: Raw,
    devices: Vec<CountedDevice>,
}

/// A device and its word. What is released of others' references takes it below zero, and around;
/// nobody reads it.
pub struct CountedDevice {
    handle: CUdevice,
    handles: AtomicU64,
}

impl Counted {
    pub fn load(path: &Path) -> Result<Self, CUresult> {
        let raw = Raw::load(path)?;
        let devices = raw.devices.iter();
        let devices = devices.map(|&handle| CountedDevice { handle, handles: AtomicU64::new(0) });
        Ok(Self { devices: devices.collect(), raw })
    }

    #[inline]
    pub fn device(&self, ordinal: u32) -> &CountedDevice {
        &self.devices[ordinal as usize]
    }

    #[inline]
    pub fn device_count(&self) -> usize {
        self.devices.len()
    }

    #[inline]
    pub fn retain<'a>(&self, device: &'a CountedDevice) -> Result<&'a CountedDevice, CUresult> {
        device.handles.fetch_add(1, Ordering::AcqRel);
        self.raw.retain(device.handle).map(|_| device)
    }

    #[inline]
    pub fn release(&self, device: &CountedDevice) -> Result<(), CUresult> {
        let released = self.raw.release(device.handle);
        device.handles.fetch_sub(1, Ordering::AcqRel);
        released
    }

    /// As [`Raw::retain_only`].
    #[inline]
    pub fn retain_only<'a>(&self, kept: &'a CountedDevice) -> Result<&'a CountedDevice, CUresult> {
        self.retain(kept)?;
        let mut thread_is_known = false;
        for other in &self.devices {
            if ptr::eq(other, kept) || !self.raw.is_active(other.handle)? {
                continue;
            }
            if !thread_is_known {
                assert!(self.raw.nothing_is_current()?, "no context is current in a benchmark");
                thread_is_known = true;
            }
            self.release(other)?;
            self.raw.is_active(other.handle)?;
        }
        Ok(kept)
    }
}
