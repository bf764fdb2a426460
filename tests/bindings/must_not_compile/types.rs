//! Refused by the types.
use cuda_primary_context::checkpoint::{Checkpointed, Process};
use cuda_primary_context::{Driver, Error, PrimaryContext, ReleaseError, sys};

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

/// A function that was looked up has the header's parameters.
fn call(driver: Driver) -> Result<(), Error> {
    let get_count = driver.function(sys::functions::cuDeviceGetCount_v2000)?;
    let mut count: u64 = 0;
    let _ = unsafe { get_count(&mut count) }; //~ E0308
    Ok(())
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
