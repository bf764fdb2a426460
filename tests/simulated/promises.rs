//! The promises of the crate, each by its name and in one case; the other tests go through all the cases.
//! Promise 11 is the trace's (command/tests), promise 12 that of `checkpoint` (tests/checkpoint).

use crate::allocator::ALLOCATIONS;
use crate::support::processes::{in_each_child, in_own_process};
use crate::support::stopped::while_device_0_is_swept;
use crate::support::{
    GET_STATE, RELEASE, RETAIN, load, machine, machine_with, outcomes, releases_up_to,
};
use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{
    CurrentContextChange, Error, Outcome, PrimaryContext, PrimaryContextGuard, ReleaseError,
    StrayRelease,
};
use simulated_libcuda::{Fault, Simulator};

#[test]
fn promise_1_no_leak_and_no_lost_reference() {
    // Retain, state, the thread's context, release, state; then the guard's own release.
    for call in 1..=6 {
        let machine = machine_with(&[1, 0]);
        machine.simulator.inject(Fault::at_call(call).code(719).refused().once());
        let guard = PrimaryContextGuard::retain_only(machine.device(1));
        let is_held = |held: u32| {
            assert_eq!((machine.references()[1], machine.device(1).handles()), (held, Ok(held)));
        };
        is_held(u32::from(guard.is_ok()));
        // Rust 1.85 has no chain of two patterns.
        if let Some(failed) = guard.ok().and_then(|guard| guard.release().err()) {
            is_held(1);
            let (_, context) = failed.into_parts();
            context.expect("it still owes its reference").release().unwrap();
        }
        is_held(0);
        assert_eq!(machine.simulator.faults_fired(), 1, "call {call}");
        assert_eq!(machine.driver.unreleased(), 0);
    }
}

#[test]
fn promise_2_exactly_once() {
    let machine = machine_with(&[5]);
    machine.simulator.inject(Fault::of(RELEASE, 1).code(719).refused().from_then_on());
    let mut context = Some(machine.retain(0));
    // Each failure hands the same handle back.
    for attempt in 1..=3 {
        let failed = context.take().expect("it is still owed").release().unwrap_err();
        assert_eq!(failed.error().code(), Some(CUresult(719)));
        assert_eq!(machine.simulator.count(RELEASE), attempt);
        assert_eq!((machine.device(0).handles(), machine.driver.unreleased()), (Ok(1), 0));
        context = failed.into_parts().1;
    }
    machine.simulator.clear_faults();
    context.expect("it is still owed").release().unwrap();
    assert_eq!(machine.references(), [5]);

    // Giving up on a failed release, by Drop of the error or by `?`, releases no second time.
    let give_up: [fn(ReleaseError); 2] = [drop, |failed| drop(Error::from(failed))];
    for (give_up, times) in give_up.into_iter().zip(1..) {
        machine.refuse(RELEASE, 999);
        let failed = machine.retain(0).release().unwrap_err();
        let calls = machine.calls_of(|| give_up(failed));
        assert!(calls.is_empty(), "{calls:?}");
        assert_eq!(machine.device(0).handles(), Ok(0));
        // A later handle owes its own reference alone.
        machine.retain(0).release().unwrap();
        assert_eq!(
            (machine.references()[0], machine.driver.unreleased()),
            (5 + times, times.into())
        );
    }
}

#[test]
fn promise_3_what_you_keep_or_hold_is_never_released() {
    let machine = machine_with(&[1, 0, 1, 7]);
    let held = machine.retain(2);
    let policy = releases_up_to(u32::MAX).keep([machine.device(3)]);
    let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
    assert_eq!(machine.references(), [0, 1, 2, 7]);
    let expected = [
        Outcome::Released { releases: 1 },
        Outcome::Kept,
        Outcome::HeldHere { handles: 1 },
        Outcome::LeftAlone,
    ];
    assert_eq!(outcomes(&guard), expected);
    // Nor by a run that retains nothing itself.
    policy.run(machine.driver).unwrap();
    assert_eq!(machine.references(), [0, 1, 2, 7]);
    drop(held);
}

#[test]
fn promise_4_nothing_is_hidden() {
    let machine = machine_with(&[1, 0, 1, 2, 0, 1]);
    let held = machine.retain(5);
    machine.simulator.set_current(Some(3));
    machine.refuse_for(0, RELEASE, 719);
    machine.simulator.record_calls(true);
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    machine.simulator.record_calls(false);
    // Every driver call with its result: the kept device's, then the others'.
    let mut lines: Vec<_> = guard.report().devices().collect();
    lines.sort_by_key(|line| line.ordinal() != 1);
    let reported = lines.iter().flat_map(|line| line.calls());
    let reported: Vec<(&str, u32)> = reported.map(|call| (call.function, call.code.0)).collect();
    let made = machine.simulator.calls();
    let made: Vec<(&str, u32)> = made.iter().map(|call| (call.function, call.code)).collect();
    assert_eq!(reported, made);
    // And the state afterwards.
    let kinds: Vec<&str> = outcomes(&guard).iter().map(Outcome::kind).collect();
    let expected = ["failed", "kept", "released", "still_active", "already_inactive", "held_here"];
    assert_eq!(kinds, expected);
    for line in guard.report().devices() {
        let is_active = !matches!(line.outcome().kind(), "released" | "already_inactive");
        assert_eq!(machine.simulator.is_active(line.ordinal()), is_active, "{line}");
    }
    let Outcome::Failed { active, releases, .. } = &outcomes(&guard)[0] else { unreachable!() };
    assert_eq!((*active, *releases), (Some(true), 0));
    machine.simulator.set_current(None);
    drop(held);
}

#[test]
fn promise_5_nothing_is_created_elsewhere() {
    let machine = machine_with(&[1, 0, 0, 2, 0]);
    machine.simulator.add_green_context(4);
    let calls = machine.calls_of(|| {
        drop(PrimaryContextGuard::retain_only(machine.device(1)).unwrap());
    });
    let elsewhere = calls.iter().filter_map(|call| call.split_once('@'));
    for (function, device) in elsewhere.filter(|(_, device)| *device != "1") {
        let is_the_undo = (function, device) == (RETAIN, "4");
        assert!(is_the_undo || [GET_STATE, RELEASE].contains(&function), "{function}@{device}");
    }
    let undone = calls.iter().filter(|call| **call == format!("{RETAIN}@4")).count();
    assert_eq!(undone, 1, "one retain undoes the release that took a green context's reference");
    assert_eq!(
        (machine.references(), machine.simulator.is_active(2)),
        (vec![0, 0, 0, 1, 1], false)
    );
    machine.simulator.remove_green_context(4);
    assert!(!machine.simulator.is_active(4), "it goes with the green context");
}

#[test]
fn promise_6_a_current_context_that_survives_stays() {
    // Whose context is current, how many references its device has, and whether it is destroyed.
    for (current, references, is_destroyed) in [(0, 1, true), (0, 2, false), (1, 1, false)] {
        let machine = machine_with(&[references, 1]);
        machine.simulator.set_current(Some(current));
        let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
        let reported = guard.report().current_context();
        match is_destroyed {
            true => assert_eq!(reported.from(), Some(machine.device(0)), "{reported}"),
            false => assert_eq!(reported, &CurrentContextChange::Unchanged),
        }
        let top = || machine.simulator.stack().pop().unwrap();
        let now = top();
        assert_eq!((now.device, now.alive), (if is_destroyed { 1 } else { current }, true));
        drop(guard);
        assert_eq!(top().device, now.device, "Drop changes nothing");
        machine.simulator.set_current(None);
    }
}

#[test]
fn promise_7_drop_is_silent() {
    let machine = machine(1);
    for code in [0, 3, 4, 201, 719, 800, 777_777] {
        let context = machine.retain(0);
        if code != 0 {
            machine.refuse(RELEASE, code);
        }
        let before = ALLOCATIONS.get();
        drop(context);
        assert_eq!(ALLOCATIONS.get(), before, "code {code}");
    }
}

#[test]
fn promise_8_unknown_codes_keep_their_number() {
    let machine = machine(1);
    machine.simulator.inject(Fault::at_call(1).code(u32::MAX).refused().from_then_on());
    let error = PrimaryContext::retain(machine.device(0)).unwrap_err();
    assert_eq!(error.code(), Some(CUresult(u32::MAX)));
    assert!(error.to_string().contains("4294967295"), "{error}");
}

/// `serialize` has every other error.
#[test]
fn promise_9_each_failure_is_its_own_error() {
    in_own_process(|| {
        let stub = Simulator::builder().stub().start();
        let error = load(stub.path()).unwrap_err();
        assert_eq!(error.kind(), "stub_library");
        assert!(error.to_string().contains("LD_LIBRARY_PATH"), "{error}");
        let machine = machine(1);
        in_each_child(|| {
            let error = PrimaryContext::retain(machine.device(0)).unwrap_err();
            assert_eq!(error.kind(), "forked_after_init");
            assert!(error.to_string().contains("spawn or exec"), "{error}");
        });
    });
}

/// No driver call more than a loop by hand makes (`.ci/instructions` counts what the layer adds), and
/// nobody waits for the teardown of another device (`nobody_waits` has all the cases).
#[test]
fn promise_10_it_costs_what_the_driver_calls_cost_and_nobody_waits() {
    let machine = machine(3);
    let calls = machine.calls_of(|| {
        drop(PrimaryContextGuard::retain_only(machine.device(1)).unwrap());
    });
    let by_hand = [(RETAIN, 1), (GET_STATE, 0), (GET_STATE, 2), (RELEASE, 1)];
    assert_eq!(calls, by_hand.map(|(function, device)| format!("{function}@{device}")));

    machine.stray(&[1, 0, 0]);
    let outcome = while_device_0_is_swept(&machine, &StrayRelease::new(), || {
        machine.retain(1).release().unwrap();
        assert_eq!(machine.device(0).handles(), Ok(0));
    });
    assert_eq!(outcome, Outcome::Released { releases: 1 });
}
