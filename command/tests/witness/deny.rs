//! Which devices are allowed, and refusing contexts on others. `--only` is also tested with the command.

use simulated_libcuda::{Call, Simulator};

use crate::arena::{Arena, Settings};
use crate::traced::Traced;

const UNKNOWN: Option<bool> = None;
const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

/// What a program with three devices prints, what was recorded, and what the driver was asked.
fn run(
    words: &str,
    settings: &Settings<'_>,
    variables: &[(&str, &str)],
) -> (String, Arena, Vec<Call>) {
    let mut traced = Traced::client(Simulator::builder().devices(3), words, settings);
    traced.client.envs(variables.iter().copied());
    let printed = traced.run();
    (printed, traced.arena(), traced.client.calls().unwrap())
}

/// By ordinal, for all three devices.
fn allowed(settings: &Settings<'_>, variables: &[(&str, &str)]) -> Vec<Option<bool>> {
    let (printed, arena, _) = run("init retain:0 retain:1 retain:2", settings, variables);
    assert_eq!(printed, "");
    let mut devices: Vec<_> =
        arena.devices.iter().map(|device| (device.ordinal, device.allowed)).collect();
    devices.sort_unstable();
    devices.into_iter().map(|(_, allowed)| allowed).collect()
}

#[test]
fn every_way_to_make_a_context_on_another_device_is_refused() {
    let settings = Settings { deny: true, only: "1", ..Settings::default() };
    let ways = ["retain", "create", "create3", "create4", "create-gl", "green"];
    let refused: Vec<String> = ways.iter().map(|way| format!("{way}:0 {way}:2")).collect();
    let words = format!("init {} retain:1 create:1 green:1", refused.join(" "));
    let (printed, arena, calls) = run(&words, &settings, &[]);
    let expected: Vec<String> =
        ways.iter().map(|way| format!("{way} returned 800\n").repeat(2)).collect();
    assert_eq!(printed, expected.concat());
    let denied: Vec<_> = arena.calls.iter().filter(|call| call.denied).collect();
    assert_eq!(denied.len(), 2 * ways.len());
    assert!(denied.iter().all(|call| call.result == Some(800) && call.has_stack()));
    assert!(denied.iter().all(|call| call.references == 0 && call.other.is_none()));
    // The driver was not asked for any of them.
    let made = calls.iter().filter(|call| {
        call.function == "cuDevicePrimaryCtxRetain" || call.function.contains("CtxCreate")
    });
    assert!(made.clone().all(|call| call.device == Some(1)));
    assert_eq!(made.count(), 3);
}

#[test]
fn without_a_device_every_context_is_refused() {
    let settings = Settings { deny: true, forbid: true, ..Settings::default() };
    let (printed, arena, _) = run("retain:0 init retain:0 release:0", &settings, &[]);
    // Before cuInit the driver has the say.
    assert_eq!(printed, "retain returned 3\nretain returned 800\nrelease returned 201\n");
    assert_eq!(arena.devices.last().unwrap().allowed, NO);
}

#[test]
fn devices_are_allowed_by_ordinal_by_uuid_and_by_rank() {
    let (_, arena, _) = run("init retain:1", &Settings::default(), &[]);
    let digits: String =
        arena.devices[0].uuid.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    let uuid = format!("GPU-{}", parts.join("-"));
    // The beginning is GPU- in any case, as the command has checked.
    let upper = format!("GPU-{}", uuid[4..].to_uppercase());
    let rank = |value: &'static str| vec![("LOCAL_RANK", value)];
    // What is empty does not count, and then there is an order.
    let several =
        vec![("LOCAL_RANK", ""), ("MPI_LOCALRANKID", "2"), ("SLURM_LOCALID", "0"), ("RANK", "1")];
    for (only, variables, expected) in [
        ("", vec![], [UNKNOWN; 3]),
        ("0,2", vec![], [YES, NO, YES]),
        // 2^32 + 1 is no ordinal of an int, and is not 1.
        ("4294967297", vec![], [NO; 3]),
        (&uuid, vec![], [NO, YES, NO]),
        (&uuid[..12], vec![], [NO, YES, NO]),
        (&upper, vec![], [NO, YES, NO]),
        ("GPU-ffffffff-0000", vec![], [NO; 3]),
        ("local-rank", several, [NO, NO, YES]),
        ("local-rank", rank(""), [UNKNOWN; 3]),
        ("local-rank", rank("two"), [UNKNOWN; 3]),
        ("local-rank", rank("-1"), [UNKNOWN; 3]),
        ("local-rank", rank("4294967298"), [UNKNOWN; 3]),
    ] {
        let settings = Settings { only, ..Settings::default() };
        assert_eq!(allowed(&settings, &variables), expected, "{only} {variables:?}");
    }
    let forbid = Settings { forbid: true, ..Settings::default() };
    assert_eq!(allowed(&forbid, &[]), [NO; 3]);
    // A launcher that shows each process a device of its own; without a rank nothing is refused.
    let settings = Settings { deny: true, only: "local-rank", ..Settings::default() };
    for (variables, expected) in
        [(&[("LOCAL_RANK", "2"), ("CUDA_VISIBLE_DEVICES", "2")][..], YES), (&[], UNKNOWN)]
    {
        let (printed, arena, _) = run("init retain:0", &settings, variables);
        assert_eq!((&*printed, arena.devices[0].allowed), ("", expected), "{variables:?}");
    }
}

#[test]
fn threads_that_come_while_a_device_is_looked_up_are_refused_too() {
    let settings = Settings { deny: true, only: "1", ..Settings::default() };
    let (printed, arena, _) = run("init threads:16,20", &settings, &[]);
    assert_eq!(printed, format!("threads returned {}\n", 16 * 20));
    assert!(arena.retains().iter().all(|call| call.denied && call.result == Some(800)));
}

/// Each process may hold contexts on one device, whichever it comes to first.
#[test]
fn a_second_device_is_refused_while_the_first_one_is_held() {
    let settings = Settings { deny: true, only: "one", ..Settings::default() };
    let words = "init retain:1 retain:0 create:2 retain:1 release:1 release:1 retain:0 retain:1";
    let (printed, arena, _) = run(words, &settings, &[]);
    assert_eq!(printed, "retain returned 800\ncreate returned 800\nretain returned 800\n");
    assert!(arena.devices.iter().all(|device| device.allowed == UNKNOWN));
}
