//! The harness that fails every driver call is itself on trial: it acquits an honest `retain_only`
//! written against the raw functions, and catches each flawed one, for the reason that it should.

mod faults;
mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use cuda_primary_context::sys::{CUresult, functions};
use cuda_primary_context::{Error, PrimaryContext};
use faults::complaint::{Complaints, Rule};
use faults::flaw::Flaw;
use faults::flawed::Flawed;
use faults::injection::Kind;
use faults::loading;
use faults::log::Entry;
use faults::operation_trial;
use faults::operations::Operation;
use faults::recorder::Recorder;
use faults::scene::{Condition, Policy, Scene};
use faults::stage::{DeadContext, Stage};
use faults::trial::trial;

const FLAWS: [(Flaw, Rule); 20] = [
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
    (Flaw::ReleasesHeldDevices, Rule::LeftAlone),
    (Flaw::ReleasesKeptDevices, Rule::LeftAlone),
    (Flaw::RetainsElsewhere, Rule::LeftAlone),
    (Flaw::LeavesTheThreadDangling, Rule::Thread),
    (Flaw::SwitchesSilently, Rule::Thread),
    (Flaw::NeverRestores, Rule::Thread),
    (Flaw::StopsAtTheFirstFailure, Rule::NoneIsHidden),
    (Flaw::ReadsOutputs, Rule::EveryFailureIsTold),
    (Flaw::PanicsAtUnknownCodes, Rule::NoPanic),
    (Flaw::RemembersFailures, Rule::SucceedsAfterwards),
];

/// Scenes with something for every flaw to do wrong.
fn scenes() -> Vec<Scene> {
    use Condition::{Active, Held, Inactive, Multiple};
    let conditions = vec![Multiple, Inactive, Active, Held, Active];
    let policies = [Policy::plain(), Policy::keep(2), Policy::releases(2)];
    let scene = |policy: &Policy, current| Scene {
        kept: 1,
        conditions: conditions.clone(),
        current,
        policy: policy.clone(),
    };
    let currents = [None, Some(0), Some(2), Some(4)];
    policies.iter().flat_map(|policy| currents.map(|current| scene(policy, current))).collect()
}

/// In how many trials there were complaints, and in how many this rule was named.
struct Findings {
    trials: usize,
    caught: usize,
    named: usize,
    last: Complaints,
}

fn try_out(flaw: Flaw, rule: Rule) -> Findings {
    let mut findings = Findings { trials: 0, caught: 0, named: 0, last: Complaints::default() };
    let mut stage = Stage::new(5, DeadContext::Unnamed);
    let driver = stage.machine.driver;
    for scene in &scenes() {
        stage.set(scene);
        let kinds = [201, 709, 999, 777_777].map(Kind::once).into_iter().flatten();
        for kind in kinds {
            for call in 1.. {
                let flawed = Flawed::new(driver, flaw, &scene.policy);
                let finding = trial(&stage, &flawed, scene, &[kind.at(call)]);
                findings.trials += 1;
                findings.caught += usize::from(!finding.complaints.are_none());
                findings.named += usize::from(finding.complaints.name(rule));
                if !finding.complaints.are_none() {
                    findings.last = finding.complaints;
                }
                // What a flawed one holds too long would be in the way of the next trial.
                stage.set(scene);
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
    let findings = try_out(Flaw::None, Rule::AsDesigned);
    println!("honest: acquitted in {} trials", findings.trials);
    assert!(findings.trials > 1000);
    assert_eq!(findings.caught, 0, "{}", findings.last);
}

#[test]
fn every_flaw_is_caught() {
    for (flaw, rule) in FLAWS {
        let Findings { trials, caught, named, last } = try_out(flaw, rule);
        println!("{flaw:?}: caught in {caught} of {trials} trials, in {named} by {rule:?}");
        assert!(named > 0, "{flaw:?} is not caught by {rule:?}, but in {caught} trials:\n{last}");
    }
}

/// Operations of a few steps, each with a flaw.
const OPERATIONS: [(&str, Rule, Operation); 10] = [
    ("keeps a reference", Rule::Balance, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            let _ = context.leak();
            recorder.alive(-1);
        }
    }),
    ("gives a reference back twice", Rule::ReleasedOnce, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            let device = context.device();
            recorder.drop(context);
            let function = functions::cuDevicePrimaryCtxRelease_v11000;
            let release = device.driver().function(function).unwrap();
            recorder.ask_each(|| {
                // SAFETY: the handle is the driver's own.
                let _ = unsafe { release(device.as_raw()) };
                Vec::new()
            });
        }
    }),
    ("forgets a handle", Rule::Balance, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            let raw = context.as_raw();
            recorder.drop(context);
            let device = recorder.stage.machine.device(ordinal);
            // SAFETY: there is no such reference, and that is the flaw; it is given away again.
            let adopted = unsafe { PrimaryContext::adopt(device, raw) }.unwrap();
            recorder.ask_each(Vec::new);
            let _ = adopted.leak();
        }
    }),
    ("swallows a failure", Rule::EveryFailureIsTold, |recorder, ordinal| {
        let device = recorder.stage.machine.device(ordinal);
        recorder.ask(|| device.primary_context_state().or(device.primary_context_state()));
    }),
    ("names another call", Rule::EveryFailureIsTold, |recorder, ordinal| {
        ask_and_tell(recorder, ordinal, |_, device, code| ("cuCtxSynchronize", device, code));
    }),
    ("names another device", Rule::EveryFailureIsTold, |recorder, ordinal| {
        ask_and_tell(recorder, ordinal, |call, _, code| (call, None, code));
    }),
    ("names another code", Rule::EveryFailureIsTold, |recorder, ordinal| {
        ask_and_tell(recorder, ordinal, |call, device, _| (call, device, CUresult(999_999)));
    }),
    ("leaves a context current", Rule::Thread, |recorder, ordinal| {
        if let Some(context) = retain(recorder, ordinal) {
            let scope = recorder.ask(|| context.make_current());
            std::mem::forget(scope);
            recorder.drop(context);
        }
    }),
    ("says what is not", Rule::Truth, |recorder, ordinal| {
        let device = recorder.stage.machine.device(ordinal);
        if let Some(state) = recorder.ask(|| device.primary_context_state()) {
            let active = recorder.stage.machine.simulator.is_active(ordinal);
            recorder.truth(state.active != active, "the state is the state");
        }
    }),
    ("remembers a failure", Rule::SucceedsAfterwards, |recorder, ordinal| {
        static FAILED: AtomicBool = AtomicBool::new(false);
        let device = recorder.stage.machine.device(ordinal);
        let answer = recorder.ask(|| match FAILED.load(Ordering::Relaxed) {
            true => Err(Error::NoSuchDevice { ordinal, count: 0 }),
            false => device.name(),
        });
        FAILED.fetch_xor(answer.is_none(), Ordering::Relaxed);
    }),
];

fn retain(recorder: &mut Recorder<'_>, ordinal: u32) -> Option<PrimaryContext> {
    let device = recorder.stage.machine.device(ordinal);
    recorder.retain(|| PrimaryContext::retain(device))
}

type Named = (&'static str, Option<u32>, CUresult);

fn ask_and_tell(
    recorder: &mut Recorder<'_>,
    ordinal: u32,
    change: fn(&'static str, Option<u32>, CUresult) -> Named,
) {
    let device = recorder.stage.machine.device(ordinal);
    recorder.ask(|| {
        device.primary_context_state().map_err(|error| match error {
            Error::Driver { call, device, code } => {
                let (call, device, code) = change(call, device, code);
                Error::Driver { call, device, code }
            }
            other => other,
        })
    });
}

#[test]
fn every_flawed_operation_is_caught() {
    let mut stage = Stage::new(3, DeadContext::Unnamed);
    let conditions = vec![Condition::Active; 3];
    let scene = Scene { kept: 0, conditions, current: None, policy: Policy::plain() };
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
    let driver = stage.machine.driver;
    let get_state = driver.function(functions::cuDevicePrimaryCtxGetState_v7000).unwrap();
    let retain = driver.function(functions::cuDevicePrimaryCtxRetain_v7000).unwrap();
    Kind { done: false, from_then_on: true, code: 719 }.at(1).arm(&stage.machine.simulator);
    let (mut flags, mut active, mut context) = (0, 0, std::ptr::null_mut());
    // SAFETY: the out-parameters are ours, and there is a device 0.
    let state = unsafe { get_state(0, &mut flags, &mut active) };
    // SAFETY: as above.
    let retained = unsafe { retain(&mut context, 0) };
    assert_eq!((state.0, flags, active as u32), (719, RUBBISH, RUBBISH));
    assert_eq!((retained.0, context as usize as u32), (719, RUBBISH));
}

#[test]
fn every_lie_about_a_load_is_caught() {
    let entry =
        |function, code| Entry { function, device: None, code, hit: code != 0, done: false };
    let error = |call, code| Error::Driver { call, device: None, code: CUresult(code) };
    let count = "cuDeviceGetCount";
    let clean = vec![entry("cuInit", 0), entry(count, 0)];
    let failed = vec![entry("cuInit", 0), entry(count, 999)];
    let went_on = vec![entry("cuInit", 999), entry(count, 0)];
    let forked = vec![entry("cuInit", 3)];
    let truths = [
        (&clean, Ok(())),
        (&failed, Err(error(count, 999))),
        (&forked, Err(Error::ForkedAfterInit { initialised_in: None })),
    ];
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
