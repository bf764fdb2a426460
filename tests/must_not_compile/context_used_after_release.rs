//! A released handle is gone.
use cuda_primary_context::PrimaryContext;

fn use_after_release(context: PrimaryContext) {
    context.release().unwrap();
    let _ = context.as_raw(); //~ E0382
}

fn main() {}
