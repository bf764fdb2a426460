//! The raw layer's functions are unsafe.
use cuda_primary_context::{Driver, Error, sys};

fn call(driver: Driver) -> Result<(), Error> {
    let init = driver.function(sys::functions::cuInit_v2000)?;
    let _ = init(0); //~ E0133
    Ok(())
}

fn main() {}
