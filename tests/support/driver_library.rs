//! A driver library as C sees it, before the crate has initialised it: functions by their symbols,
//! with the header's own types.

use std::ffi::{CStr, CString, c_int, c_void};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use cuda_primary_context::sys::{self, CUresult};
use cuda_primary_context::{Function, FunctionPointer};

/// Calls a function of a library by its constant in `sys::functions`, or with `bare` the first
/// generation of that function.
macro_rules! call {
    ($library:expr, $function:ident($($argument:expr),*)) => {
        call!($library, function $function($($argument),*))
    };
    ($library:expr, $generation:ident $function:ident($($argument:expr),*)) => {
        match $library.$generation(cuda_primary_context::sys::functions::$function) {
            Some(function) => {
                // SAFETY: the suite passes variables of its own, null pointers that the driver refuses,
                // and handles that the driver gave.
                let code = unsafe { function($($argument),*) };
                $crate::support::driver_library::Returned::Code(code)
            }
            None => $crate::support::driver_library::Returned::Absent,
        }
    };
}
pub(crate) use call;

#[derive(Clone, Copy)]
pub struct Library(NonNull<c_void>);

// SAFETY: the handle is only ever given to dlsym, which may be called from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    Code(CUresult),
    /// The driver lacks the function.
    Absent,
}

impl Library {
    pub fn open(path: &Path) -> Self {
        let name = CString::new(path.as_os_str().as_bytes()).expect("a path without a NUL byte");
        // SAFETY: `name` is a C string; the caller named a driver.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        Self(NonNull::new(handle).unwrap_or_else(|| panic!("{} does not load", path.display())))
    }

    pub fn symbol(self, name: &CStr) -> Option<NonNull<c_void>> {
        // SAFETY: the handle came from dlopen and is never closed; `name` is a C string.
        NonNull::new(unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) })
    }

    /// The function of this very version, if the driver has it.
    pub fn function<F: FunctionPointer>(self, function: Function<F>) -> Option<F::Function> {
        self.typed::<F>(function.symbol())
    }

    /// The first generation of the function, under its bare name; `cuda.h` declares both alike
    /// for those that the suite calls.
    pub fn bare<F: FunctionPointer>(self, function: Function<F>) -> Option<F::Function> {
        self.typed::<F>(function.name())
    }

    fn typed<F: FunctionPointer>(self, name: &CStr) -> Option<F::Function> {
        let address = self.symbol(name)?;
        assert_eq!(size_of::<F::Function>(), size_of_val(&address));
        // SAFETY: the symbol in a driver is the function, whose type the header gives; the sizes
        // are equal.
        Some(unsafe { std::mem::transmute_copy(&address) })
    }

    pub fn init(self) -> Returned {
        call!(self, cuInit_v2000(0))
    }

    pub fn retain(self, device: sys::CUdevice) -> (Returned, sys::CUcontext) {
        let mut context = std::ptr::null_mut();
        (call!(self, cuDevicePrimaryCtxRetain_v7000(&mut context, device)), context)
    }

    pub fn release(self, device: sys::CUdevice) -> Returned {
        call!(self, cuDevicePrimaryCtxRelease_v11000(device))
    }

    /// Whether a device's primary context is active, and its flags: `1/4`, or a refusal.
    pub fn state(self, device: sys::CUdevice) -> String {
        let (mut flags, mut active) = (0, 0);
        match call!(self, cuDevicePrimaryCtxGetState_v7000(device, &mut flags, &mut active)) {
            Returned::Code(CUresult::CUDA_SUCCESS) => format!("{active}/{flags}"),
            refusal => format!("refused: {refusal}"),
        }
    }

    pub fn current(self) -> sys::CUcontext {
        let mut context = std::ptr::null_mut();
        let result = call!(self, cuCtxGetCurrent_v4000(&mut context));
        assert_eq!(result, Returned::Code(CUresult::CUDA_SUCCESS), "cuCtxGetCurrent");
        context
    }

    pub fn set_current(self, context: sys::CUcontext) -> Returned {
        call!(self, cuCtxSetCurrent_v4000(context))
    }

    pub fn device_count(self) -> c_int {
        let mut count = 0;
        call!(self, cuDeviceGetCount_v2000(&mut count));
        count
    }

    /// The handle of the device with this ordinal, which there is.
    pub fn device(self, ordinal: c_int) -> sys::CUdevice {
        let mut device = -1;
        let result = call!(self, cuDeviceGet_v2000(&mut device, ordinal));
        assert_eq!(result, Returned::Code(CUresult::CUDA_SUCCESS), "cuDeviceGet");
        device
    }
}

impl fmt::Display for Returned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "{}", code.0),
            Self::Absent => formatter.write_str("absent"),
        }
    }
}
