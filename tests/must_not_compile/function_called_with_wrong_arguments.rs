//! A function that was looked up has the header's parameters.
use cuda_primary_context::{Driver, Error, sys};

fn call(driver: Driver) -> Result<(), Error> {
    let get_count = driver.function(sys::functions::cuDeviceGetCount_v2000)?;
    let mut count: u64 = 0;
    let _ = unsafe { get_count(&mut count) }; //~ E0308
    Ok(())
}

fn main() {}
