//! What a restore is given: which GPU is which, and the room.

use cuda_primary_context::checkpoint::nvml::{self, DeviceMemory};
use cuda_primary_context::checkpoint::{DeviceRoom, GpuMap, GpuPair, Room};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};

use crate::checkpoint::questions::gpus;
use crate::device::uuid;
use crate::error::or_raise;
use crate::number::{BYTES, number};

/// What a mapping has.
fn items<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    mapping.call_method0("items")?.try_iter()?.map(|item| item?.extract()).collect()
}

/// Which GPU at the checkpoint is which at the restore; without pairs, every GPU is the one that it was.
pub fn gpu_map(
    py: Python<'_>,
    pairs: Option<Bound<'_, PyAny>>,
    every_gpu: Option<Bound<'_, PyAny>>,
) -> PyResult<GpuMap> {
    let Some(pairs) = pairs else { return Ok(GpuMap::same()) };
    let pairs = items(&pairs)?
        .into_iter()
        .map(|(old, new)| Ok(GpuPair { old: uuid(&old)?, new: uuid(&new.extract::<String>()?)? }));
    let pairs = pairs.collect::<PyResult<Vec<_>>>()?;
    let all = match every_gpu {
        Some(ids) => {
            let ids = ids.try_iter()?.map(|id| uuid(&id?.extract::<String>()?));
            ids.collect::<PyResult<Vec<_>>>()?
        }
        None => gpus(py)?,
    };
    or_raise(py, GpuMap::new(pairs, &all))
}

/// What is known of the room. It can be read more than once.
#[derive(Debug)]
pub enum RoomArgument {
    /// The caller knows that there is room.
    Trusted,
    /// What is needed; NVML says what is free.
    Needed(Vec<DeviceMemory>),
    Numbers(Vec<DeviceRoom>),
}

impl<'py> FromPyObject<'_, 'py> for RoomArgument {
    type Error = PyErr;

    fn extract(room: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if room.is_instance_of::<PyString>() {
            let word: String = room.extract()?;
            return match &*word {
                "trusted" => Ok(Self::Trusted),
                _ => Err(PyValueError::new_err(format!(
                    "The room is not {word:?}. The only word for it is TRUSTED ('trusted')."
                ))),
            };
        }
        let found = if room.cast::<PyMapping>().is_ok() {
            let needed = items(&room)?.into_iter().map(|(id, bytes)| {
                Ok(DeviceMemory { device: uuid(&id)?, bytes: number(&bytes, BYTES)? })
            });
            let needed = needed.collect::<PyResult<Vec<_>>>()?;
            (!needed.is_empty()).then_some(Self::Needed(needed))
        } else {
            let numbers = room.try_iter()?.map(|device| {
                let device = device?;
                Ok(DeviceRoom {
                    device: uuid(&device.getattr("device")?.extract::<String>()?)?,
                    needed: number(&device.getattr("needed")?, BYTES)?,
                    free: number(&device.getattr("free")?, BYTES)?,
                })
            });
            let numbers = numbers.collect::<PyResult<Vec<_>>>()?;
            (!numbers.is_empty()).then_some(Self::Numbers(numbers))
        };
        found.ok_or_else(|| {
            PyValueError::new_err("The room names no device. Name each device, or pass TRUSTED.")
        })
    }
}

impl RoomArgument {
    /// The room for these processes, where the map brings them.
    pub fn look(&self, py: Python<'_>, map: &GpuMap, pids: &[u32]) -> PyResult<Room> {
        match self {
            Self::Trusted => Ok(Room::Trusted),
            Self::Numbers(numbers) => Ok(Room::Looked(numbers.clone())),
            Self::Needed(_) if pids.contains(&std::process::id()) => Err(PyValueError::new_err(
                "A process that suspended itself must not ask NVML before its restore: it was seen to \
                 hang. Pass DeviceRoom with your own numbers, or TRUSTED.",
            )),
            Self::Needed(needed) => {
                or_raise(py, py.detach(|| nvml::room(needed.iter().copied(), map)))
            }
        }
    }
}
