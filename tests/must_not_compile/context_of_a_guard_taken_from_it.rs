//! The guard lends its context, and nobody releases it behind the guard's back.
use cuda_primary_context::{Error, PrimaryContext, PrimaryContextGuard};

fn release(guard: &PrimaryContextGuard) -> Result<(), (Error, PrimaryContext)> {
    guard.context().release()
}

fn main() {}
