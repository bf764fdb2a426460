//! Opening a library runs its code, and its functions are believed to be the driver's.
use cuda_primary_context::{Driver, Error};

fn load(path: &str) -> Result<Driver, Error> {
    Driver::load_from(path) //~ E0133
}

fn main() {}
