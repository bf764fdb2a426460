//! A reference to the scope says that the context is current here, which it is not elsewhere.
use cuda_primary_context::PrimaryContext;

fn use_elsewhere(context: &PrimaryContext) {
    let current = context.make_current().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| println!("{current:?}")); //~ E0277
    });
}

fn main() {}
