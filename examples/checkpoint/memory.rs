//! Memory on devices, by NVML.

use std::collections::HashMap;

use cuda_primary_context::checkpoint::nvml::{self, DeviceMemory, NvmlError};
use cuda_primary_context::checkpoint::{GpuMap, Room};

use crate::Failure;
use crate::options::Options;

/// What NVML lists before a checkpoint.
pub struct Before {
    /// What all processes have on each device; an error if NVML does not list one of them.
    pub listed: Result<Vec<DeviceMemory>, NvmlError>,
    /// The bytes on GPUs of each process that NVML lists.
    pub of_processes: HashMap<u32, u64>,
}

impl Before {
    pub fn of(pids: &[u32]) -> Self {
        let each = pids.iter().map(|&pid| (pid, nvml::memory_of(pid))).collect::<Vec<_>>();
        let bytes = |memory: &[DeviceMemory]| memory.iter().map(|on| on.bytes).sum();
        let known = each.iter().filter_map(|(pid, on)| Some((*pid, bytes(on.as_ref().ok()?))));
        let of_processes = known.collect();
        let listed = each.into_iter().map(|(_, memory)| memory).collect::<Result<Vec<_>, _>>();
        Self { listed: listed.map(|all| all.concat()), of_processes }
    }
}

/// The room for a restore: trusted by `--force`, else looked at for what is needed.
pub fn room(options: &Options, needed: &[DeviceMemory], map: &GpuMap) -> Result<Room, Failure> {
    if options.force {
        return Ok(Room::Trusted);
    }
    nvml::room(needed.iter().copied(), map).map_err(|error| Failure::no_room_known(&error))
}
