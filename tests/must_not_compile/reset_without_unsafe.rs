//! A reset takes from everybody in the process what they use.
use cuda_primary_context::{Device, Error};

fn reset(device: Device) -> Result<(), Error> {
    device.reset_primary_context() //~ E0133
}

fn main() {}
