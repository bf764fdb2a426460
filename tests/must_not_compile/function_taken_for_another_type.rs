//! A function's constant has the function's own type.
use cuda_primary_context::{Driver, Error, sys};

fn look_up(driver: Driver) -> Result<(), Error> {
    let _init = driver.function::<sys::PFN_cuDeviceGetCount_v2000>(sys::functions::cuInit_v2000)?; //~ E0308
    Ok(())
}

fn main() {}
