//! A failed release, and the handle that it hands back, are to be looked at; so is a policy, and a report.
#![deny(unused_must_use)]
use cuda_primary_context::{Error, PrimaryContext, PrimaryContextGuard, ReleaseError, StaleRelease};

fn ignore_the_answer(context: PrimaryContext, guard: PrimaryContextGuard) {
    context.release();
    guard.release();
}

fn ignore_the_handle(failed: ReleaseError) {
    failed.into_parts();
}

fn ignore_the_rest(guard: PrimaryContextGuard) -> Result<(), Error> {
    guard.report();
    guard.report().check();
    StaleRelease::new().keep([guard.device()]);
    guard.into_parts();
    Ok(())
}

fn main() {}
