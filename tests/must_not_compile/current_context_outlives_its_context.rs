//! What is current must not be released.
use cuda_primary_context::{CurrentContext, Device, PrimaryContext};

fn dangling(device: Device) -> CurrentContext<'static> {
    let context = PrimaryContext::retain(device).unwrap();
    context.make_current().unwrap() //~ E0515
}

fn main() {}
