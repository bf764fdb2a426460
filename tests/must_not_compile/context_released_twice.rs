//! One handle, one release.
use cuda_primary_context::PrimaryContext;

fn release_twice(context: PrimaryContext) {
    let _ = context.release();
    drop(context); //~ E0382
}

fn main() {}
