//! Who holds a device's context, if the witness of `cuda-contexts` stands before the driver.
//!
//! The driver does not return that. The witness counts, and exports two functions of its own beside the
//! driver's (`cuda_contexts.h` in its package).

use std::ffi::{CStr, c_void};
use std::fmt::{self, Display, Formatter};
use std::mem;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use crate::driver::device::Device;
use crate::driver::library::Library;
use crate::sys;

/// A library, or the program itself, that holds something on a device, as the witness of
/// `cuda-contexts` counted it.
///
/// Displayed as the name of its file and its references: `libcudart.so.13 1`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The path that it was loaded from; of a very long path the end. Empty for code made at run time.
    pub library: PathBuf,
    /// References to the primary context that it took with `cuDevicePrimaryCtxRetain`.
    pub references: u32,
    /// References to the primary context that its green contexts hold, one each.
    pub green_contexts: u32,
    /// Contexts that it made with `cuCtxCreate`; they hold no reference to the primary one.
    pub ordinary_contexts: u32,
    /// In a report: how many of its references, those of its green contexts among them, the run released.
    pub taken: u32,
}

impl Holder {
    pub(crate) fn name(&self) -> &Path {
        match self.library.file_name() {
            Some(name) => Path::new(name),
            None => Path::new("code in no file"),
        }
    }
}

impl Display for Holder {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name().display(), self.references)?;
        for (count, what) in [(self.green_contexts, "green"), (self.ordinary_contexts, "ordinary")]
        {
            if count > 0 {
                write!(formatter, " + {count} {what}")?;
            }
        }
        Ok(())
    }
}

impl Device {
    /// The libraries that hold the device's context now, the longest holder first, as
    /// `cuda-contexts trace` counts them. `None` if the program does not run under that command; empty
    /// if nobody holds it, and in a [forked child](crate::fork), which holds nothing.
    ///
    /// Makes no driver call. What other threads do meanwhile may be in it or not.
    pub fn holders(self) -> Option<Vec<Holder>> {
        let witness = self.driver().witness()?;
        match self.driver().check_process() {
            Ok(()) => Some(witness.holders(self.as_raw())),
            Err(_) => Some(Vec::new()),
        }
    }
}

/// `struct cuda_contexts_holder`.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawHolder {
    references: u32,
    green: u32,
    ordinary: u32,
    reserved: u32,
    library: [u8; 240],
}

type GetVersion = unsafe extern "C" fn() -> u32;

type GetHolders = unsafe extern "C" fn(sys::CUdevice, *mut RawHolder, u32) -> u32;

/// The interface of the witness that this crate knows.
const INTERFACE: u32 = 1;

/// As many holders as a device is expected to have; if there are more, a second call has room for them.
const EXPECTED: usize = 16;

#[derive(Clone, Copy)]
pub(crate) struct Witness {
    holders: GetHolders,
}

impl Witness {
    pub(crate) fn find(library: &Library) -> Option<Self> {
        let version = library.symbol(c"cuda_contexts_version")?;
        // SAFETY: only the witness has a function of this name, with this signature in every version.
        let version = unsafe { mem::transmute::<NonNull<c_void>, GetVersion>(version) };
        // SAFETY: it may be called at any time.
        if unsafe { version() } != INTERFACE {
            return None;
        }
        let holders = library.symbol(c"cuda_contexts_holders")?;
        // SAFETY: in this version of the interface the function has this signature.
        let holders = unsafe { mem::transmute::<NonNull<c_void>, GetHolders>(holders) };
        Some(Self { holders })
    }

    pub(crate) fn holders(self, device: sys::CUdevice) -> Vec<Holder> {
        let nobody =
            RawHolder { references: 0, green: 0, ordinary: 0, reserved: 0, library: [0; 240] };
        let mut raw = vec![nobody; EXPECTED];
        loop {
            let capacity = u32::try_from(raw.len()).unwrap_or(u32::MAX);
            // SAFETY: there is room for as many holders as are passed; the function may be called at any
            // time and with any device.
            let found = unsafe { (self.holders)(device, raw.as_mut_ptr(), capacity) };
            if found <= capacity {
                raw.truncate(found as usize);
                return raw.iter().map(Holder::from).collect();
            }
            raw.resize(found as usize, nobody);
        }
    }
}

impl From<&RawHolder> for Holder {
    fn from(raw: &RawHolder) -> Self {
        let library = CStr::from_bytes_until_nul(&raw.library).unwrap_or_default();
        Self {
            library: path_of(library),
            references: raw.references,
            green_contexts: raw.green,
            ordinary_contexts: raw.ordinary,
            taken: 0,
        }
    }
}

/// Paths of Unix are bytes, and need be no text.
#[cfg(unix)]
fn path_of(text: &CStr) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(text.to_bytes()).into()
}

#[cfg(not(unix))]
fn path_of(text: &CStr) -> PathBuf {
    text.to_string_lossy().into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holder_has_the_layout_of_the_interface() {
        assert_eq!((size_of::<RawHolder>(), mem::offset_of!(RawHolder, library)), (256, 16));
    }

    #[cfg(unix)]
    #[test]
    fn holder_is_displayed_by_its_file_and_what_it_holds() {
        use std::os::unix::ffi::OsStrExt;
        let mut raw =
            RawHolder { references: 1, green: 0, ordinary: 0, reserved: 0, library: [0; 240] };
        assert_eq!(Holder::from(&raw).to_string(), "code in no file 1");
        let path = b"/caf\xe9/libx.so";
        raw.library[..path.len()].copy_from_slice(path);
        (raw.green, raw.ordinary) = (2, 3);
        let holder = Holder::from(&raw);
        assert_eq!(holder.library.as_os_str().as_bytes(), path);
        assert_eq!(holder.to_string(), "libx.so 1 + 2 green + 3 ordinary");
    }
}
