//! Memory according to NVML: how much a process has on each device, and how much is free.
//!
//! Call [`memory_of`] before the checkpoint and pass its result to [`room`] before the restore. While a process
//! is checkpointed, NVML does not list its memory.

use nvml_wrapper::Nvml;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError as Failure;

use crate::checkpoint::map::GpuMap;
use crate::checkpoint::room::{DeviceRoom, Room};
use crate::driver::uuid::Uuid;

/// The library by its full name; the name without a number is for linking.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// Bytes on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// The device.
    pub device: Uuid,
    /// The bytes.
    pub bytes: u64,
}

/// Why NVML returned nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NvmlError {
    /// The library could not be loaded: it comes with NVIDIA's driver.
    #[error("{LIBRARY} could not be loaded ({reason}); it comes with NVIDIA's driver")]
    LibraryNotFound {
        /// The error of the dynamic loader.
        reason: Box<str>,
    },

    /// A call failed.
    #[error("{call} failed: {reason}")]
    Call {
        /// The C function.
        call: &'static str,
        /// The error of NVML.
        reason: Box<str>,
    },

    /// NVML lists the process on no device: it has no context, or NVML knows it by another id, as in a
    /// container with its own process ids.
    #[error(
        "NVML lists process {pid} on no device: it has no context, or this is a container, in which NVML \
         uses other process ids"
    )]
    NotListed {
        /// The process id.
        pid: u32,
    },

    /// NVML lists the process and does not say how much memory it has.
    #[error("NVML does not say how much memory process {pid} has on {device}")]
    MemoryNotTold {
        /// The process id.
        pid: u32,
        /// The device.
        device: Uuid,
    },

    /// NVML shows no such device.
    #[error("NVML shows no device {device}")]
    NoSuchDevice {
        /// The device.
        device: Uuid,
    },
}

impl NvmlError {
    /// The variant in `snake_case`, for logs and JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LibraryNotFound { .. } => "nvml_not_found",
            Self::Call { .. } => "nvml",
            Self::NotListed { .. } => "nvml_not_listed",
            Self::MemoryNotTold { .. } => "nvml_memory_not_told",
            Self::NoSuchDevice { .. } => "nvml_no_such_device",
        }
    }
}

/// Returns how much memory a process has on each device on which it has a context, its contexts included. Whole
/// GPUs only; MIG instances were not tried.
///
/// # Errors
/// [`NvmlError`]; [`NvmlError::NotListed`] also for a process that has no context.
pub fn memory_of(pid: u32) -> Result<Vec<DeviceMemory>, NvmlError> {
    let mut found = Vec::new();
    for_each_device(|device, id| {
        let call = "nvmlDeviceGetComputeRunningProcesses_v3";
        let processes = device.running_compute_processes().map_err(|error| failed(call, &error))?;
        let mut bytes = None;
        for process in processes.iter().filter(|process| process.pid == pid) {
            match process.used_gpu_memory {
                UsedGpuMemory::Used(used) => *bytes.get_or_insert(0) += used,
                UsedGpuMemory::Unavailable => {
                    return Err(NvmlError::MemoryNotTold { pid, device: id });
                }
            }
        }
        found.extend(bytes.map(|bytes| DeviceMemory { device: id, bytes }));
        Ok(())
    })?;
    if found.is_empty() { Err(NvmlError::NotListed { pid }) } else { Ok(found) }
}

/// Returns how much memory is free on each device, in NVML's order.
///
/// # Errors
/// [`NvmlError`].
pub fn free() -> Result<Vec<DeviceMemory>, NvmlError> {
    let mut found = Vec::new();
    for_each_device(|device, id| {
        let call = "nvmlDeviceGetMemoryInfo_v2";
        let memory = device.memory_info().map_err(|error| failed(call, &error))?;
        found.push(DeviceMemory { device: id, bytes: memory.free });
        Ok(())
    })?;
    Ok(found)
}

/// Returns the room for a restore of one or several processes that need these bytes, on the devices to which
/// the map moves them.
///
/// # Errors
/// [`NvmlError`].
pub fn room(
    needed: impl IntoIterator<Item = DeviceMemory>,
    map: &GpuMap,
) -> Result<Room, NvmlError> {
    let free = free()?;
    let mut rooms: Vec<DeviceRoom> = Vec::new();
    for DeviceMemory { device: old, bytes } in needed {
        let device = map.pairs().find(|pair| pair.old == old).map_or(old, |pair| pair.new);
        match rooms.iter_mut().find(|room| room.device == device) {
            Some(room) => room.needed += bytes,
            None => {
                let there = free.iter().find(|there| there.device == device);
                let free = there.ok_or(NvmlError::NoSuchDevice { device })?.bytes;
                rooms.push(DeviceRoom { device, needed: bytes, free });
            }
        }
    }
    Ok(Room::Looked(rooms))
}

fn for_each_device(
    mut action: impl FnMut(&nvml_wrapper::Device<'_>, Uuid) -> Result<(), NvmlError>,
) -> Result<(), NvmlError> {
    let nvml = Nvml::builder().lib_path(LIBRARY.as_ref()).init().map_err(|error| match error {
        Failure::LibloadingError(reason) => {
            NvmlError::LibraryNotFound { reason: reason.to_string().into() }
        }
        error => failed("nvmlInit_v2", &error),
    })?;
    let count = nvml.device_count().map_err(|error| failed("nvmlDeviceGetCount_v2", &error))?;
    for index in 0..count {
        let call = "nvmlDeviceGetHandleByIndex_v2";
        let device = nvml.device_by_index(index).map_err(|error| failed(call, &error))?;
        let call = "nvmlDeviceGetUUID";
        let text = device.uuid().map_err(|error| failed(call, &error))?;
        let id = text
            .parse()
            .map_err(|_| NvmlError::Call { call, reason: format!("{text:?} is no id").into() })?;
        action(&device, id)?;
    }
    Ok(())
}

fn failed(call: &'static str, error: &Failure) -> NvmlError {
    NvmlError::Call { call, reason: error.to_string().into() }
}
