//! One checkpoint, one restore.
use cuda_primary_context::checkpoint::{Checkpointed, GpuMap, Room};

fn restore_twice(process: Checkpointed) {
    let locked = process.restore(&GpuMap::same(), &Room::Trusted);
    let again = process.restore(&GpuMap::same(), &Room::Trusted); //~ E0382
    drop((locked, again));
}

fn main() {}
