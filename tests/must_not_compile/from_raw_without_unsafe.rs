//! Whose reference a context is, only the caller knows.
use cuda_primary_context::{Device, Error, PrimaryContext, sys};

fn take_over(device: Device, raw: sys::CUcontext) -> Result<PrimaryContext, Error> {
    PrimaryContext::from_raw(device, raw) //~ E0133
}

fn main() {}
