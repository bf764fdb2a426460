//! The control calls of one loaded copy. Their C prototypes are in `c/simulated_cuda.h`.

use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::call::StackEntry;
use crate::checkpoint::Target;

/// `simulated_cuda_hook`.
pub(crate) type Hook = unsafe extern "C" fn(*mut c_void);

/// A number that the driver keeps, as `c/simulated_cuda.h` numbers them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    References,
    IsActive,
    Generation,
    Flags,
    Handle,
    FreeBytes,
    Calls,
    TotalCalls,
    FaultsFired,
    Underflows,
    IsInitialized,
}

#[repr(C)]
#[derive(Clone, Default)]
pub(crate) struct RawTaken {
    pub device: u32,
    pub by: u32,
    pub from: u32,
}

/// Declares the table of control functions, and how each is found: its symbol is its name after
/// `simulated_cuda_`. Those that take plain numbers can be called with any, and are safe; the others take
/// pointers.
macro_rules! controls {
    (
        numbers: { $($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)* }
        pointers: { $($other:ident: fn($($others_argument:ty),*) $(-> $others_result:ty)?;)* }
    ) => {
        /// The functions, found once when the copy is loaded. All of them may be called from any
        /// thread: they take the library's lock.
        pub(crate) struct Controls {
            $(pub(crate) $name: extern "C" fn($($argument),*) $(-> $result)?,)*
            $(pub(crate) $other: unsafe extern "C" fn($($others_argument),*) $(-> $others_result)?,)*
        }

        impl Controls {
            fn find(library: *mut c_void) -> io::Result<Self> {
                Ok(Self {
                    $($name: controls!(@find library $name extern "C" fn($($argument),*) $(-> $result)?),)*
                    $($other: controls!(
                        @find library $other unsafe extern "C" fn($($others_argument),*) $(-> $others_result)?
                    ),)*
                })
            }
        }
    };
    (@find $library:ident $name:ident $function:ty) => {{
        let address = symbol($library, concat!("simulated_cuda_", stringify!($name), "\0"))?;
        // SAFETY: the library is our own, compiled from `c/`, where the function of this name has this
        // prototype, and accepts all numbers if it takes no pointer.
        unsafe { std::mem::transmute::<*mut c_void, $function>(address) }
    }};
}

controls! {
    numbers: {
        forget_settings: fn() -> u32;
        change_target: fn(i32, u32, u32) -> u32;
        number: fn(u32, u32) -> u64;
        deinitialize: fn();
        act_as: fn(u32) -> u32;
        change_references: fn(u32, i32, i32) -> u32;
        clear_faults: fn();
        set_current: fn(i32) -> u32;
    }
    pointers: {
        set: fn(*const c_char) -> *const c_char;
        target: fn(i32, u32, *mut Target) -> u32;
        machine_uuid: fn(u32, *mut u8) -> u32;
        taken: fn(*mut RawTaken, u64) -> u64;
        add_hook: fn(*const c_char, u64, u32, Hook, *mut c_void) -> u32;
        stack: fn(*mut StackEntry, u32) -> u32;
    }
}

impl Controls {
    /// Loads the copy at this path, for good: its code must outlive every pointer into it.
    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        let name = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the library is our own; its constructor maps a page and reads the environment.
        let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if library.is_null() {
            return Err(loader_error());
        }
        Self::find(library)
    }

    /// Sets what an environment variable of this name would set.
    pub(crate) fn set(&self, name: &str, value: &OsStr) -> io::Result<()> {
        let setting = CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())?;
        // SAFETY: a C string that outlives the call.
        let complaint = unsafe { (self.set)(setting.as_ptr()) };
        if complaint.is_null() {
            return Ok(());
        }
        // SAFETY: not null, so a C string that stays until the next call.
        let complaint = unsafe { CStr::from_ptr(complaint) }.to_string_lossy().into_owned();
        Err(io::Error::new(io::ErrorKind::InvalidInput, complaint))
    }
}

/// `name` ends in a zero byte.
fn symbol(library: *mut c_void, name: &str) -> io::Result<*mut c_void> {
    // SAFETY: the handle came from dlopen and is never closed; the name ends in a zero byte.
    let address = unsafe { libc::dlsym(library, name.as_ptr().cast()) };
    if address.is_null() { Err(loader_error()) } else { Ok(address) }
}

fn loader_error() -> io::Error {
    // SAFETY: dlerror has no preconditions; its text is this thread's until the next call.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return io::Error::other("the dynamic loader gives no reason");
    }
    // SAFETY: not null, so it is a C string.
    io::Error::other(unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned())
}
