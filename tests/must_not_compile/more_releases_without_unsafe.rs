//! More than one release takes the context from under code that did not let go of it.
use cuda_primary_context::{Driver, Error, Report, StrayRelease};

fn release_all(driver: Driver) -> Result<Report, Error> {
    StrayRelease::new().releases_up_to(u32::MAX).run(driver) //~ E0133
}

fn main() {}
