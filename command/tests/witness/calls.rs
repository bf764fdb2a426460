//! What the witness records of the calls of one process, and that the driver's results stay what they are.

use cuda_contexts::record::Holding;
use simulated_libcuda::{Call, Fault, Simulator};

use crate::arena::{self, ALL, NO_STACKS, Settings, name};
use crate::programs::CLIENT;
use crate::traced::{Traced, trace, trace_with, untraced};

#[test]
fn creation_first_reference_and_end() {
    let (printed, arena) = trace("init retain:1 retain:1 release:1 release:1 release:1");
    assert_eq!(printed, "release returned 201\n");
    let (retains, releases) = (arena.retains(), arena.releases());
    assert!(retains[0].created && retains[0].has_stack());
    assert!(!retains[1].created && !retains[1].has_stack());
    let counts = |call: &&arena::Of<arena::Call>| (call.result, call.left(), call.references);
    assert_eq!(
        retains.iter().chain(&releases).map(counts).collect::<Vec<_>>(),
        [
            (Some(0), Some(1), 1),
            (Some(0), Some(2), 2),
            (Some(0), Some(1), 1),
            (Some(0), Some(0), 0),
            (Some(201), None, 0)
        ]
    );
    assert_eq!(releases.iter().map(|call| call.ended).collect::<Vec<_>>(), [false, true, false]);
    assert!(arena.calls.iter().all(|call| call.library() == "client"));
    let device = &arena.devices[0];
    assert_eq!((device.ordinal, Some(device.handle)), (Some(1), retains[0].device));
    assert_eq!((device.count, device.uuid.is_some()), (Some(3), true));
    assert_eq!((arena.processes.len(), arena.exits, arena.lost), (1, 1, 0));
    let process = &arena.processes[0];
    assert_eq!(process.executable, *CLIENT);
    assert_eq!(process.arguments[1..3], ["init", "retain:1"]);
}

/// Frame by frame, but the innermost two, which are the functions that retain.
#[test]
fn stacks_are_those_of_libc() {
    for place in ["deep", "callback", "array", "signal", "coroutine"] {
        let (printed, arena) = trace_with(&format!("init compare:{place}"), &ALL);
        let expected: Vec<(&str, &str)> = printed
            .lines()
            .filter_map(|line| line.strip_prefix("frame ")?.rsplit_once(' '))
            .map(|(module, address)| (name(module), address))
            .collect();
        let recorded = &arena.retains()[0].frames;
        let recorded: Vec<(&str, String)> =
            recorded.iter().map(|(module, at)| (name(module), format!("{at:x}"))).collect();
        assert!(!expected.is_empty(), "{place}: {printed}");
        assert!(expected.len() <= recorded.len() - 2, "{place}: {recorded:?} {printed}");
        for (expected, recorded) in expected.iter().zip(&recorded[2..]) {
            assert_eq!(*expected, (recorded.0, recorded.1.as_str()), "{place}");
        }
    }
}

#[test]
fn a_call_by_code_in_no_file() {
    let (printed, arena) = trace_with("init retain:0 generated", &ALL);
    assert_eq!(printed, "");
    let retain = arena.retains()[1];
    assert_eq!(retain.frames[0].0, "", "code in no file");
    assert_eq!((retain.left(), retain.references), (Some(1), 2));
}

#[test]
fn ordinary_contexts() {
    let (_, arena) = trace("init create:1 create3:1 destroy destroy create4:0 destroy");
    let left = |count| Some((Holding::OrdinaryContext, count));
    for (function, count) in [("cuCtxCreate_v2", 1), ("cuCtxCreate_v3", 2), ("cuCtxCreate_v4", 1)] {
        let call = arena.of(function)[0];
        assert!(call.created && call.has_stack(), "{function}");
        assert_eq!((call.contexts(), call.references), (left(count), 0), "{function}");
    }
    let destructions = arena.of("cuCtxDestroy_v2");
    assert_eq!((destructions[0].ended, destructions[0].contexts()), (true, left(1)));
    // The second one is of a context that is gone: refused, and nothing is counted.
    assert_ne!(destructions[1].result, Some(0));
    assert_eq!((destructions[1].ended, destructions[1].contexts()), (false, None));
    assert_eq!(destructions[2].contexts(), left(0), "the table finds what comes after a deletion");
}

/// A context lives on if the driver refuses to destroy it.
#[test]
fn a_destruction_that_fails_forgets_nothing() {
    for (make, destroy, function, holding) in [
        ("create", "destroy", "cuCtxDestroy_v2", Holding::OrdinaryContext),
        ("green", "green-destroy", "cuGreenCtxDestroy", Holding::GreenContext),
    ] {
        let words = format!("init {make}:0 {destroy} {destroy}");
        let mut traced = Traced::client(Simulator::builder(), &words, &Settings::default());
        traced.client.inject(Fault::of(function, 1).code(999).refused().once());
        assert_eq!(traced.run(), format!("{destroy} returned 999\n"));
        let arena = traced.arena();
        let calls = arena.of(function);
        assert_eq!((calls[0].ended, calls[0].contexts()), (false, None), "{function}");
        assert_eq!((calls[1].ended, calls[1].contexts()), (true, Some((holding, 0))), "{function}");
    }
}

#[test]
fn what_the_driver_refuses_is_recorded_with_its_code() {
    let (printed, arena) = trace("retain:0 init retain:7");
    assert_eq!(printed, "retain returned 3\nretain returned 101\n");
    let retains = arena.retains();
    assert_eq!([retains[0].result, retains[1].result], [Some(3), Some(101)]);
    assert!(retains.iter().all(|call| !call.created && call.references == 0));
}

#[test]
fn the_program_can_ask_who_holds_a_device() {
    let words = "init holders:0 retain:0 retain:0 green:0 create:0 holders:0 reset:0 holders:0";
    let expected = "holders 0\nholders 1\n  client 2 1 1\nholders 1\n  client 2 1 1\n";
    assert_eq!(trace(words).0, expected);
    let alone = untraced("init holders:0").0;
    assert_eq!(alone, "holders -1\n", "without the witness there is no such symbol");
}

/// It is called in the same order by the same threads. The witness's own calls come once a device.
#[test]
fn the_driver_sees_no_difference() {
    let words = "init retain:0 retain:0 release:0 release1:0 release:0 create:1 destroy create3:1 destroy \
                 create4:1 destroy retain:1 reset:1 green:0 green-destroy destroy";
    let seen = |calls: Vec<Call>| -> Vec<_> {
        calls.iter().map(|call| (call.function, call.device, call.code)).collect()
    };
    let (printed, without) = untraced(words);
    let without = seen(without);
    assert!(without.len() > 25);
    let builder = Simulator::builder().devices(3);
    let mut traced = Traced::client(builder, words, &Settings::default());
    assert_eq!(traced.run(), printed);
    let mut with = seen(traced.client.calls().unwrap());
    let mut rest = with.iter();
    assert!(without.iter().all(|call| rest.any(|other| other == call)), "{with:?} {without:?}");
    let mut expected = without;
    for device in [0, 1] {
        expected.push(("cuDeviceGetCount", None, 0));
        expected.extend((0..=device).map(|ordinal| ("cuDeviceGet", Some(ordinal), 0)));
        expected.push(("cuDeviceGetUuid_v2", Some(device), 0));
    }
    with.sort_unstable();
    expected.sort_unstable();
    assert_eq!(with, expected);
}

/// Stacks off, the best of many batches, on a driver that costs next to nothing.
#[test]
fn a_wrapped_call_costs_less_than_two_microseconds() {
    let best = |printed: &str| -> f64 {
        let words: Vec<&str> = printed.split_whitespace().collect();
        words[words.iter().position(|word| *word == "at").unwrap() - 1].parse().unwrap()
    };
    let words = "init retain:0 cost:20000";
    let (printed, arena) = trace_with(words, &NO_STACKS);
    assert_eq!(arena.calls.len(), 2 + 2 * 20_000);
    let (with, without) = (best(&printed), best(&untraced(words).0));
    println!("with the witness {with} ns a call, without {without} ns");
    assert!(with - without < 2000.0, "{with} ns a call, {without} without the witness");
}
