//! Which devices are allowed, and refusing contexts on others.

use crate::arena::{Arena, Settings};
use crate::traced::{CLIENT, RANKS, Traced};
use simulated_libcuda::{Call, Simulator};

const UNKNOWN: Option<bool> = None;
const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

/// What a program with three devices said, what was recorded, and what the driver was asked.
fn run(
    words: &str,
    settings: &Settings<'_>,
    variables: &[(&str, &str)],
) -> (String, Arena, Vec<Call>) {
    let mut traced = Traced::new(Simulator::builder().devices(3), &*CLIENT, settings);
    traced.client.args(words.split_whitespace()).envs(variables.iter().copied());
    let said = traced.run();
    (said, traced.arena(), traced.client.calls().unwrap())
}

/// By ordinal, for all three devices.
fn allowed(settings: &Settings<'_>, variables: &[(&str, &str)]) -> Vec<Option<bool>> {
    let (said, arena, _) = run("init retain 0 retain 1 retain 2", settings, variables);
    assert_eq!(said, "init 0\nretain 0\nretain 0\nretain 0\n");
    let mut devices: Vec<_> =
        arena.devices.iter().map(|device| (device.ordinal, device.allowed)).collect();
    devices.sort_unstable();
    devices.into_iter().map(|(_, allowed)| allowed).collect()
}

#[test]
fn every_way_to_make_a_context_on_another_device_is_refused() {
    let settings = Settings { deny: true, only: "1", ..Settings::default() };
    let words =
        "init retain 0 create 2 create3 2 create4 2 create-gl 2 green 0 retain 1 create 1 green 1";
    let (said, arena, calls) = run(words, &settings, &[]);
    assert_eq!(
        said,
        "init 0\nretain 800\ncreate 800\ncreate3 800\ncreate4 800\ncreate-gl 800\ngreen 800\nretain 0\n\
         create 0\ngreen 0\n"
    );
    let denied: Vec<_> = arena.calls.iter().filter(|call| call.denied).collect();
    assert_eq!(denied.len(), 6);
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
    let (said, arena, _) = run("retain 0 init retain 0 release 0", &settings, &[]);
    // Before cuInit the driver has the say.
    assert_eq!(said, "retain 3\ninit 0\nretain 800\nrelease 201\n");
    assert_eq!(arena.devices.last().unwrap().allowed, NO);
}

#[test]
fn what_is_not_denied_is_only_marked() {
    let forbid = Settings { forbid: true, ..Settings::default() };
    assert_eq!(allowed(&forbid, &[]), [NO; 3]);
    for (only, expected) in [
        ("", [UNKNOWN; 3]),
        ("2", [NO, NO, YES]),
        ("0,2", [YES, NO, YES]),
        // 2^32 + 1 is no ordinal of an int, and is not 1.
        ("4294967297", [NO; 3]),
        ("0,4294967297", [YES, NO, NO]),
    ] {
        assert_eq!(allowed(&Settings { only, ..Settings::default() }, &[]), expected, "{only}");
    }
}

#[test]
fn a_device_by_its_uuid_or_the_beginning_of_it() {
    let (_, arena, _) = run("init retain 1", &Settings::default(), &[]);
    let digits: String =
        arena.devices[0].uuid.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    let uuid: &'static str = format!("GPU-{}", parts.join("-")).leak();
    for only in [uuid, &uuid[..12], uuid.to_uppercase().leak()] {
        // The beginning is GPU- in any case, as the command has checked.
        let only: &'static str = format!("GPU-{}", &only[4..]).leak();
        assert_eq!(
            allowed(&Settings { only, ..Settings::default() }, &[]),
            [NO, YES, NO],
            "{only}"
        );
    }
    let other = Settings { only: "GPU-ffffffff-0000", ..Settings::default() };
    assert_eq!(allowed(&other, &[]), [NO; 3]);
}

#[test]
fn the_device_of_the_local_rank() {
    let settings = Settings { only: "local-rank", ..Settings::default() };
    for variable in RANKS {
        assert_eq!(allowed(&settings, &[(variable, "2")]), [NO, NO, YES], "{variable}");
    }
    // The order is that of the report, and what is empty does not count.
    let several =
        [("LOCAL_RANK", ""), ("MPI_LOCALRANKID", "2"), ("SLURM_LOCALID", "0"), ("RANK", "1")];
    assert_eq!(allowed(&settings, &several), [NO, NO, YES]);
    for rank in ["", "two", "-1", "4294967298"] {
        assert_eq!(allowed(&settings, &[("LOCAL_RANK", rank)]), [UNKNOWN; 3], "{rank:?}");
    }
    // A launcher that shows each process a device of its own.
    let (_, arena, _) =
        run("init retain 0", &settings, &[("LOCAL_RANK", "2"), ("CUDA_VISIBLE_DEVICES", "2")]);
    assert_eq!((arena.devices[0].ordinal, arena.devices[0].allowed), (Some(0), YES));
}

#[test]
fn without_a_rank_nothing_is_refused() {
    let settings = Settings { deny: true, only: "local-rank", ..Settings::default() };
    let (said, _, _) = run("init retain 0", &settings, &[]);
    assert_eq!(said, "init 0\nretain 0\n");
}

#[test]
fn threads_that_come_while_a_device_is_looked_up_are_refused_too() {
    let settings = Settings { deny: true, only: "1", ..Settings::default() };
    let (said, arena, _) = run("init threads 16 20 0", &settings, &[]);
    assert_eq!(
        said,
        format!("init 0\nthreads {}\n", 16 * 20 * 2),
        "every retain and release failed"
    );
    let retains = arena.of("cuDevicePrimaryCtxRetain");
    assert!(retains.iter().all(|call| call.denied && call.result == Some(800)));
}

/// Each process may hold contexts on one device, whichever it comes to first.
#[test]
fn a_second_device_is_refused_while_the_first_one_is_held() {
    let settings = Settings { deny: true, only: "one", ..Settings::default() };
    let words = "init retain 1 retain 0 create 2 retain 1 release 1 release 1 retain 0 retain 1";
    let (said, arena, _) = run(words, &settings, &[]);
    assert_eq!(
        said,
        "init 0\nretain 0\nretain 800\ncreate 800\nretain 0\nrelease 0\nrelease 0\nretain 0\nretain 800\n"
    );
    assert!(arena.devices.iter().all(|device| device.allowed == UNKNOWN));
}
