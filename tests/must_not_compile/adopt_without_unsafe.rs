//! Whose reference a context is, only the caller knows.
use cuda_primary_context::{Device, Error, PrimaryContext, sys};

fn adopt(device: Device, raw: sys::CUcontext) -> Result<PrimaryContext, Error> {
    PrimaryContext::adopt(device, raw) //~ E0133
}

fn main() {}
