//! The error owns the handle: it cannot be cloned, and the handle that it shows cannot be released.
use cuda_primary_context::ReleaseError;

fn clone(failed: &ReleaseError) -> ReleaseError {
    failed.clone() //~ E0308
}

fn release(failed: &ReleaseError) {
    let _ = failed.handle().unwrap().release(); //~ E0507
}

fn main() {}
