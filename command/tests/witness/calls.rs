//! What the witness records of the calls of one process, and that the driver's answers stay what they
//! are.

use crate::arena::{self, ALL, NONE, Settings, name};
use crate::traced::{CLIENT, LINKED, Traced, trace, trace_with, untraced};
use cuda_contexts::record::Holding;
use simulated_libcuda::{Call, Fault, Simulator};

const EVERYTHING: &str = "init retain 0 retain 0 release 0 release1 0 release 0 create 1 destroy \
                          create3 1 destroy create4 1 destroy retain 1 reset 1 green 0 green-destroy \
                          destroy threads 2 5 0";

#[test]
fn creation_first_reference_and_end() {
    let (said, arena) = trace(2, "init retain 1 retain 1 release 1 release 1 release 1");
    assert_eq!(said, "init 0\nretain 0\nretain 0\nrelease 0\nrelease 0\nrelease 201\n");
    let retains = arena.of("cuDevicePrimaryCtxRetain");
    assert!(retains[0].created && retains[0].has_stack());
    assert!(!retains[1].created && !retains[1].has_stack());
    let counts = |call: &&arena::Of<arena::Call>| (call.result, call.left(), call.references);
    let releases = arena.of("cuDevicePrimaryCtxRelease_v2");
    assert_eq!(
        retains.iter().map(counts).collect::<Vec<_>>(),
        [(Some(0), Some(1), 1), (Some(0), Some(2), 2)]
    );
    assert_eq!(
        releases.iter().map(counts).collect::<Vec<_>>(),
        [(Some(0), Some(1), 1), (Some(0), Some(0), 0), (Some(201), None, 0)]
    );
    assert_eq!(releases.iter().map(|call| call.ended).collect::<Vec<_>>(), [false, true, false]);
    assert!(releases.iter().all(|call| !call.took_from_others()));
    assert!(arena.calls.iter().all(|call| call.result.is_some() && call.library() == "client"));
    let device = &arena.devices[0];
    assert_eq!((device.ordinal, Some(device.handle)), (Some(1), retains[0].device));
    assert_eq!((device.count, device.uuid.is_some()), (Some(2), true));
    assert_eq!((arena.processes.len(), arena.exits.len(), arena.lost), (1, 1, 0));
    let process = &arena.processes[0];
    assert_eq!(process.executable, *CLIENT);
    assert_eq!(process.arguments[1..3], ["init", "retain"]);
}

#[test]
fn a_stack_leads_from_the_caller_to_main() {
    let (_, arena) = trace(1, "init retain 0");
    let stack = &arena.of("cuDevicePrimaryCtxRetain")[0].frames;
    let modules: Vec<&str> = stack.iter().map(|(module, _)| name(module)).collect();
    assert_eq!(modules[..2], ["client", "client"], "the helper and main: {modules:?}");
    assert!(modules.contains(&"libc.so.6"), "{modules:?}");
    assert_eq!(modules.last(), Some(&"client"), "_start: {modules:?}");
    // The helper's address is the same in the file, wherever it was loaded.
    let (_, again) = trace(1, "init retain 0");
    assert_eq!(again.of("cuDevicePrimaryCtxRetain")[0].frames[0], stack[0]);
}

/// Frame by frame, but the innermost two, which are the functions that asked.
#[test]
fn stacks_are_those_of_libc() {
    for place in ["plainly", "deep", "callback", "array", "signal", "coroutine"] {
        let all = Settings { stack: ALL, ..Settings::default() };
        let (said, arena) =
            trace_with(Simulator::builder(), &format!("init compare {place} 0"), &all);
        let expected: Vec<(&str, &str)> = said
            .lines()
            .filter_map(|line| line.strip_prefix("frame ")?.rsplit_once(' '))
            .map(|(module, address)| (name(module), address))
            .collect();
        let recorded = &arena.of("cuDevicePrimaryCtxRetain")[0].frames;
        let recorded: Vec<(&str, String)> =
            recorded.iter().map(|(module, at)| (name(module), format!("{at:x}"))).collect();
        assert!(!expected.is_empty(), "{place}: {said}");
        let both = expected.len().min(recorded.len() - 2);
        assert_eq!(both, expected.len(), "{place}: {recorded:?} {said}");
        for (expected, recorded) in expected.iter().zip(&recorded[2..]) {
            assert_eq!(*expected, (recorded.0, recorded.1.as_str()), "{place}");
        }
    }
}

#[test]
fn a_linked_program() {
    let builder = Simulator::builder().devices(1);
    let mut traced = Traced::new(builder, &*LINKED, &Settings::default());
    traced.client.args("init retain 0 release 0 create 0".split_whitespace());
    assert_eq!(traced.run(), "init 0\nretain 0\nrelease 0\ncreate 0\n");
    let arena = traced.arena();
    let names: Vec<&str> = arena.calls.iter().map(|call| call.function.0).collect();
    assert_eq!(
        names,
        ["cuInit", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2", "cuCtxCreate_v2"]
    );
    assert!(arena.calls.iter().all(|call| call.library() == "linked"));
    assert!(arena.bypasses.is_empty());
}

#[test]
fn all_or_no_stacks() {
    let (_, arena) = trace_with(
        Simulator::builder(),
        EVERYTHING,
        &Settings { stack: ALL, ..Settings::default() },
    );
    assert!(arena.calls.len() > 20);
    assert!(arena.calls.iter().all(|call| call.has_stack()));
    let (_, arena) = trace_with(
        Simulator::builder(),
        EVERYTHING,
        &Settings { stack: NONE, ..Settings::default() },
    );
    assert!(arena.calls.iter().all(|call| !call.has_stack()));
}

#[test]
fn a_call_by_code_in_no_file() {
    let all = Settings { stack: ALL, ..Settings::default() };
    let (said, arena) = trace_with(Simulator::builder(), "init retain 0 generated 0", &all);
    assert_eq!(said, "init 0\nretain 0\ngenerated 0\n");
    let retain = arena.of("cuDevicePrimaryCtxRetain")[1];
    assert_eq!(retain.frames[0].0, "", "code in no file");
    assert_eq!((retain.left(), retain.references), (Some(1), 2));
}

#[test]
fn ordinary_contexts() {
    let (_, arena) = trace(2, "init create 1 create3 1 destroy destroy create4 0 destroy");
    for (function, count) in [("cuCtxCreate_v2", 1), ("cuCtxCreate_v3", 2), ("cuCtxCreate_v4", 1)] {
        let call = arena.of(function)[0];
        assert!(call.created && call.has_stack(), "{function}");
        let expected = (Some((Holding::OrdinaryContext, count)), 0);
        assert_eq!((call.contexts(), call.references), expected, "{function}");
    }
    let destructions = arena.of("cuCtxDestroy_v2");
    let left = |count| Some((Holding::OrdinaryContext, count));
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
        let mut traced = Traced::new(Simulator::builder(), &*CLIENT, &Settings::default());
        let words = format!("init {make} 0 {destroy} {destroy}");
        traced.client.args(words.split_whitespace());
        traced.client.inject(Fault::of(function, 1).code(999).refused().once());
        let said = traced.run();
        assert!(said.ends_with(&format!("{destroy} 999\n{destroy} 0\n")), "{said}");
        let arena = traced.arena();
        let calls = arena.of(function);
        assert_eq!((calls[0].ended, calls[0].contexts()), (false, None), "{function}");
        assert_eq!((calls[1].ended, calls[1].contexts()), (true, Some((holding, 0))), "{function}");
    }
}

#[test]
fn what_the_driver_refuses_is_recorded_with_its_code() {
    let (said, arena) = trace(1, "retain 0 init retain 7");
    assert_eq!(said, "retain 3\ninit 0\nretain 101\n");
    let retains = arena.of("cuDevicePrimaryCtxRetain");
    assert_eq!([retains[0].result, retains[1].result], [Some(3), Some(101)]);
    assert!(retains.iter().all(|call| !call.created && call.references == 0));
}

#[test]
fn the_program_can_ask_who_holds_a_device() {
    let (said, _) =
        trace(2, "init holders 0 retain 0 retain 0 green 0 create 0 holders 0 reset 0 holders 0");
    let asked: Vec<&str> =
        said.lines().filter(|line| line.contains("holders") || line.starts_with("  ")).collect();
    assert_eq!(
        asked,
        ["holders 0", "holders 1", "  client 2 1 1", "holders 1", "  client 2 1 1"],
        "{said}"
    );
    let (said, _) = untraced(Simulator::builder(), "init holders 0");
    assert_eq!(said, "init 0\nholders -1\n", "without the witness there is no such symbol");
}

/// It is called in the same order by the same threads. The witness's own calls come once a device.
#[test]
fn the_driver_sees_no_difference() {
    let words = EVERYTHING.replace("threads 2 5 0", "");
    let seen = |calls: Vec<Call>| -> Vec<_> {
        calls.iter().map(|call| (call.function, call.device, call.code)).collect()
    };
    let (said, without) = untraced(Simulator::builder().devices(2), &words);
    let without = seen(without);
    assert!(without.len() > 25);
    let builder = Simulator::builder().devices(2);
    let mut traced = Traced::new(builder, &*CLIENT, &Settings::default());
    traced.client.args(words.split_whitespace());
    assert_eq!(traced.run(), said);
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
    let cost = |said: &str| -> f64 {
        said.lines().find_map(|line| line.strip_prefix("cost ")).unwrap().parse().unwrap()
    };
    let (said, arena) = trace_with(
        Simulator::builder(),
        "init retain 0 cost 0",
        &Settings { stack: NONE, ..Settings::default() },
    );
    assert_eq!(arena.calls.len(), 2 + 2 * 100 * 200);
    let (without, _) = untraced(Simulator::builder(), "init retain 0 cost 0");
    let (with, without) = (cost(&said), cost(&without));
    println!("with the witness {with} ns a call, without {without} ns");
    assert!(with - without < 2000.0, "{with} ns a call, {without} without the witness");
}
