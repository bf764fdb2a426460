//! A file that other processes map and write to.
//!
//! This side reads and writes it by calls, not through a map: a program that truncates the file must
//! not end the command by SIGBUS.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::posix_fallocate;

/// How much is written at once. More than most programs need.
const WRITTEN: u64 = 4 << 20;

#[derive(Debug)]
pub struct SharedFile {
    file: File,
    capacity: u64,
}

impl SharedFile {
    /// Makes it: sparse, but for its beginning.
    pub fn create(path: &Path, capacity: u64, allocated: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        file.set_len(capacity)?;
        let shared = Self { file, capacity };
        shared.allocate(0, allocated)?;
        // Some file systems take milliseconds over the first write to a page that was only allocated.
        shared.write(0, &vec![0; allocated.min(WRITTEN) as usize])?;
        Ok(shared)
    }

    /// Opens one that another process has made, to read it. What would write to it fails.
    pub fn open(path: &Path) -> io::Result<Self> {
        // It may be something else that somebody put there.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a file"));
        }
        Ok(Self { file, capacity: about.len() })
    }

    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    pub fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        let (from, to) = (from as libc::off_t, to as libc::off_t);
        Ok(posix_fallocate(&self.file, from, to - from)?)
    }

    /// Makes it as long again as it was if a program has truncated it: a write to what is missing
    /// would end the program.
    pub fn restore_length(&self) -> bool {
        let shorter = self.file.metadata().is_ok_and(|about| about.len() < self.capacity);
        shorter && self.file.set_len(self.capacity).is_ok()
    }

    /// The word at a place, which is a multiple of eight. What its writer wrote before it is seen by
    /// later reads.
    pub fn word(&self, place: u64) -> u64 {
        let mut bytes = [0; 8];
        // What is missing reads as zeros.
        let _ = self.file.read_exact_at(&mut bytes, place);
        u64::from_ne_bytes(bytes)
    }

    pub fn set_word(&self, place: u64, value: u64) -> io::Result<()> {
        self.write(place, &value.to_ne_bytes())
    }

    /// A copy of a part. What is missing reads as zeros.
    pub fn read(&self, place: u64, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; length as usize];
        let _ = self.file.read_exact_at(&mut bytes, place);
        bytes
    }

    pub fn write(&self, place: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, place)
    }
}
