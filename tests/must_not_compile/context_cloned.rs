//! A clone would be a second release of one retain.
use cuda_primary_context::PrimaryContext;

fn clone(context: &PrimaryContext) -> PrimaryContext {
    context.clone() //~ E0308
}

fn main() {}
