//! Memory according to NVML: how much a process has on each device, and how much is free.
//!
//! Call [`memory_of`] before the checkpoint and pass its result to [`room`] before the restore. While a process
//! is checkpointed, NVML does not list its memory.

use nvml_wrapper::Nvml;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError as Failure;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

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
    #[error("{LIBRARY} could not be loaded ({reason}). It comes with NVIDIA's driver")]
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

    /// NVML lists the process and does not know how much memory it has.
    #[error("NVML does not know how much memory process {pid} has on {device}")]
    MemoryUnknown {
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
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LibraryNotFound { .. } => "nvml_not_found",
            Self::Call { .. } => "nvml",
            Self::NotListed { .. } => "nvml_not_listed",
            Self::MemoryUnknown { .. } => "nvml_memory_unknown",
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
    let nvml = start()?;
    let mut found = Vec::new();
    for index in 0..device_count(&nvml)? {
        let (device, uuid) = device_at(&nvml, index)?;
        let mut bytes = None;
        for process in processes_on(&device)?.iter().filter(|process| process.pid == pid) {
            let used = process.bytes.ok_or(NvmlError::MemoryUnknown { pid, device: uuid })?;
            *bytes.get_or_insert(0) += used;
        }
        found.extend(bytes.map(|bytes| DeviceMemory { device: uuid, bytes }));
    }
    if found.is_empty() { Err(NvmlError::NotListed { pid }) } else { Ok(found) }
}

/// The processes with a context on one GPU, as NVML lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuProcesses {
    /// The number that NVML and `nvidia-smi` give the GPU. It does not depend on CUDA_VISIBLE_DEVICES.
    pub index: u32,
    /// The GPU's unique id, unless it could not be read.
    pub uuid: Option<Uuid>,
    /// The processes, or why they could not be listed.
    pub processes: Result<Vec<GpuProcess>, NvmlError>,
}

/// A process with a context on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuProcess {
    /// The process id in the namespace of the driver: on a host, the host's.
    pub pid: u32,
    /// The bytes that it uses on the GPU, its context included. `None` if NVML does not know, as on Windows.
    pub bytes: Option<u64>,
    /// The MIG instance that it uses, if the GPU is divided.
    pub mig_instance: Option<u32>,
}

/// Lists every process that has a CUDA context, GPU by GPU.
///
/// Calls [`nvmlDeviceGetComputeRunningProcesses`][1] for each GPU. Needs no CUDA context and creates none.
/// A GPU that cannot be read does not hide the others: its `processes` is an error.
///
/// [1]: https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html
///
/// # Errors
/// [`NvmlError::LibraryNotFound`]; [`NvmlError::Call`] if NVML does not start or cannot count the GPUs.
pub fn processes() -> Result<Vec<GpuProcesses>, NvmlError> {
    let nvml = start()?;
    let gpus = (0..device_count(&nvml)?).map(|index| {
        let device = device_at(&nvml, index);
        let uuid = device.as_ref().ok().map(|(_, uuid)| *uuid);
        let processes = device.and_then(|(device, _)| processes_on(&device));
        GpuProcesses { index, uuid, processes }
    });
    Ok(gpus.collect())
}

impl GpuProcess {
    fn new(process: ProcessInfo) -> Self {
        let bytes = match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        Self { pid: process.pid, bytes, mig_instance: process.gpu_instance_id }
    }
}

/// Returns how much memory is free on each device, in NVML's order.
///
/// # Errors
/// [`NvmlError`].
pub fn free() -> Result<Vec<DeviceMemory>, NvmlError> {
    let nvml = start()?;
    let devices = (0..device_count(&nvml)?).map(|index| {
        let (device, id) = device_at(&nvml, index)?;
        let memory = device.memory_info().map_err(failed("nvmlDeviceGetMemoryInfo_v2"))?;
        Ok(DeviceMemory { device: id, bytes: memory.free })
    });
    devices.collect()
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

fn start() -> Result<Nvml, NvmlError> {
    Nvml::builder().lib_path(LIBRARY.as_ref()).init().map_err(|error| match error {
        Failure::LibloadingError(reason) => {
            NvmlError::LibraryNotFound { reason: reason.to_string().into() }
        }
        error => failed("nvmlInit_v2")(error),
    })
}

fn device_count(nvml: &Nvml) -> Result<u32, NvmlError> {
    nvml.device_count().map_err(failed("nvmlDeviceGetCount_v2"))
}

fn device_at(nvml: &Nvml, index: u32) -> Result<(nvml_wrapper::Device<'_>, Uuid), NvmlError> {
    let device = nvml.device_by_index(index).map_err(failed("nvmlDeviceGetHandleByIndex_v2"))?;
    let call = "nvmlDeviceGetUUID";
    let text = device.uuid().map_err(failed(call))?;
    let no_id = || NvmlError::Call { call, reason: format!("{text:?} is no id").into() };
    let id = text.parse().map_err(|_| no_id())?;
    Ok((device, id))
}

fn processes_on(device: &nvml_wrapper::Device<'_>) -> Result<Vec<GpuProcess>, NvmlError> {
    let call = "nvmlDeviceGetComputeRunningProcesses_v3";
    let listed = device.running_compute_processes().map_err(failed(call))?;
    Ok(listed.into_iter().map(GpuProcess::new).collect())
}

fn failed(call: &'static str) -> impl Fn(Failure) -> NvmlError {
    move |error| NvmlError::Call { call, reason: error.to_string().into() }
}
