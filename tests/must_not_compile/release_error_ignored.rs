//! A failed release, and the handle that it hands back, are to be looked at; so is a policy, and a report.
#![deny(unused_must_use)]
use cuda_primary_context::{Error, PrimaryContext, PrimaryContextGuard, ReleaseError, StrayRelease};

fn ignore_the_answer(context: PrimaryContext, guard: PrimaryContextGuard) {
    context.release(); //~ unused_must_use
    guard.release(); //~ unused_must_use
}

fn ignore_the_handle(failed: ReleaseError) {
    failed.into_parts(); //~ unused_must_use
}

fn ignore_the_rest(guard: PrimaryContextGuard) -> Result<(), Error> {
    guard.report(); //~ unused_must_use
    guard.report().check(); //~ unused_must_use
    StrayRelease::new().keep([guard.device()]); //~ unused_must_use
    guard.into_parts(); //~ unused_must_use
    Ok(())
}

fn main() {}
