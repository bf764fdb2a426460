//! A handle, a guard or a scope that nobody keeps ends where it begins.
#![deny(unused_must_use)]
use cuda_primary_context::{Device, Error, PrimaryContext, PrimaryContextGuard};

fn forget_to_keep(device: Device, context: &PrimaryContext) -> Result<(), Error> {
    PrimaryContextGuard::retain_only(device)?; //~ unused_must_use
    context.make_current()?; //~ unused_must_use
    Ok(())
}

fn main() {}
