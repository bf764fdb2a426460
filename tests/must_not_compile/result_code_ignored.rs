//! A result code of the raw layer is to be looked at.
#![deny(unused_must_use)]
use cuda_primary_context::{Driver, Error, sys};

fn ignore(driver: Driver) -> Result<(), Error> {
    let synchronize = driver.function(sys::functions::cuCtxSynchronize_v2000)?;
    // SAFETY: takes nothing.
    unsafe { synchronize() }; //~ unused_must_use
    Ok(())
}

fn main() {}
