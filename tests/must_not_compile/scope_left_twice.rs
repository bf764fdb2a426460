//! A scope ends once.
use cuda_primary_context::PrimaryContext;

fn leave_twice(context: &PrimaryContext) {
    let current = context.make_current().unwrap();
    current.leave().unwrap();
    drop(current); //~ E0382
}

fn main() {}
