//! What a restore is given: which GPU is which, and the room.

use cuda_primary_context::checkpoint::{DeviceRoom, GpuMap, GpuPair, Room};
use pyo3::prelude::*;

use crate::device::uuid;
use crate::error::answer;

/// Pairs of unique ids, of the GPU at the checkpoint and that at the restore, and every GPU's id.
pub type Map = (Vec<(String, String)>, Vec<String>);

/// A device's unique id, the bytes needed and the bytes free there.
pub type RoomOnDevice = (String, u64, u64);

/// Where nothing is told, every GPU is the one that it was.
pub fn gpu_map(py: Python<'_>, map: Option<Map>) -> PyResult<GpuMap> {
    let Some((pairs, all)) = map else { return Ok(GpuMap::same()) };
    let pair = |(old, new): (String, String)| Ok(GpuPair { old: uuid(&old)?, new: uuid(&new)? });
    let pairs = pairs.into_iter().map(pair).collect::<PyResult<Vec<_>>>()?;
    let all = all.iter().map(|id| uuid(id)).collect::<PyResult<Vec<_>>>()?;
    answer(py, GpuMap::new(pairs, &all))
}

/// Where nothing is told, the caller answers for the room.
pub fn room(devices: Option<Vec<RoomOnDevice>>) -> PyResult<Room> {
    let Some(devices) = devices else { return Ok(Room::Trusted) };
    let devices = devices
        .into_iter()
        .map(|(device, needed, free)| Ok(DeviceRoom { device: uuid(&device)?, needed, free }));
    Ok(Room::Looked(devices.collect::<PyResult<_>>()?))
}
