//! What may happen next.

use cuda_primary_context::{Driver, StrayRelease};
use proptest::collection::vec;
use proptest::prelude::*;

/// One step. Devices, handles, contexts and references given away are chosen by a number, modulo as many
/// as there are; where there is none, nothing happens.
#[derive(Debug, Clone)]
pub enum Operation {
    Retain {
        device: usize,
    },
    RetainIfActive {
        device: usize,
    },
    /// What comes back of a failure is kept, or given up.
    Release {
        handle: usize,
        give_up: bool,
    },
    Drop {
        handle: usize,
    },
    GiveAway {
        handle: usize,
    },
    TakeOver {
        reference: usize,
    },
    RetainOnly {
        device: usize,
        policy: Policy,
    },
    Run {
        policy: Policy,
    },
    /// The dry run of either.
    Plan {
        device: Option<usize>,
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
    /// Two scopes, the first of which ends first, with these between the two ends.
    Crossed {
        first: usize,
        second: usize,
        between: Vec<Operation>,
    },
    /// By somebody else in the process.
    OtherRetains {
        device: usize,
        references: u32,
    },
    /// As above; with nothing of their own left, they take what is not theirs.
    OtherReleases {
        device: usize,
    },
    AddGreen {
        device: usize,
    },
    RemoveGreen {
        device: usize,
    },
    /// A context of `cuCtxCreate`, which is current then.
    Create {
        device: usize,
    },
    Destroy {
        context: usize,
    },
}

#[derive(Debug, Clone)]
pub struct Policy {
    /// One bit for each device.
    pub keep: u8,
    pub releases: u32,
}

/// Machines have no more devices than this.
pub const MOST_DEVICES: usize = 4;

impl Policy {
    pub fn keeps(&self, device: usize) -> bool {
        self.keep >> device & 1 == 1
    }

    pub fn stray_release(&self, driver: Driver) -> StrayRelease {
        let kept = driver.devices().filter(|device| self.keeps(device.ordinal() as usize));
        // SAFETY: nothing uses a simulated context.
        unsafe { StrayRelease::new().keep(kept).releases_up_to(self.releases) }
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    // Most keep nothing else and release once, as without a policy.
    let keep = prop_oneof![3 => Just(0), 1 => any::<u8>()];
    let releases = prop_oneof![3 => Just(1), 2 => 0..5_u32];
    (keep, releases).prop_map(|(keep, releases)| Policy { keep, releases })
}

fn step() -> impl Strategy<Value = Operation> + Clone {
    let device = || 0..MOST_DEVICES;
    let maybe = || proptest::option::weighted(0.8, device());
    let any = || 0..64_usize;
    prop_oneof![
        4 => device().prop_map(|device| Operation::Retain { device }),
        2 => device().prop_map(|device| Operation::RetainIfActive { device }),
        2 => (any(), proptest::bool::ANY)
            .prop_map(|(handle, give_up)| Operation::Release { handle, give_up }),
        3 => any().prop_map(|handle| Operation::Drop { handle }),
        1 => any().prop_map(|handle| Operation::GiveAway { handle }),
        1 => any().prop_map(|reference| Operation::TakeOver { reference }),
        4 => (device(), policy())
            .prop_map(|(device, policy)| Operation::RetainOnly { device, policy }),
        2 => policy().prop_map(|policy| Operation::Run { policy }),
        1 => (maybe(), policy()).prop_map(|(device, policy)| Operation::Plan { device, policy }),
        1 => Just(Operation::Audit),
        2 => maybe().prop_map(|device| Operation::SetCurrent { device }),
        5 => (device(), 1..4_u32)
            .prop_map(|(device, references)| Operation::OtherRetains { device, references }),
        3 => device().prop_map(|device| Operation::OtherReleases { device }),
        2 => device().prop_map(|device| Operation::AddGreen { device }),
        1 => device().prop_map(|device| Operation::RemoveGreen { device }),
        2 => device().prop_map(|device| Operation::Create { device }),
        1 => any().prop_map(|context| Operation::Destroy { context }),
    ]
    .boxed()
}

fn scope(inside: impl Strategy<Value = Operation> + Clone) -> impl Strategy<Value = Operation> {
    let any = || 0..64_usize;
    prop_oneof![
        2 => (any(), proptest::bool::ANY, vec(inside.clone(), 0..6))
            .prop_map(|(handle, leave, inside)| Operation::Scope { handle, leave, inside }),
        1 => (any(), any(), vec(inside, 0..3))
            .prop_map(|(first, second, between)| Operation::Crossed { first, second, between }),
    ]
}

/// A history: scopes may lie in scopes.
pub fn history() -> impl Strategy<Value = Vec<Operation>> {
    let inner = prop_oneof![9 => step(), 1 => scope(step())].boxed();
    vec(prop_oneof![19 => step(), 1 => scope(inner)], 1..64)
}
