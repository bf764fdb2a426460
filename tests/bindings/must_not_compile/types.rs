//! Refused by the types.
use cuda_primary_context::checkpoint::{Checkpointed, Process};
use cuda_primary_context::{PrimaryContext, ReleaseError};

/// A clone would be a second release of one retain.
fn clone(context: &PrimaryContext) -> PrimaryContext {
    context.clone() //~ E0308
}

/// The error owns the handle.
fn clone_an_error(failed: &ReleaseError) -> ReleaseError {
    failed.clone() //~ E0308
}

/// A thread's stack of contexts is its own: the scope must end on the thread that began it.
fn leave_elsewhere(context: &PrimaryContext) {
    let current = context.make_current().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(current)); //~ E0277
    });
}

/// Which types are function pointers of the driver's is for the bindings to say.
struct Number(usize);

impl cuda_primary_context::FunctionPointer for Number { //~ E0277
    type Function = usize;
}

/// Only a locked process is checkpointed, and what is checkpointed is restored before it is unlocked.
fn checkpoint(process: Process) {
    let _ = process.checkpoint(); //~ E0599
}

fn unlock(process: Checkpointed) {
    let _ = process.unlock(); //~ E0599
}

fn main() {}
