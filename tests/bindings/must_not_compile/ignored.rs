//! Refused where `unused_must_use` is: results, handles and scopes that nobody looks at or keeps.
#![deny(unused_must_use)]
use cuda_primary_context::{
    Device, Driver, Error, PrimaryContext, PrimaryContextGuard, ReleaseError, StrayRelease, sys,
};

/// A failed release, and the handle that it hands back.
fn ignore_releases(context: PrimaryContext, guard: PrimaryContextGuard, failed: ReleaseError) {
    context.release(); //~ unused_must_use
    guard.release(); //~ unused_must_use
    failed.into_parts(); //~ unused_must_use
}

fn ignore_reports(guard: PrimaryContextGuard) {
    guard.report().check(); //~ unused_must_use
    StrayRelease::new().keep([guard.device()]); //~ unused_must_use
}

/// A guard or a scope that nobody keeps ends where it begins.
fn forget_to_keep(device: Device, context: &PrimaryContext) -> Result<(), Error> {
    PrimaryContextGuard::retain_only(device)?; //~ unused_must_use
    context.make_current()?; //~ unused_must_use
    Ok(())
}

/// A result code of the raw layer.
fn ignore_a_code(driver: Driver) -> Result<(), Error> {
    let synchronize = driver.function(sys::functions::cuCtxSynchronize_v2000)?;
    // SAFETY: takes nothing.
    unsafe { synchronize() }; //~ unused_must_use
    Ok(())
}

fn main() {}
