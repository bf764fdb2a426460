//! The raw twin: the safe layer's driver calls through plain function pointers, and nothing else.

use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr;

use cuda_primary_context::sys::{self, CUcontext, CUctx_flags, CUdevice, CUresult};

/// Declares the table of functions, each by its symbol and with the header's own type.
macro_rules! function_table {
    ($($field:ident: $type:ident = $function:ident;)*) => {
        /// The functions of one loaded driver.
        #[derive(Clone, Copy)]
        pub struct Functions {
            $(pub $field: <sys::$type as cuda_primary_context::FunctionPointer>::Function,)*
        }

        impl Functions {
            /// Loads a driver and looks its functions up by their exact symbols.
            pub fn load(path: &Path) -> Self {
                let library = open(path);
                Self {
                    $($field: {
                        let address = symbol(library, sys::functions::$function.symbol());
                        // SAFETY: the symbol of this name in a CUDA driver has the type that the
                        // header declares for it.
                        unsafe { std::mem::transmute_copy(&address) }
                    },)*
                }
            }
        }
    };
}

function_table! {
    init: PFN_cuInit_v2000 = cuInit_v2000;
    driver_get_version: PFN_cuDriverGetVersion_v2020 = cuDriverGetVersion_v2020;
    device_get_count: PFN_cuDeviceGetCount_v2000 = cuDeviceGetCount_v2000;
    device_get: PFN_cuDeviceGet_v2000 = cuDeviceGet_v2000;
    get_current: PFN_cuCtxGetCurrent_v4000 = cuCtxGetCurrent_v4000;
    get_state: PFN_cuDevicePrimaryCtxGetState_v7000 = cuDevicePrimaryCtxGetState_v7000;
    retain: PFN_cuDevicePrimaryCtxRetain_v7000 = cuDevicePrimaryCtxRetain_v7000;
    release: PFN_cuDevicePrimaryCtxRelease_v11000 = cuDevicePrimaryCtxRelease_v11000;
}

fn open(path: &Path) -> *mut c_void {
    let name = CString::new(path.as_os_str().as_encoded_bytes()).expect("a path without NUL");
    // SAFETY: the name is a C string, and names a driver library.
    let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!library.is_null(), "{} does not load", path.display());
    library
}

fn symbol(library: *mut c_void, name: &CStr) -> *mut c_void {
    // SAFETY: the handle came from dlopen and is never closed, the name is a C string.
    let address = unsafe { libc::dlsym(library, name.as_ptr()) };
    assert!(!address.is_null(), "the driver has no {name:?}");
    address
}

/// A driver as a program without any layer has it.
pub struct Raw {
    pub functions: Functions,
    pub devices: Vec<CUdevice>,
}

#[inline]
pub fn check(code: CUresult) -> Result<(), CUresult> {
    match code.is_success() {
        true => Ok(()),
        false => Err(code),
    }
}

impl Raw {
    /// What [`Driver::load_from`](cuda_primary_context::Driver::load_from) calls.
    pub fn load(path: &Path) -> Result<Self, CUresult> {
        let functions = Functions::load(path);
        // SAFETY: flags must be 0.
        check(unsafe { (functions.init)(0) })?;
        let (mut version, mut count) = (0, 0);
        // SAFETY: the out-parameter is an int of ours.
        check(unsafe { (functions.driver_get_version)(&mut version) })?;
        // SAFETY: as above.
        check(unsafe { (functions.device_get_count)(&mut count) })?;
        let devices = (0..count).map(|ordinal| {
            let mut device = 0;
            // SAFETY: the out-parameter is a device handle of ours.
            check(unsafe { (functions.device_get)(&mut device, ordinal) }).map(|()| device)
        });
        Ok(Self { functions, devices: devices.collect::<Result<_, _>>()? })
    }

    #[inline]
    pub fn device(&self, ordinal: u32) -> CUdevice {
        self.devices[ordinal as usize]
    }

    #[inline]
    pub fn is_active(&self, device: CUdevice) -> Result<bool, CUresult> {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: the out-parameters are ints of ours.
        check(unsafe { (self.functions.get_state)(device, &mut flags, &mut active) })?;
        Ok(active != 0)
    }

    #[inline]
    pub fn retain(&self, device: CUdevice) -> Result<CUdevice, CUresult> {
        let mut context: CUcontext = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        check(unsafe { (self.functions.retain)(&mut context, device) })?;
        std::hint::black_box(context);
        Ok(device)
    }

    #[inline]
    pub fn release(&self, device: CUdevice) -> Result<(), CUresult> {
        // SAFETY: one release for a retain of ours.
        check(unsafe { (self.functions.release)(device) })
    }

    #[inline]
    pub fn nothing_is_current(&self) -> Result<bool, CUresult> {
        let mut current: CUcontext = ptr::null_mut();
        // SAFETY: the out-parameter is a handle of ours.
        check(unsafe { (self.functions.get_current)(&mut current) })?;
        Ok(current.is_null())
    }

    /// The loop that `PrimaryContextGuard::retain_only` stands for; the kept device.
    #[inline]
    pub fn retain_only(&self, kept: CUdevice) -> Result<CUdevice, CUresult> {
        self.retain(kept)?;
        self.release_others(Some(kept))?;
        Ok(kept)
    }

    /// What [`StrayRelease::run`](cuda_primary_context::StrayRelease::run) stands for if nothing is kept.
    #[inline]
    pub fn release_active(&self) -> Result<(), CUresult> {
        self.release_others(None)
    }

    #[inline(always)]
    fn release_others(&self, kept: Option<CUdevice>) -> Result<(), CUresult> {
        let mut thread_is_known = false;
        for &device in &self.devices {
            if Some(device) == kept || !self.is_active(device)? {
                continue;
            }
            if !thread_is_known {
                assert!(self.nothing_is_current()?, "no context is current in a benchmark");
                thread_is_known = true;
            }
            self.release(device)?;
            self.is_active(device)?;
        }
        Ok(())
    }

    /// How many devices have an active context, and which flags they have altogether.
    #[inline]
    pub fn audit(&self) -> Result<(u32, CUctx_flags), CUresult> {
        let (mut count, mut all) = (0, 0);
        for &device in &self.devices {
            let (mut flags, mut active) = (0, 0);
            // SAFETY: the out-parameters are ints of ours.
            check(unsafe { (self.functions.get_state)(device, &mut flags, &mut active) })?;
            count += u32::from(active != 0);
            all |= flags;
        }
        Ok((count, CUctx_flags(all)))
    }
}
