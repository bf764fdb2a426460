//! Any function of the driver API, looked up in the loaded driver with the header's own type.

use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::driver::Driver;
use crate::error::Error;
use crate::loaded::Loaded;
use crate::sys;

/// A driver function as the header declares it: its name, version and type. The constants are in
/// [`sys::functions`]; [`Driver::function`] looks one up.
pub struct Function<F> {
    name: &'static CStr,
    symbol: &'static CStr,
    introduced: i32,
    per_thread: bool,
    kind: PhantomData<F>,
}

/// A C function pointer type of the header. C's function pointers are nullable, which in Rust is
/// an `Option`; what a look-up gives is not.
pub trait FunctionPointer: sealed::Sealed {
    /// The type without the `Option`.
    type Function: Copy;
}

impl<F: Copy> FunctionPointer for Option<F> {
    type Function = F;
}

mod sealed {
    pub trait Sealed {}
    impl<F: Copy> Sealed for Option<F> {}
}

impl<F: FunctionPointer> Function<F> {
    pub(crate) const fn new(
        name: &'static CStr,
        symbol: &'static CStr,
        introduced: i32,
        per_thread: bool,
    ) -> Self {
        Self { name, symbol, introduced, per_thread, kind: PhantomData }
    }

    /// The name without a version, as `cuGetProcAddress` takes it.
    #[must_use]
    pub const fn name(&self) -> &'static CStr {
        self.name
    }

    /// The exact symbol that the driver exports, with the suffix of its version.
    #[must_use]
    pub const fn symbol(&self) -> &'static CStr {
        self.symbol
    }

    /// The CUDA version that introduced it: 1000 × major + 10 × minor.
    #[must_use]
    pub const fn introduced(&self) -> i32 {
        self.introduced
    }

    /// Whether it is the variant that uses the per-thread default stream.
    #[must_use]
    pub const fn is_per_thread(&self) -> bool {
        self.per_thread
    }

    /// Turns the function's address into a pointer of its type.
    ///
    /// # Safety
    /// The address is that of this function in a CUDA driver.
    #[inline]
    pub(crate) unsafe fn at(&self, address: NonNull<c_void>) -> F::Function {
        const {
            assert!(size_of::<F::Function>() == size_of::<*mut c_void>(), "a function pointer");
        }
        // SAFETY: the sizes are equal by the assertion. `F` is the type that the header declares
        // for the function, for the constants in `sys::functions` are made from it.
        unsafe { std::mem::transmute_copy(&address) }
    }
}

impl<F> Clone for Function<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Function<F> {}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Function")
            .field("symbol", &self.symbol)
            .field("introduced", &self.introduced)
            .finish_non_exhaustive()
    }
}

impl Driver {
    /// A function of the driver, by its constant in [`sys::functions`]; any that the header
    /// declares, and in the version that the constant names.
    ///
    /// Each call looks it up, with `cuGetProcAddress` where the driver has it and by its exact symbol
    /// (`dlsym`) where not. What comes back is a plain function pointer, valid for the rest of the
    /// process: keep it where a function is called often.
    ///
    /// ```no_run
    /// use cuda_primary_context::{Driver, PrimaryContext, sys};
    ///
    /// # fn main() -> Result<(), cuda_primary_context::Error> {
    /// let driver = Driver::load()?;
    /// let context = PrimaryContext::retain(driver.device(0)?)?;
    /// let _current = context.make_current()?;
    ///
    /// let mem_get_info = driver.function(sys::functions::cuMemGetInfo_v3020)?;
    /// let mem_alloc = driver.function(sys::functions::cuMemAlloc_v3020)?;
    /// let mem_free = driver.function(sys::functions::cuMemFree_v3020)?;
    /// let (mut free, mut total) = (0, 0);
    /// // SAFETY: the out-parameters are integers of ours, and a context is current.
    /// let code = unsafe { mem_get_info(&mut free, &mut total) };
    /// assert!(code.is_success(), "{code}");
    /// let mut memory: sys::CUdeviceptr = 0;
    /// // SAFETY: the out-parameter is an address of ours, and a context is current.
    /// let code = unsafe { mem_alloc(&mut memory, free / 2) };
    /// assert!(code.is_success(), "{code}");
    /// // SAFETY: the memory was allocated above, and nothing uses it.
    /// let code = unsafe { mem_free(memory) };
    /// assert!(code.is_success(), "{code}");
    ///
    /// let stream_create = driver.function(sys::functions::cuStreamCreate_v2000)?;
    /// let stream_destroy = driver.function(sys::functions::cuStreamDestroy_v4000)?;
    /// let mut stream: sys::CUstream = std::ptr::null_mut();
    /// // SAFETY: the out-parameter is a handle of ours, and a context is current.
    /// let code = unsafe { stream_create(&mut stream, 0) };
    /// assert!(code.is_success(), "{code}");
    /// // SAFETY: the stream was created above, and no work is left in it.
    /// let code = unsafe { stream_destroy(stream) };
    /// assert!(code.is_success(), "{code}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::DriverTooOld`] where the driver is of a CUDA version before the function's,
    /// [`Error::FunctionMissing`] where it lacks it all the same, [`Error::Driver`] where the
    /// driver's look-up fails.
    #[doc(alias = "cuGetProcAddress")]
    #[doc(alias = "cuGetProcAddress_v2")]
    pub fn function<F: FunctionPointer>(self, function: Function<F>) -> Result<F::Function, Error> {
        let address = look_up(self.loaded(), &function)?;
        // SAFETY: the address is what the driver gave for this very function and version.
        Ok(unsafe { function.at(address) })
    }
}

fn look_up<F: FunctionPointer>(
    loaded: &Loaded,
    function: &Function<F>,
) -> Result<NonNull<c_void>, Error> {
    // A driver from before this version has another version of the function under the name, with
    // other parameters, and cuGetProcAddress would give that.
    let known = function.introduced <= loaded.version();
    let found = match known.then(|| get_proc_address(loaded, function)) {
        Some(Some(answer)) => answer?,
        Some(None) => loaded.library().symbol(function.symbol),
        None => None,
    };
    found.ok_or_else(|| loaded.lacks(function.symbol, function.introduced))
}

/// What the driver's own look-up says; `None` where the driver has none.
fn get_proc_address<F: FunctionPointer>(
    loaded: &Loaded,
    function: &Function<F>,
) -> Option<Result<Option<NonNull<c_void>>, Error>> {
    let flags = match function.per_thread {
        true => sys::CUdriverProcAddress_flags::CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
        false => sys::CUdriverProcAddress_flags::CU_GET_PROC_ADDRESS_LEGACY_STREAM,
    };
    let (name, version) = (function.name.as_ptr(), function.introduced as c_int);
    let flags = sys::cuuint64_t::from(flags.0);
    let mut address = ptr::null_mut();
    let functions = loaded.functions();
    let (code, call) = if let Some(get_proc_address) = functions.get_proc_address_v2 {
        // SAFETY: the name is a C string, the out-parameter is ours, and the status may be null.
        let code = unsafe { get_proc_address(name, &mut address, version, flags, ptr::null_mut()) };
        (code, "cuGetProcAddress_v2")
    } else if let Some(get_proc_address) = functions.get_proc_address {
        // SAFETY: the name is a C string, and the out-parameter is ours.
        (unsafe { get_proc_address(name, &mut address, version, flags) }, "cuGetProcAddress")
    } else {
        return None;
    };
    Some(match code {
        // What the first version says of a function that it lacks; the second has no address.
        sys::CUresult::CUDA_ERROR_NOT_FOUND => Ok(None),
        code => loaded.check(code, call, None).map(|()| NonNull::new(address)),
    })
}
