//! Which scenes there are: conditions of the devices, and what the thread has current.

use super::condition::{CONDITIONS, Condition, PLAIN};
use super::scene::{Policy, Scene};
use super::truth::Context;

/// Every assignment of these conditions to the devices that are not kept.
pub fn patterns(
    devices: u32,
    kept: Option<u32>,
    of: &'static [Condition],
) -> impl Iterator<Item = Vec<Condition>> {
    let others = devices - u32::from(kept.is_some());
    (0..of.len().pow(others)).map(move |number| {
        let mut rest = number;
        let of_device = |device| {
            if kept == Some(device) {
                return Condition::Inactive;
            }
            let condition = of[rest % of.len()];
            rest /= of.len();
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
    let mut patterns: Vec<_> = PLAIN.map(|condition| make(&|_| condition)).into();
    for shift in 0..CONDITIONS.len() as u32 {
        let next = move |device| CONDITIONS[(device + shift) as usize % CONDITIONS.len()];
        patterns.push(make(&next));
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

fn primary(device: u32) -> Context {
    Context { device, primary: true }
}

/// A context of `cuCtxCreate`.
pub fn ordinary(device: u32) -> Context {
    Context { device, primary: false }
}

/// These conditions with the thread on nothing, on the kept device, and on the first stray one: on
/// its primary context and on one of `cuCtxCreate`.
pub fn with_currents(conditions: &[Condition], kept: Option<u32>, policy: &Policy) -> Vec<Scene> {
    let scene = |stack: Vec<Context>| {
        let mut conditions = conditions.to_vec();
        if let Some(kept) = kept.filter(|&kept| stack == [primary(kept)]) {
            // Somebody else holds what the thread works on.
            conditions[kept as usize] = Condition::Active;
        }
        Scene { kept, conditions, stack, policy: policy.clone() }
    };
    let nowhere = scene(Vec::new());
    let stray = (0..nowhere.devices()).find(|&device| nowhere.is_stray(device));
    let on_kept = kept.map(|kept| scene(vec![primary(kept)]));
    let on_stale =
        stray.map(|device| [primary(device), ordinary(device)].map(|on| scene(vec![on])));
    on_kept.into_iter().chain(on_stale.into_iter().flatten()).chain([nowhere]).collect()
}

/// These conditions with the thread on nothing and on a context of every device, in whatever state
/// that is.
pub fn with_every_current(
    conditions: &[Condition],
    kept: Option<u32>,
    policy: &Policy,
) -> Vec<Scene> {
    with_stacks(conditions, kept, policy, every_stack(conditions.len() as u32, 1))
}

/// These conditions with every two contexts on the thread's stack.
pub fn with_every_two(conditions: &[Condition], kept: Option<u32>, policy: &Policy) -> Vec<Scene> {
    let two = every_stack(conditions.len() as u32, 2).into_iter().filter(|stack| stack.len() == 2);
    with_stacks(conditions, kept, policy, two)
}

fn with_stacks(
    conditions: &[Condition],
    kept: Option<u32>,
    policy: &Policy,
    stacks: impl IntoIterator<Item = Vec<Context>>,
) -> Vec<Scene> {
    let scene =
        |stack| Scene { kept, conditions: conditions.to_vec(), stack, policy: policy.clone() };
    stacks.into_iter().map(scene).collect()
}

/// Every stack that is no deeper than this.
fn every_stack(devices: u32, depth: u32) -> Vec<Vec<Context>> {
    let contexts: Vec<Context> = (0..devices).flat_map(|of| [primary(of), ordinary(of)]).collect();
    let mut stacks = vec![Vec::new()];
    for _ in 0..depth {
        let on_top = |stack: &Vec<Context>| -> Vec<Vec<Context>> {
            contexts.iter().map(|&top| [&stack[..], &[top]].concat()).collect()
        };
        let deeper: Vec<_> = stacks.iter().flat_map(on_top).collect();
        stacks.extend(deeper);
        stacks.sort_by_key(|stack| {
            stack.iter().map(|on| (on.device, on.primary)).collect::<Vec<_>>()
        });
        stacks.dedup();
    }
    stacks
}

/// Machines with so many devices that strays lie beyond what a fixed size would hold.
pub fn scenes_of_many(devices: u32) -> Vec<Scene> {
    let last = devices - 1;
    let strays = |stray: &dyn Fn(u32) -> bool| -> Vec<Condition> {
        let of = |device| match stray(device) {
            true => CONDITIONS[1 + device as usize % (CONDITIONS.len() - 1)],
            false => Condition::Inactive,
        };
        (0..devices).map(of).collect()
    };
    let beyond_16 = strays(&|device| device >= 16);
    let everywhere = strays(&|_| true);
    let last_alone = strays(&|device| device == last);
    let scenes = [
        (Some(last), &beyond_16, vec![16, 8], Vec::new()),
        (Some(0), &beyond_16, vec![last], vec![ordinary(16)]),
        (Some(last - 1), &everywhere, vec![3, last], vec![ordinary(devices / 2)]),
        (None, &everywhere, Vec::new(), vec![ordinary(1), ordinary(last - 1)]),
        (Some(3), &last_alone, Vec::new(), vec![ordinary(last)]),
    ];
    let scene = |(kept, conditions, keep, stack): (Option<u32>, &Vec<Condition>, Vec<u32>, _)| {
        let mut conditions = conditions.clone();
        kept.iter().for_each(|&kept| conditions[kept as usize] = Condition::Inactive);
        Scene { kept, conditions, stack, policy: Policy { keep, releases: 2 } }
    };
    scenes.into_iter().map(scene).collect()
}
