//! The error owns the handle: it cannot be cloned, and the handle that it shows cannot be released.
use cuda_primary_context::ReleaseError;

fn clone(failed: &ReleaseError) -> ReleaseError {
    failed.clone()
}

fn release(failed: &ReleaseError) {
    let _ = failed.handle().unwrap().release();
}

fn main() {}
