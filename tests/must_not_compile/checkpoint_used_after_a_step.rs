//! After a step the process is what the step made of it.
use std::time::Duration;

use cuda_primary_context::checkpoint::Process;

fn ask_after_lock(process: Process) {
    let locked = process.lock(Duration::from_secs(1));
    let _ = process.state(); //~ E0382
    drop(locked);
}

fn main() {}
