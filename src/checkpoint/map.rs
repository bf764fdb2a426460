//! Which GPU a process comes back on.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::checkpoint::error::CheckpointError;
use crate::driver::uuid::Uuid;

/// One GPU of the time of the checkpoint, and the one that replaces it at the restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuPair {
    /// The GPU at the checkpoint.
    pub old: Uuid,
    /// The GPU at the restore; it may be the same.
    pub new: Uuid,
}

/// Which GPU a process comes back on: the same as before, or by pairs (driver of CUDA 13.0 or newer).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpuMap(Vec<GpuPair>);

impl GpuMap {
    /// Every GPU stays the same. The driver gets no map.
    pub const fn same() -> Self {
        Self(Vec::new())
    }

    /// Pairs for every GPU that the kernel driver showed at the checkpoint, whether the process used it
    /// or not: these are `all`, see [`machine_gpus`].
    ///
    /// # Errors
    /// [`CheckpointError::MapLacks`], [`CheckpointError::MapNamesTwice`]. The driver would return
    /// `CUDA_ERROR_INVALID_VALUE` without naming the GPU (not tried with a GPU named twice).
    pub fn new(
        pairs: impl IntoIterator<Item = GpuPair>,
        all: &[Uuid],
    ) -> Result<Self, CheckpointError> {
        let pairs: Vec<GpuPair> = pairs.into_iter().collect();
        let sides: [fn(&GpuPair) -> Uuid; 2] = [|pair| pair.old, |pair| pair.new];
        for side in sides {
            let mut seen = HashSet::new();
            if let Some(device) = pairs.iter().map(side).find(|&device| !seen.insert(device)) {
                return Err(CheckpointError::MapNamesTwice { device });
            }
        }
        match all.iter().find(|device| pairs.iter().all(|pair| pair.old != **device)) {
            Some(&device) => Err(CheckpointError::MapLacks { device }),
            None => Ok(Self(pairs)),
        }
    }

    /// Returns the pairs; none for [`GpuMap::same`].
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = GpuPair> + Clone {
        self.0.iter().copied()
    }
}

/// Returns every GPU that the kernel driver shows, in the order of their PCI addresses. Reads
/// `/proc/driver/nvidia/gpus`; `CUDA_VISIBLE_DEVICES` has no effect.
///
/// # Errors
/// Those of reading that folder, and `InvalidData` for an entry without a unique id.
pub fn machine_gpus() -> io::Result<Vec<Uuid>> {
    gpus_in(Path::new("/proc/driver/nvidia/gpus"))
}

fn gpus_in(folder: &Path) -> io::Result<Vec<Uuid>> {
    let mut folders: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    folders.sort_by_key(fs::DirEntry::file_name);
    let gpus = folders.iter().map(|folder| {
        let path = folder.path().join("information");
        id_in(&fs::read_to_string(&path)?).ok_or_else(|| {
            let message = format!("{} has no GPU UUID", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    });
    gpus.collect()
}

fn id_in(information: &str) -> Option<Uuid> {
    let line = information.lines().find_map(|line| line.strip_prefix("GPU UUID:"));
    line?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    fn pair(old: u8, new: u8) -> GpuPair {
        GpuPair { old: gpu(old), new: gpu(new) }
    }

    #[test]
    fn maps_name_every_gpu_once() {
        let all = [gpu(1), gpu(2), gpu(3)];
        let exchanged = [pair(1, 2), pair(2, 1), pair(3, 3)];
        assert_eq!(GpuMap::new(exchanged, &all).unwrap().pairs().collect::<Vec<_>>(), exchanged);
        let refused = |pairs: &[GpuPair]| GpuMap::new(pairs.to_vec(), &all).unwrap_err();
        let lacks = CheckpointError::MapLacks { device: gpu(3) };
        assert_eq!(refused(&[pair(1, 1), pair(2, 2)]), lacks);
        let twice = CheckpointError::MapNamesTwice { device: gpu(2) };
        assert_eq!(refused(&[pair(2, 1), pair(2, 2), pair(1, 3), pair(3, 4)]), twice);
        assert_eq!(refused(&[pair(1, 2), pair(2, 2), pair(3, 3)]), twice);
        assert_eq!(GpuMap::same().pairs().len(), 0);
        assert_eq!(GpuMap::new([], &[]), Ok(GpuMap::same()));
    }

    #[test]
    fn gpus_of_the_machine_are_in_the_order_of_their_addresses() {
        let folder = std::env::temp_dir().join(format!("gpus-{}", std::process::id()));
        assert_eq!(gpus_in(&folder).unwrap_err().kind(), io::ErrorKind::NotFound);
        let write = |address: &str, id: &str| {
            let path = folder.join(address);
            fs::create_dir_all(&path).unwrap();
            let text = format!("Model: \t\t NVIDIA H100\nGPU UUID: \t {id}\n");
            fs::write(path.join("information"), text).unwrap();
        };
        write("0000:0b:00.0", "GPU-02020202-0202-0202-0202-020202020202");
        write("0000:0a:00.0", "GPU-01010101-0101-0101-0101-010101010101");
        assert_eq!(gpus_in(&folder).unwrap(), [gpu(1), gpu(2)]);
        write("0000:0c:00.0", "GPU-????????");
        assert_eq!(gpus_in(&folder).unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::remove_dir_all(&folder).unwrap();
        assert!(machine_gpus().map_or(true, |gpus| !gpus.is_empty()), "no folder, or its GPUs");
    }
}
