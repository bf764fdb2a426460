//! A function of the driver API as the header declares it: name, version and type.

use std::ffi::{CStr, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::sys::CudaVersion;

/// A driver function as the header declares it: its name, version and type. The constants are in
/// [`sys::functions`](crate::sys::functions); [`Driver::function`](crate::Driver::function) looks
/// one up.
#[derive(Clone, Copy)]
pub struct Function<F> {
    name: &'static CStr,
    symbol: &'static CStr,
    introduced: CudaVersion,
    per_thread: bool,
    kind: PhantomData<F>,
}

/// A C function pointer type of the header. C's function pointers are nullable, which in Rust is
/// an `Option`; what a look-up gives is not.
pub trait FunctionPointer: Copy + sealed::Sealed {
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
        let introduced = CudaVersion::from_raw(introduced);
        Self { name, symbol, introduced, per_thread, kind: PhantomData }
    }

    /// The name without a version, as `cuGetProcAddress` takes it.
    pub const fn name(&self) -> &'static CStr {
        self.name
    }

    /// The exact symbol that the driver exports, with the suffix of its version.
    pub const fn symbol(&self) -> &'static CStr {
        self.symbol
    }

    /// The CUDA version that introduced it.
    pub const fn introduced(&self) -> CudaVersion {
        self.introduced
    }

    /// Whether it is the variant that uses the per-thread default stream.
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

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Function")
            .field("symbol", &self.symbol)
            .field("introduced", &self.introduced)
            .finish_non_exhaustive()
    }
}
