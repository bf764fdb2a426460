//! Whether the devices have the room that a restore needs.

use crate::checkpoint::error::CheckpointError;
use crate::driver::uuid::Uuid;

/// What one device has, and what a restore needs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRoom {
    /// The device on which the process comes back.
    pub device: Uuid,
    /// How many bytes the process had there when it was checkpointed.
    pub needed: u64,
    /// How many bytes are free now.
    pub free: u64,
}

/// What is known of the room for a restore. A restore without room destroys the process.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Room {
    /// Needed and free bytes of every device that the process used. With the feature `nvml`,
    /// `nvml::room` makes it.
    Looked(Vec<DeviceRoom>),
    /// The caller knows that there is room. Nothing is checked.
    Trusted,
}

impl Room {
    /// Checks that every device has the room that is needed. [`Room::Trusted`] always passes.
    ///
    /// # Errors
    /// [`CheckpointError::NoRoom`] for the first device without room.
    pub fn check(&self) -> Result<(), CheckpointError> {
        let Self::Looked(devices) = self else { return Ok(()) };
        match devices.iter().find(|device| device.free < device.needed) {
            Some(&DeviceRoom { device, needed, free }) => {
                Err(CheckpointError::NoRoom { device, needed, free })
            }
            None => Ok(()),
        }
    }
}
