//! The harness that fails every driver call is itself on trial: it acquits an honest sweep written
//! against the raw functions, and catches each flawed one, for the reason that it should.

mod faults;
mod support;

use cuda_primary_context::Error;
use cuda_primary_context::sys::{CUresult, functions};
use faults::complaint::{Complaints, Rule};
use faults::condition::Condition;
use faults::extent::all;
use faults::flawed::{Flaw, Flawed};
use faults::flawed_operations::OPERATIONS;
use faults::injection::Kind;
use faults::loading;
use faults::log::Entry;
use faults::operation_trial;
use faults::patterns::ordinary;
use faults::scene::{Policy, Scene};
use faults::stage::{DeadContext, Stage};
use faults::trial::trial;
use faults::truth::Context;
use simulated_libcuda::Simulator;
use support::load;

const FLAWS: [(Flaw, Rule); 32] = [
    (Flaw::LeaksOnFailure, Rule::Balance),
    (Flaw::NeverReleases, Rule::Balance),
    (Flaw::ReleasesTwice, Rule::ReleasedOnce),
    (Flaw::ReleasesItsOwnTwice, Rule::ReleasedOnce),
    (Flaw::Swallows, Rule::EveryFailureIsTold),
    (Flaw::SwallowsInDrop, Rule::EveryFailureIsTold),
    (Flaw::LiesAboutTheCall, Rule::EveryFailureIsTold),
    (Flaw::LiesAboutTheDevice, Rule::EveryFailureIsTold),
    (Flaw::LiesAboutTheCode, Rule::EveryFailureIsTold),
    (Flaw::OmitsTheFailingCall, Rule::EveryCallIsTold),
    (Flaw::OmitsCallsForTheThread, Rule::EveryCallIsTold),
    (Flaw::ReleasesHeldDevices, Rule::LeftAlone),
    (Flaw::ReleasesKeptDevices, Rule::LeftAlone),
    (Flaw::RetainsElsewhere, Rule::LeftAlone),
    (Flaw::LeavesTheThreadDangling, Rule::Thread),
    (Flaw::SwitchesSilently, Rule::Thread),
    (Flaw::NeverRestores, Rule::Thread),
    (Flaw::TakesOrdinaryForDead, Rule::Thread),
    (Flaw::GivesTheDeadBack, Rule::Thread),
    (Flaw::StopsAtTheFirstFailure, Rule::NoneIsHidden),
    (Flaw::ReadsOutputs, Rule::EveryFailureIsTold),
    (Flaw::PanicsAtUnknownCodes, Rule::NoPanic),
    (Flaw::RemembersFailures, Rule::SucceedsAfterwards),
    (Flaw::NeverUndoes, Rule::Undone),
    (Flaw::UndoesTwice, Rule::Undone),
    (Flaw::UndoesLate, Rule::Undone),
    (Flaw::BelievesRefusals, Rule::Truth),
    (Flaw::AsksNoState, Rule::Truth),
    (Flaw::ForgetsReleases, Rule::Balance),
    (Flaw::CountsFailures, Rule::Balance),
    (Flaw::ConfusesKept, Rule::Truth),
    (Flaw::OmitsTheRetainThatUndoes, Rule::EveryCallIsTold),
];

/// Scenes with something for every flaw to do wrong.
fn scenes() -> Vec<Scene> {
    use Condition::{Active, Green, Held, Inactive, Multiple, Orphaned};
    let conditions = vec![Multiple, Inactive, Active, Held, Green, Active, Orphaned];
    let policies = [Policy::plain(), Policy::keep(&[2]), Policy::releases(2)];
    let primary = |device| Context { device, primary: true };
    let stacks = [
        vec![],
        vec![primary(0)],
        vec![primary(2)],
        vec![ordinary(2)],
        vec![ordinary(0), primary(5)],
    ];
    let scene = |kept, policy: &Policy, stack: &Vec<Context>| Scene {
        kept,
        conditions: conditions.clone(),
        stack: stack.clone(),
        policy: policy.clone(),
    };
    let of_policy = |policy| {
        stacks.iter().flat_map(move |stack| [Some(1), None].map(|kept| scene(kept, policy, stack)))
    };
    policies.iter().flat_map(of_policy).collect()
}

/// In how many trials there were complaints, and in how many this rule was named.
struct Findings {
    trials: usize,
    caught: usize,
    named: usize,
    last: Complaints,
}

/// Tries one flaw until it is caught so often by its rule.
fn try_out(stage: &mut Stage, flaw: Flaw, rule: Rule, enough: usize) -> Findings {
    let mut findings = Findings { trials: 0, caught: 0, named: 0, last: Complaints::default() };
    let driver = stage.machine.driver;
    for scene in &scenes() {
        let kinds = [201, 709, 800, 777_777].map(Kind::once).into_iter().flatten();
        for kind in kinds {
            for call in 1.. {
                // What a flawed one held too long would be in the way of the next trial.
                stage.set(scene);
                let flawed = Flawed::new(driver, flaw, &scene.policy);
                let finding = trial(stage, &flawed, scene, &[kind.at(call)]);
                findings.trials += 1;
                findings.caught += usize::from(!finding.complaints.are_none());
                findings.named += usize::from(finding.complaints.name(rule));
                if !finding.complaints.are_none() {
                    findings.last = finding.complaints;
                }
                if findings.named >= enough {
                    return findings;
                }
                if finding.fired == 0 {
                    break;
                }
            }
        }
    }
    findings
}

#[test]
fn honest_implementation_is_acquitted() {
    let mut stage = Stage::new(7, DeadContext::Unnamed);
    let findings = try_out(&mut stage, Flaw::None, Rule::AsDesigned, 1);
    println!("honest: acquitted in {} trials", findings.trials);
    // One for each call of each scene, and one in which nothing is hit, with each kind of fault.
    let trials: usize = scenes().iter().map(|scene| 8 * (scene.clean_calls() + 1)).sum();
    assert_eq!(findings.trials, trials);
    assert_eq!(findings.caught, 0, "{}", findings.last);
}

#[test]
fn every_flaw_is_caught() {
    let enough = if all() { usize::MAX } else { 50 };
    for (flaw, rule) in FLAWS {
        let mut stage = Stage::new(7, DeadContext::Unnamed);
        let Findings { trials, caught, named, last } = try_out(&mut stage, flaw, rule, enough);
        println!("{flaw:?}: caught in {caught} of {trials} trials, in {named} by {rule:?}");
        assert!(named > 0, "{flaw:?} is not caught by {rule:?}, but in {caught} trials:\n{last}");
    }
}

#[test]
fn every_flawed_operation_is_caught() {
    let mut stage = Stage::new(3, DeadContext::Unnamed);
    let conditions = vec![Condition::Active; 3];
    let scene = Scene { kept: None, conditions, stack: Vec::new(), policy: Policy::plain() };
    for (name, rule, operation) in OPERATIONS {
        let (mut trials, mut named) = (0, 0);
        for kind in Kind::once(719) {
            for call in 1.. {
                stage.set(&scene);
                let faults = [kind.at(call)];
                let finding = operation_trial::trial(&stage, &scene, operation, 1, &faults);
                trials += 1;
                named += usize::from(finding.complaints.name(rule));
                if finding.fired == 0 {
                    break;
                }
            }
        }
        println!("{name}: caught in {named} of {trials} trials by {rule:?}");
        assert!(named > 0, "{name}: not caught by {rule:?}");
    }
}

#[test]
fn refused_calls_leave_rubbish_in_their_outputs() {
    const RUBBISH: u32 = 0xdede_dede;
    let stage = Stage::new(1, DeadContext::Named);
    let (driver, device) = (stage.machine.driver, stage.machine.device(0).as_raw());
    let get_state = driver.function(functions::cuDevicePrimaryCtxGetState_v7000).unwrap();
    let retain = driver.function(functions::cuDevicePrimaryCtxRetain_v7000).unwrap();
    Kind { done: false, from_then_on: true, code: 719 }.at(1).arm(&stage.machine.simulator);
    let (mut flags, mut active, mut context) = (0, 0, std::ptr::null_mut());
    // SAFETY: the out-parameters are ours, and the handle is the driver's own.
    let state = unsafe { get_state(device, &mut flags, &mut active) };
    // SAFETY: as above.
    let retained = unsafe { retain(&mut context, device) };
    assert_eq!((state.0, flags, active as u32), (719, RUBBISH, RUBBISH));
    assert_eq!((retained.0, context as usize as u32), (719, RUBBISH));
}

#[test]
fn every_lie_about_a_load_is_caught() {
    let entry =
        |function, code| Entry { function, device: None, code, hit: code != 0, reached: code == 0 };
    let error = |call, code| Error::Driver { call, device: None, code: CUresult(code) };
    let count = "cuDeviceGetCount";
    let clean = vec![entry("cuInit", 0), entry(count, 0)];
    let failed = vec![entry("cuInit", 0), entry(count, 999)];
    let went_on = vec![entry("cuInit", 999), entry(count, 0)];
    let forked = vec![entry("cuInit", 3)];
    // This error only the crate can make.
    let simulator = Simulator::builder().visible_devices(None).start();
    Kind { done: false, from_then_on: false, code: 3 }.at(1).arm(&simulator);
    let forked_after_init = load(simulator.path()).map(drop);
    let truths =
        [(&clean, Ok(())), (&failed, Err(error(count, 999))), (&forked, forked_after_init)];
    let lies = [
        (&clean, Err(error(count, 999))),
        (&failed, Ok(())),
        (&failed, Err(error(count, 998))),
        (&failed, Err(error("cuInit", 999))),
        (&failed, Err(Error::NoSuchDevice { ordinal: 0, count: 0 })),
        (&went_on, Err(error("cuInit", 999))),
        (&forked, Err(error("cuInit", 3))),
    ];
    let complaints = |entries: &[Entry], answer| {
        let mut complaints = Complaints::default();
        loading::told(answer, entries, &mut complaints);
        complaints
    };
    for (entries, answer) in &truths {
        assert!(complaints(entries, answer).are_none(), "{answer:?} of {entries:?}");
    }
    for (entries, answer) in &lies {
        let complaints = complaints(entries, answer);
        assert!(complaints.name(Rule::EveryFailureIsTold), "{answer:?} of {entries:?}");
    }
}
