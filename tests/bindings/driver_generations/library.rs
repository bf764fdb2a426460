//! A driver library, asked without the crate's own look-ups.

use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};

use cuda_primary_context::sys::{self, CUresult, functions};
use cuda_primary_context::{Function, FunctionPointer};

#[derive(Clone, Copy)]
pub struct Library(NonNull<c_void>);

/// What the driver's own look-up says.
pub enum LookUp {
    /// The driver has none.
    Impossible,
    Found(Option<NonNull<c_void>>),
}

impl Library {
    pub fn open(path: &Path) -> Self {
        let name = CString::new(path.as_os_str().as_bytes()).expect("a path without a NUL byte");
        // SAFETY: the name is a C string, of a library of NVIDIA's.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        Self(NonNull::new(handle).unwrap_or_else(|| panic!("{} does not load", path.display())))
    }

    pub fn symbol(self, name: &str) -> Option<NonNull<c_void>> {
        let name = CString::new(name).expect("a name without a NUL byte");
        // SAFETY: the handle came from dlopen and is never closed; the name is a C string.
        NonNull::new(unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) })
    }

    fn function<F: FunctionPointer>(self, function: Function<F>) -> Option<F::Function> {
        let address = self.symbol(function.symbol().to_str().expect("names are ASCII"))?;
        assert_eq!(size_of::<F::Function>(), size_of_val(&address));
        // SAFETY: the symbol in a driver is the function, whose type the header gives; the sizes
        // are equal.
        Some(unsafe { std::mem::transmute_copy(&address) })
    }

    /// The CUDA version that the driver reports.
    pub fn version(self) -> i32 {
        let get = self.function(functions::cuDriverGetVersion_v2020).expect("every driver has it");
        let mut version = 0;
        // SAFETY: the place is an int of ours.
        let code = unsafe { get(&mut version) };
        assert!(code.is_success(), "{code}");
        version
    }

    pub fn look_up(self, name: &str, version: i32, per_thread: bool) -> LookUp {
        let Some(get) = self.function(functions::cuGetProcAddress_v11030) else {
            return LookUp::Impossible;
        };
        let name = CString::new(name).expect("a name without a NUL byte");
        let flags = match per_thread {
            true => sys::CUdriverProcAddress_flags::CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
            false => sys::CUdriverProcAddress_flags::CU_GET_PROC_ADDRESS_LEGACY_STREAM,
        };
        let mut address = ptr::null_mut();
        // SAFETY: the name is a C string, and the place is a pointer of ours.
        let code = unsafe { get(name.as_ptr(), &mut address, version, flags.0.into()) };
        let found = NonNull::new(address);
        assert!(code.is_success() || found.is_none(), "{code}");
        LookUp::Found(found)
    }

    pub fn error_name(self, code: CUresult) -> Option<String> {
        let get = self.function(functions::cuGetErrorName_v6000).expect("every driver has it");
        text(|place| {
            // SAFETY: the place is a pointer of ours.
            unsafe { get(code, place) }
        })
    }

    pub fn error_text(self, code: CUresult) -> Option<String> {
        let get = self.function(functions::cuGetErrorString_v6000).expect("every driver has it");
        text(|place| {
            // SAFETY: the place is a pointer of ours.
            unsafe { get(code, place) }
        })
    }
}

/// A text of the driver's, where it has one.
fn text(get: impl FnOnce(&mut *const c_char) -> CUresult) -> Option<String> {
    let mut text = ptr::null();
    let code = get(&mut text);
    if !code.is_success() {
        assert!(text.is_null(), "{code}");
        return None;
    }
    assert!(!text.is_null());
    // SAFETY: a text of the driver's own, which lives as long as the driver.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
