//! What `retain_only` finds: the state of every device, the thread's current context, the policy.

use cuda_primary_context::{Driver, StaleRelease};

/// The state of one device's primary context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Inactive,
    /// Somebody else holds one reference.
    Active,
    /// Live handles hold it, and on some devices somebody else as well.
    Held,
    /// Somebody else holds several references.
    Multiple,
}

pub const CONDITIONS: [Condition; 4] =
    [Condition::Inactive, Condition::Active, Condition::Held, Condition::Multiple];

impl Condition {
    /// References of somebody else. Neighbours differ, so that one cannot be taken for another.
    pub fn foreign(self, ordinal: u32) -> u32 {
        match self {
            Self::Inactive => 0,
            Self::Active => 1,
            Self::Held => ordinal % 2,
            Self::Multiple => 2 + ordinal % 2,
        }
    }

    /// Live handles of this crate.
    pub fn handles(self, ordinal: u32) -> u32 {
        match self {
            Self::Held => 1 + ordinal % 2,
            _ => 0,
        }
    }
}

/// What may be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub keep: Vec<u32>,
    pub releases: u32,
    pub threads: u32,
}

impl Policy {
    /// That of `retain_only` without a policy.
    pub fn plain() -> Self {
        Self::releases(1)
    }

    pub fn releases(releases: u32) -> Self {
        Self { keep: Vec::new(), releases, threads: 1 }
    }

    pub fn keep(ordinal: u32) -> Self {
        Self { keep: vec![ordinal], ..Self::plain() }
    }

    pub fn threads(threads: u32) -> Self {
        Self { threads, ..Self::plain() }
    }

    pub fn stale_release(&self, driver: Driver) -> StaleRelease {
        let kept = self.keep.iter().map(|&ordinal| driver.device(ordinal).expect("a device"));
        StaleRelease::new().keep(kept).releases_up_to(self.releases).threads(self.threads)
    }
}

/// One situation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    pub kept: u32,
    /// One for each device, the kept one among them.
    pub conditions: Vec<Condition>,
    /// The device whose primary context the calling thread has current. It may be inactive.
    pub current: Option<u32>,
    pub policy: Policy,
}

impl Scene {
    pub fn devices(&self) -> u32 {
        self.conditions.len() as u32
    }

    pub fn condition(&self, device: u32) -> Condition {
        self.conditions[device as usize]
    }

    /// Neither the device to keep, nor kept by the policy.
    pub fn is_other(&self, device: u32) -> bool {
        device != self.kept && !self.policy.keep.contains(&device)
    }

    pub fn is_stale(&self, device: u32) -> bool {
        let stale = matches!(self.condition(device), Condition::Active | Condition::Multiple);
        self.is_other(device) && stale
    }

    /// How many driver calls `retain_only` makes here if none fails, with the release of its guard.
    /// `names_dead`: whether the driver tells the device of a current context that is destroyed.
    pub fn clean_calls(&self, names_dead: bool) -> usize {
        let releases = |device: u32| match self.is_stale(device) {
            true => self.policy.releases.min(self.condition(device).foreign(device)),
            false => 0,
        };
        let others = (0..self.devices()).filter(|&device| self.is_other(device));
        let for_devices: u32 = others.map(|device| 1 + 2 * releases(device)).sum();
        let any_released = (0..self.devices()).any(|device| releases(device) > 0);
        let for_thread = match self.current {
            _ if !any_released => 0,
            None => 1,
            Some(device) => {
                let dead = device != self.kept && self.condition(device) == Condition::Inactive;
                let switched = releases(device) > 0 || (dead && !names_dead);
                let restored = releases(device) > 0
                    && releases(device) < self.condition(device).foreign(device);
                2 + u32::from(switched) + u32::from(restored)
            }
        };
        (1 + for_devices + for_thread + 1) as usize
    }
}

/// Every assignment of conditions to the devices that are not kept.
pub fn patterns(devices: u32, kept: u32) -> impl Iterator<Item = Vec<Condition>> {
    (0..4_usize.pow(devices - 1)).map(move |number| {
        let mut rest = number;
        let of_device = |device| {
            if device == kept {
                return Condition::Inactive;
            }
            let condition = CONDITIONS[rest % 4];
            rest /= 4;
            condition
        };
        (0..devices).map(of_device).collect()
    })
}

/// A few assignments that are unlike one another, for more devices than all of them can be tried on.
pub fn representative_patterns(devices: u32, kept: u32) -> Vec<Vec<Condition>> {
    let make = |condition: &dyn Fn(u32) -> Condition| -> Vec<Condition> {
        let of_device = |device| match device == kept {
            true => Condition::Inactive,
            false => condition(device),
        };
        (0..devices).map(of_device).collect()
    };
    let mut patterns: Vec<_> = CONDITIONS.map(|condition| make(&|_| condition)).into();
    for shift in 0..4 {
        patterns.push(make(&|device| CONDITIONS[((device + shift) % 4) as usize]));
    }
    let alone = |chosen: u32| {
        move |device: u32| match device == chosen {
            true => Condition::Active,
            false => Condition::Inactive,
        }
    };
    patterns.push(make(&alone(0)));
    patterns.push(make(&alone(devices - 1)));
    patterns
}

/// These conditions with the thread on nothing, on the kept device, and on the first stale one.
pub fn with_currents(conditions: &[Condition], kept: u32, policy: &Policy) -> Vec<Scene> {
    let scene = |current: Option<u32>| {
        let mut conditions = conditions.to_vec();
        if current == Some(kept) {
            // Somebody else holds what the thread works on.
            conditions[kept as usize] = Condition::Active;
        }
        Scene { kept, conditions, current, policy: policy.clone() }
    };
    let nowhere = scene(None);
    let stale = (0..nowhere.devices()).find(|&device| nowhere.is_stale(device));
    [Some(scene(Some(kept))), stale.map(|device| scene(Some(device)))]
        .into_iter()
        .flatten()
        .chain([nowhere.clone()])
        .collect()
}

/// These conditions with the thread on nothing and on every device, in whatever state that is.
pub fn with_every_current(conditions: &[Condition], kept: u32, policy: &Policy) -> Vec<Scene> {
    let currents = std::iter::once(None).chain((0..conditions.len() as u32).map(Some));
    let scene =
        |current| Scene { kept, conditions: conditions.to_vec(), current, policy: policy.clone() };
    currents.map(scene).collect()
}
