//! Only a locked process is checkpointed.
use cuda_primary_context::checkpoint::Process;

fn checkpoint(process: Process) {
    let _ = process.checkpoint(); //~ E0599
}

fn main() {}
