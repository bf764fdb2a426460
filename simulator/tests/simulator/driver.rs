//! A client of the simulated driver, as thin as can be: raw C functions found by `dlsym`.

use std::ffi::{CString, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::ptr;

use simulated_libcuda::{EntryPoint, Simulator, entry_points};

/// A handle that no driver gave out.
pub const POISON: *mut c_void = 0x00de_adbe_ef00 as *mut c_void;
/// A number that no driver answers.
pub const POISONED: u32 = 0xdead_beef;

/// The functions that a driver of CUDA 13.0 has, which is what a [`Simulator`] is by default.
pub fn functions_of_13_0() -> impl Iterator<Item = EntryPoint> {
    entry_points().filter(|entry| entry.since <= 13000)
}

/// The library that a simulator wrote, opened by its path like any client would.
#[derive(Clone, Copy)]
pub struct Library(*mut c_void);

// SAFETY: a loader handle that is never closed may be used from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    pub fn of(simulator: &Simulator) -> Self {
        Self::at(simulator.path())
    }

    pub fn at(path: &Path) -> Self {
        let name = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a C string; the library's constructor is harmless.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null(), "{} does not load", path.display());
        Self(handle)
    }

    /// The address of a symbol, null where there is none.
    pub fn address(self, symbol: &str) -> *mut c_void {
        let name = CString::new(symbol).unwrap();
        // SAFETY: a handle of dlopen and a C string.
        unsafe { libc::dlsym(self.0, name.as_ptr()) }
    }

    /// Calls a function with up to six words. Integers and pointers travel alike in the C calling
    /// conventions of this simulator's targets, and a function ignores words that it does not take.
    pub fn call(self, symbol: &str, words: &[usize]) -> u32 {
        let address = self.address(symbol);
        assert!(!address.is_null(), "no symbol {symbol}");
        call_address(address, words)
    }

    pub fn init(self) -> u32 {
        self.call("cuInit", &[0])
    }

    pub fn retain(self, device: i32) -> (u32, *mut c_void) {
        let mut context = POISON;
        let code = self.call("cuDevicePrimaryCtxRetain", &[out(&mut context), self.device(device)]);
        (code, context)
    }

    pub fn release(self, device: i32) -> u32 {
        self.call("cuDevicePrimaryCtxRelease_v2", &[self.device(device)])
    }

    /// The `CUdevice` of an ordinal.
    pub fn handle(self, ordinal: i32) -> i32 {
        const HANDLE: usize = 4; // as simulated_cuda.h numbers it
        self.call("simulated_cuda_number", &[HANDLE, ordinal as usize]) as i32
    }

    /// The same as a word for [`call`](Self::call).
    pub fn device(self, ordinal: i32) -> usize {
        self.handle(ordinal) as usize
    }

    /// The code, the flags, and whether active.
    pub fn state(self, device: i32) -> (u32, u32, u32) {
        let (mut flags, mut active) = (POISONED, POISONED);
        let words = [self.device(device), out(&mut flags), out(&mut active)];
        (self.call("cuDevicePrimaryCtxGetState", &words), flags, active)
    }

    pub fn set_current(self, context: *mut c_void) -> u32 {
        self.call("cuCtxSetCurrent", &[context as usize])
    }

    pub fn count(self) -> (u32, u32) {
        let mut count = POISONED;
        (self.call("cuDeviceGetCount", &[out(&mut count)]), count)
    }

    pub fn uuid(self, device: i32) -> [u8; 16] {
        let mut uuid = [0; 16];
        assert_eq!(self.call("cuDeviceGetUuid_v2", &[out(&mut uuid), self.device(device)]), 0);
        uuid
    }

    /// Free and total bytes on the current context's device.
    pub fn memory(self) -> (u32, usize, usize) {
        let (mut free, mut total) = (usize::MAX, usize::MAX);
        (self.call("cuMemGetInfo_v2", &[out(&mut free), out(&mut total)]), free, total)
    }

    pub fn allocate(self, bytes: usize) -> (u32, usize) {
        let mut address = usize::MAX;
        (self.call("cuMemAlloc_v2", &[out(&mut address), bytes]), address)
    }

    /// The code, the address and the status.
    pub fn proc_address(self, name: &str, version: i32) -> (u32, *mut c_void, u32) {
        let name = CString::new(name).unwrap();
        let (mut address, mut status) = (POISON, POISONED);
        let words =
            [name.as_ptr() as usize, out(&mut address), version as usize, 0, out(&mut status)];
        (self.call("cuGetProcAddress_v2", &words), address, status)
    }
}

/// An empty folder for a test.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder); // of an earlier run
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A simulator with this many devices, initialised, and its functions.
pub fn started(devices: u32) -> (Simulator, Library) {
    let simulator = Simulator::start(devices);
    let library = Library::of(&simulator);
    assert_eq!(library.init(), 0);
    (simulator, library)
}

/// The word that an out-parameter travels as.
pub fn out<T>(place: &mut T) -> usize {
    ptr::from_mut(place) as usize
}

pub fn call_address(address: *mut c_void, words: &[usize]) -> u32 {
    type SixWords = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> u32;
    let word = |index: usize| words.get(index).copied().unwrap_or(0);
    // SAFETY: a function of the simulated driver, which takes at most six words.
    let function = unsafe { std::mem::transmute::<*mut c_void, SixWords>(address) };
    // SAFETY: the pointers among the words are null or live for the call; anything else must not
    // crash it, which is a promise under test.
    unsafe { function(word(0), word(1), word(2), word(3), word(4), word(5)) }
}

/// Runs a closure in a forked child and returns its result, below 255. The child does nothing after it.
pub fn in_forked_child(child: impl FnOnce() -> u32) -> u32 {
    // SAFETY: the child calls into the simulated driver and then leaves through _exit.
    let pid = unsafe { libc::fork() };
    assert_ne!(pid, -1, "fork fails");
    if pid == 0 {
        // SAFETY: no preconditions; the signal ends a child that hangs.
        unsafe { libc::alarm(120) };
        let code = catch_unwind(AssertUnwindSafe(child)).map_or(255, |code| code as i32);
        // SAFETY: runs nothing of the parent's.
        unsafe { libc::_exit(code) }
    }
    let mut status = 0;
    // SAFETY: our own child, and room for its status.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) != 255, "the child died");
    libc::WEXITSTATUS(status).unsigned_abs()
}
