//! Why a driver lacks a function.

use std::ffi::CStr;
use std::path::Path;

use crate::driver::functions::{Functions, Missing};
use crate::driver::library::Library;
use crate::error::Error;
use crate::sys::CudaVersion;

/// Why a library that was to be loaded lacks a function: it is no driver, or lacks that one.
pub(crate) fn unusable(library: &Library, path: &Path, missing: Missing) -> Error {
    let Missing { symbol, introduced } = missing;
    match Functions::version_of(library) {
        Some(driver) => lacks(path, symbol, driver, introduced),
        None => Error::NotADriver { library: path.into(), missing: text(symbol) },
    }
}

/// Why a driver lacks a function: it is older, or its version should have it.
pub(crate) fn lacks(
    path: &Path,
    symbol: &CStr,
    driver: CudaVersion,
    introduced: CudaVersion,
) -> Error {
    let (library, symbol) = (path.into(), text(symbol));
    match driver < introduced {
        true => Error::DriverTooOld { library, symbol, driver, introduced },
        false => Error::FunctionMissing { library, symbol, driver, introduced },
    }
}

fn text(symbol: &CStr) -> Box<str> {
    symbol.to_string_lossy().into()
}
