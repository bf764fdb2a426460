//! The guard gives its reference away whole.
use cuda_primary_context::PrimaryContextGuard;

fn use_after_into_context(guard: PrimaryContextGuard) {
    let _context = guard.into_context();
    drop(guard.release()); //~ E0382
}

fn main() {}
