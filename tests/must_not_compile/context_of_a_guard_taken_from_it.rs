//! The guard lends its context, and nobody releases it behind the guard's back.
use cuda_primary_context::{PrimaryContextGuard, ReleaseError};

fn release(guard: &PrimaryContextGuard) -> Result<(), ReleaseError> {
    guard.context().release() //~ E0507
}

fn main() {}
