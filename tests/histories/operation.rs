//! What may happen next.

use cuda_primary_context::{Driver, StaleRelease};
use proptest::collection::vec;
use proptest::prelude::*;

/// One step. Devices, handles and leaked references are chosen by a number, modulo as many as there
/// are; where there is none, nothing happens.
#[derive(Debug, Clone)]
pub enum Operation {
    Retain {
        device: usize,
    },
    RetainIfActive {
        device: usize,
    },
    Release {
        handle: usize,
    },
    Drop {
        handle: usize,
    },
    Leak {
        handle: usize,
    },
    Adopt {
        leaked: usize,
    },
    RetainOnly {
        device: usize,
        policy: Policy,
    },
    Plan {
        device: usize,
        policy: Policy,
    },
    Audit,
    /// By the test's own hand.
    SetCurrent {
        device: Option<usize>,
    },
    /// These, while the handle's context is current.
    Scope {
        handle: usize,
        leave: bool,
        inside: Vec<Operation>,
    },
    /// By somebody else in the process.
    ForeignRetain {
        device: usize,
        references: u32,
    },
    /// As above; with nothing of their own left, they take what is not theirs.
    ForeignRelease {
        device: usize,
    },
}

#[derive(Debug, Clone)]
pub struct Policy {
    /// One bit for each device.
    keep: u8,
    pub releases: u32,
    threads: u32,
}

/// Machines have no more devices than this.
pub const MOST_DEVICES: usize = 6;

impl Policy {
    pub fn keeps(&self, device: usize) -> bool {
        self.keep >> device & 1 == 1
    }

    pub fn stale_release(&self, driver: Driver) -> StaleRelease {
        let kept = driver.devices().filter(|device| self.keeps(device.ordinal() as usize));
        StaleRelease::new().keep(kept).releases_up_to(self.releases).threads(self.threads)
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    // Most keep nothing else and release once, as without a policy.
    let keep = prop_oneof![3 => Just(0), 1 => any::<u8>()];
    let releases = prop_oneof![3 => Just(1), 2 => 0..5_u32];
    let threads = prop_oneof![9 => Just(1), 1 => Just(2_u32)];
    (keep, releases, threads).prop_map(|(keep, releases, threads)| Policy {
        keep,
        releases,
        threads,
    })
}

fn step() -> impl Strategy<Value = Operation> + Clone {
    let device = || 0..MOST_DEVICES;
    let any = || 0..64_usize;
    prop_oneof![
        4 => device().prop_map(|device| Operation::Retain { device }),
        2 => device().prop_map(|device| Operation::RetainIfActive { device }),
        2 => any().prop_map(|handle| Operation::Release { handle }),
        3 => any().prop_map(|handle| Operation::Drop { handle }),
        1 => any().prop_map(|handle| Operation::Leak { handle }),
        1 => any().prop_map(|leaked| Operation::Adopt { leaked }),
        4 => (device(), policy())
            .prop_map(|(device, policy)| Operation::RetainOnly { device, policy }),
        1 => (device(), policy()).prop_map(|(device, policy)| Operation::Plan { device, policy }),
        1 => Just(Operation::Audit),
        2 => proptest::option::weighted(0.8, device())
            .prop_map(|device| Operation::SetCurrent { device }),
        5 => (device(), 1..4_u32)
            .prop_map(|(device, references)| Operation::ForeignRetain { device, references }),
        3 => device().prop_map(|device| Operation::ForeignRelease { device }),
    ]
    .boxed()
}

fn scope(inside: impl Strategy<Value = Operation>) -> impl Strategy<Value = Operation> {
    (0..64_usize, any::<bool>(), vec(inside, 0..6))
        .prop_map(|(handle, leave, inside)| Operation::Scope { handle, leave, inside })
}

/// A history: scopes may lie in scopes.
pub fn history() -> impl Strategy<Value = Vec<Operation>> {
    let inner = prop_oneof![9 => step(), 1 => scope(step())].boxed();
    vec(prop_oneof![19 => step(), 1 => scope(inner)], 1..64)
}
