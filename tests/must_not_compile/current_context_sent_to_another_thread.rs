//! A thread's stack of contexts is its own: the scope must end on the thread that began it.
use cuda_primary_context::{CurrentContext, PrimaryContext};

fn leave_elsewhere(context: &PrimaryContext) {
    let current: CurrentContext<'_> = context.make_current().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(current)); //~ E0277
    });
}

fn main() {}
