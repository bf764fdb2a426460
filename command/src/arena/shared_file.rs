//! Memory that other processes write to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;

/// A file that is mapped, here and by others.
#[derive(Debug)]
pub struct SharedFile {
    file: File,
    map: MmapRaw,
}

impl SharedFile {
    /// Makes it: sparse, but for its beginning.
    pub fn create(path: &Path, capacity: u64, allocated: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        file.set_len(capacity)?;
        let map = MmapRaw::map_raw(&file)?;
        let shared = Self { file, map };
        shared.allocate(0, allocated)?;
        Ok(shared)
    }

    /// Makes sure that there is room for a part of it.
    pub fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        let (from, to) = (from as libc::off_t, to as libc::off_t);
        // SAFETY: the descriptor is the file's own.
        match unsafe { libc::posix_fallocate(self.file.as_raw_fd(), from, to - from) } {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    /// The word at a place, which is a multiple of eight; what its writer wrote before it is seen.
    pub fn word(&self, place: u64) -> u64 {
        self.atomic(place).load(Ordering::Acquire)
    }

    /// Sets it.
    pub fn set_word(&self, place: u64, value: u64) {
        self.atomic(place).store(value, Ordering::Release);
    }

    fn atomic(&self, place: u64) -> &AtomicU64 {
        let pointer = self.pointer(place, 8).cast::<u64>();
        assert!(pointer.is_aligned());
        // SAFETY: the place is inside the map, aligned, and everybody treats it as an atomic word.
        unsafe { AtomicU64::from_ptr(pointer) }
    }

    /// A copy of what is there. The word before it says whether its writer is done with it. Another
    /// process may still write the last fields of a call that has not ended; they are plain numbers,
    /// and but for the device are not used without that state.
    pub fn read(&self, place: u64, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; length as usize];
        let from = self.pointer(place, length);
        // SAFETY: the source is inside the map, the destination is as long. What another process
        // writes meanwhile are numbers, of which any bytes are one.
        unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        bytes
    }

    /// Writes, where nobody else does yet.
    pub fn write(&self, place: u64, bytes: &[u8]) {
        let to = self.pointer(place, bytes.len() as u64);
        // SAFETY: the destination is inside the map, and nobody knows the file yet.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn pointer(&self, place: u64, length: u64) -> *mut u8 {
        let end = place.checked_add(length).expect("a place in the file");
        assert!(end <= self.map.len() as u64, "{place}");
        self.map.as_mut_ptr().wrapping_add(place as usize)
    }
}
