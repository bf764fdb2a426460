//! What is current must not be released.
use cuda_primary_context::PrimaryContext;

fn release_too_early(context: PrimaryContext) {
    let current = context.make_current().unwrap();
    context.release().unwrap(); //~ E0505
    drop(current);
}

fn main() {}
