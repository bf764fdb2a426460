//! Reference counts, activation, flags and memory of primary contexts.

mod driver;

use driver::{Library, POISON, POISONED, out, started};
use simulated_libcuda::{Knob, Simulator};

#[test]
fn a_context_is_active_from_the_first_retain_to_the_last_release() {
    for references in 1..5 {
        let (simulator, library) = started(2);
        assert_eq!(library.state(1), (0, 0, 0));
        for _ in 0..references {
            assert_eq!(library.retain(1).0, 0);
        }
        for left in (0..references).rev() {
            assert_eq!(library.state(1), (0, 0, 1));
            assert_eq!(library.release(1), 0);
            assert_eq!(simulator.references(1), left);
        }
        assert_eq!(library.state(1), (0, 0, 0));
        assert_eq!(library.release(1), 201);
        assert_eq!(simulator.references(1), 0);
        assert_eq!(simulator.underflows(), 1);
        assert!(!simulator.is_active(0));
    }
}

#[test]
fn the_handle_stays_and_the_generation_and_the_id_change() {
    let (simulator, library) = started(1);
    let mut ids = [0_u64; 2];
    let mut handles = [POISON; 2];
    for round in 0..2 {
        let (code, context) = library.retain(0);
        assert_eq!(code, 0);
        handles[round] = context;
        assert_eq!(library.call("cuCtxGetId", &[context as usize, out(&mut ids[round])]), 0);
        assert_eq!(library.release(0), 0);
    }
    assert_eq!(handles[0], handles[1]);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(simulator.generation(0), 2);
}

#[test]
fn retaining_makes_nothing_current() {
    let (simulator, library) = started(1);
    library.retain(0);
    assert_eq!(library.current(), (0, std::ptr::null_mut()));
    assert_eq!(simulator.stack(), []);
}

#[test]
fn both_generations_of_release_are_there_and_differ_where_the_knob_says() {
    for (knob, bare) in [(201, 201), (0, 0)] {
        let simulator = Simulator::builder().knob(Knob::ReleaseV1AtZero, knob).start();
        let library = Library::of(&simulator);
        library.init();
        library.retain(0);
        assert_eq!(library.call("cuDevicePrimaryCtxRelease", &[library.device(0)]), 0);
        assert!(!simulator.is_active(0));
        assert_eq!(library.call("cuDevicePrimaryCtxRelease", &[library.device(0)]), bare);
        assert_eq!(library.release(0), 201);
        assert_eq!(simulator.references(0), 0);
    }
}

#[test]
fn a_reset_deactivates_and_keeps_the_count() {
    for reset in ["cuDevicePrimaryCtxReset", "cuDevicePrimaryCtxReset_v2"] {
        let (simulator, library) = started(1);
        assert_eq!(library.call(reset, &[library.device(0)]), 0, "inactive");
        simulator.set_knob(Knob::ResetV1TakesAReference, 0);
        library.retain(0);
        library.retain(0);
        assert_eq!(library.call(reset, &[library.device(0)]), 0);
        assert_eq!(library.state(0), (0, 0, 0));
        assert_eq!(simulator.references(0), 2);
        assert_eq!(library.release(0), 0, "releasing after a reset is allowed");
        library.retain(0);
        assert_eq!((simulator.references(0), simulator.is_active(0)), (2, true));
        assert_eq!(simulator.generation(0), 2);
    }
}

#[test]
fn the_first_generations_reset_takes_a_reference() {
    for references in 0..3_u32 {
        let (simulator, library) = started(1);
        for _ in 0..references {
            library.retain(0);
        }
        assert_eq!(library.call("cuDevicePrimaryCtxReset", &[library.device(0)]), 0);
        assert_eq!(library.state(0), (0, 0, 0));
        assert_eq!(simulator.references(0), references.saturating_sub(1));
    }
}

#[test]
fn a_reset_with_references_may_be_refused() {
    let (simulator, library) = started(1);
    simulator.set_knob(Knob::ResetWithReferences, 708);
    library.retain(0);
    assert_eq!(library.reset(0), 708);
    assert!(simulator.is_active(0));
    library.release(0);
    assert_eq!(library.reset(0), 0);
}

#[test]
fn flags_are_checked_and_kept() {
    const SET: &str = "cuDevicePrimaryCtxSetFlags_v2";
    let (simulator, library) = started(1);
    let device = library.device(0);
    for valid in [0, 1, 2, 4, 8, 0x10, 0x84, 0xfc] {
        assert_eq!(library.call(SET, &[device, valid]), 0, "{valid:#x}");
        assert_eq!(library.state(0), (0, valid as u32, 0), "only setting flags activates nothing");
    }
    for invalid in [3, 5, 6, 7, 0x100, 0xffff_ffff] {
        assert_eq!(library.call(SET, &[device, invalid]), 1, "{invalid:#x}");
    }
    assert_eq!(library.call(SET, &[device, 4]), 0);
    library.retain(0);
    assert_eq!(library.state(0), (0, 4, 1));
    assert_eq!(
        library.call("cuDevicePrimaryCtxSetFlags", &[device, 1]),
        708,
        "the first generation"
    );
    assert_eq!(library.call(SET, &[device, 1]), 0);
    assert_eq!(library.state(0), (0, 1, 1));
    assert_eq!(simulator.flags(0), 1);
    library.release(0);
    assert_eq!(library.state(0), (0, 0, 0), "gone with the context");
    library.call(SET, &[device, 4]);
    assert_eq!(library.reset(0), 0);
    assert_eq!(library.state(0), (0, 0, 0), "gone with a reset, even of no context");
}

#[test]
fn the_knobs_on_flags_do_what_they_say() {
    const SET: &str = "cuDevicePrimaryCtxSetFlags_v2";
    let (simulator, library) = started(1);
    let device = library.device(0);
    simulator.set_knob(Knob::FlagsSurviveDeactivation, 1);
    library.retain(0);
    simulator.set_knob(Knob::SetFlagsWhenActive, 1);
    assert_eq!(library.call(SET, &[device, 2]), 0);
    assert_eq!(library.state(0), (0, 0, 1), "not yet");
    library.release(0);
    library.retain(0);
    assert_eq!(library.state(0), (0, 2, 1));
    simulator.set_knob(Knob::SetFlagsWhenActive, 708);
    assert_eq!(library.call(SET, &[device, 4]), 708);
    library.release(0);
    assert_eq!(library.state(0), (0, 2, 0));
}

#[test]
fn memory_goes_down_at_the_first_retain_and_comes_back_at_the_last_release() {
    let (simulator, library) = started(2);
    let (_, other) = library.retain(1);
    library.set_current(other);
    let before = simulator.memory(0);
    let (_, context) = library.retain(0);
    library.set_current(context);
    let (code, free, total) = library.memory();
    assert_eq!((code, total), (0, 80 << 30));
    assert_eq!(total - free, 524 << 20, "one context");
    assert_eq!(library.allocate(1 << 20).0, 0);
    assert_eq!(library.memory().1, free - (1 << 20));
    simulator.set_pool_bytes(0, 4096);
    library.release(0);
    let after = simulator.memory(0);
    assert_eq!((after.context_bytes, after.ordinary_bytes), (before.context_bytes, 0));
    assert_eq!(after.pool_bytes, 4096, "pools outlive the context");
}

#[test]
fn a_retain_without_room_or_permission_leaves_nothing_behind() {
    let (simulator, library) = started(1);
    simulator.set_knob(Knob::ContextBytes, 100 << 30);
    assert_eq!(library.retain(0), (2, POISON));
    simulator.set_knob(Knob::ContextBytes, 1);
    simulator.set_knob(Knob::ComputeMode, 2);
    assert_eq!(library.retain(0), (999, POISON));
    assert_eq!((simulator.references(0), simulator.is_active(0)), (0, false));
    simulator.set_knob(Knob::ComputeMode, 0);
    assert_eq!(library.retain(0).0, 0);
}

#[test]
fn references_of_others_are_plain_references() {
    let simulator = Simulator::start(3);
    simulator.retain_by_others(2, 2);
    assert!(simulator.is_initialized(), "a foreign library has initialised the driver");
    let library = Library::of(&simulator);
    assert_eq!(library.state(2), (0, 0, 1));
    assert_eq!(library.release(2), 0);
    assert_eq!(library.release(2), 0, "nothing says whose reference it was");
    assert!(!simulator.is_active(2));
    simulator.release_by_others(2);
    assert_eq!(simulator.underflows(), 1);
    assert_eq!(simulator.total_calls(), 3, "the test's hand is not counted");
}

#[test]
fn the_runtime_retains_again_only_when_its_context_is_gone() {
    let (simulator, library) = started(1);
    simulator.runtime_call(0);
    simulator.runtime_call(0);
    assert_eq!(simulator.references(0), 1);
    library.release(0);
    assert!(!simulator.is_active(0));
    simulator.runtime_call(0);
    assert_eq!((simulator.references(0), simulator.generation(0)), (1, 2));
}

#[test]
fn refused_calls_leave_their_outputs_alone() {
    let (_simulator, library) = started(1);
    for device in [-1, 1, i32::MIN, i32::MAX] {
        assert_eq!(library.retain(device), (101, POISON));
        assert_eq!(library.state(device), (101, POISONED, POISONED));
        assert_eq!(library.release(device), 101);
    }
}

#[test]
fn pools_take_what_the_device_has_left_and_no_more() {
    let (simulator, library) = started(1);
    let (_, context) = library.retain(0);
    library.set_current(context);
    let left = library.memory().1 as u64;
    simulator.set_pool_bytes(0, left);
    simulator.set_pool_bytes(0, left);
    assert_eq!(library.memory(), (0, 0, 80 << 30));
    assert_eq!(library.allocate(1).0, 2);
    for bytes in [left + 1, u64::MAX] {
        let filled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            simulator.set_pool_bytes(0, bytes);
        }));
        assert!(filled.is_err(), "{bytes}");
        assert_eq!(library.memory().1, 0);
    }
    simulator.set_knob(Knob::DeviceBytes, 1);
    assert_eq!(library.memory(), (0, 0, 1), "less than is in use");
}
