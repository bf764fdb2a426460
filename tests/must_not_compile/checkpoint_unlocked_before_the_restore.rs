//! What is checkpointed is restored first.
use cuda_primary_context::checkpoint::Checkpointed;

fn unlock(process: Checkpointed) {
    let _ = process.unlock(); //~ E0599
}

fn main() {}
