//! Any function of the driver API, looked up in the loaded driver with the header's own type.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use crate::driver::Driver;
use crate::driver::functions::lacks;
use crate::error::Error;
use crate::sys;
use crate::sys::function::{Function, FunctionPointer};

impl Driver {
    /// Returns a function of the driver by its constant in [`sys::functions`]: any that the header declares, in
    /// the version that the constant names.
    ///
    /// Each call looks the function up: with `cuGetProcAddress` if the driver has it, else by its exact symbol
    /// (`dlsym`). The result is a plain function pointer; keep it if it is called often.
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
    /// let (mut free, mut total) = (0, 0);
    /// // SAFETY: the out-parameters are integers of ours, and a context is current.
    /// let code = unsafe { mem_get_info(&mut free, &mut total) };
    /// assert!(code.is_success(), "{code}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::DriverTooOld`] if the driver's CUDA version is older than the function's,
    /// [`Error::FunctionMissing`] if the driver lacks it all the same, [`Error::Driver`] if the driver's look-up
    /// fails, and [`Error::ForkedAfterInit`].
    #[doc(alias("cuGetProcAddress", "cuGetProcAddress_v2"))]
    pub fn function<F: FunctionPointer>(self, function: Function<F>) -> Result<F::Function, Error> {
        self.check_process()?;
        // A driver from before this version has another version of the function under the name, with other
        // parameters, and cuGetProcAddress would return that.
        let is_known = function.introduced() <= self.version();
        let found = match is_known.then(|| get_proc_address(self, &function)) {
            Some(Some(found)) => found?,
            Some(None) => self.library().symbol(function.symbol()),
            None => None,
        };
        let address = found.ok_or_else(|| lacks(self.path(), self.version(), &function))?;
        // SAFETY: the address is what the driver gave for this very function and version.
        Ok(unsafe { function.at(address) })
    }
}

/// What the driver's own look-up returns; `None` if the driver has none.
fn get_proc_address<F: FunctionPointer>(
    driver: Driver,
    function: &Function<F>,
) -> Option<Result<Option<NonNull<c_void>>, Error>> {
    let flags = match function.is_per_thread() {
        true => sys::CUdriverProcAddress_flags::CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
        false => sys::CUdriverProcAddress_flags::CU_GET_PROC_ADDRESS_LEGACY_STREAM,
    };
    let (name, version) = (function.name().as_ptr(), function.introduced().raw());
    let flags = sys::cuuint64_t::from(flags.0);
    let mut address = ptr::null_mut();
    let functions = driver.functions();
    let call = if let Some(look_up) = functions.get_proc_address_v2 {
        // SAFETY: the name is a C string, the out-parameter is ours, and the status may be null.
        let code =
            unsafe { (look_up.function)(name, &mut address, version, flags, ptr::null_mut()) };
        look_up.returned(code)
    } else if let Some(look_up) = functions.get_proc_address {
        // SAFETY: the name is a C string, and the out-parameter is ours.
        look_up.returned(unsafe { (look_up.function)(name, &mut address, version, flags) })
    } else {
        return None;
    };
    Some(match call.code {
        // The first version returns this for a function that it lacks; the second returns no address.
        sys::CUresult::CUDA_ERROR_NOT_FOUND => Ok(None),
        _ => call.check(None).map(|()| NonNull::new(address)),
    })
}
