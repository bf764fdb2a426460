//! Each thread's stack of current contexts, and what a dead context answers.

mod driver;

use std::ptr;
use std::thread;

use driver::{Library, POISON, POISONED, out, started};
use simulated_libcuda::{Knob, Simulator, StackEntry};

const UNKNOWN: usize = 0x1234_5678;

fn devices(stack: &[StackEntry]) -> Vec<u32> {
    stack.iter().map(|entry| entry.device).collect()
}

fn create(library: Library, device: i32) -> *mut libc::c_void {
    let mut context = POISON;
    assert_eq!(library.call("cuCtxCreate_v2", &[out(&mut context), 0, library.device(device)]), 0);
    context
}

#[test]
fn an_empty_stack_answers_as_documented() {
    let (_simulator, library) = started(1);
    let mut context = POISON;
    assert_eq!(library.current(), (0, ptr::null_mut()));
    assert_eq!(library.call("cuCtxPopCurrent_v2", &[out(&mut context)]), 201);
    assert_eq!(context, POISON);
    assert_eq!(library.set_current(ptr::null_mut()), 0);
    let mut number = POISONED;
    assert_eq!(library.call("cuCtxGetDevice", &[out(&mut number)]), 201);
    assert_eq!(library.call("cuCtxGetFlags", &[out(&mut number)]), 201);
    assert_eq!(library.call("cuCtxSynchronize", &[]), 201);
    assert_eq!(library.memory(), (201, usize::MAX, usize::MAX));
    assert_eq!(library.allocate(1).0, 201);
    assert_eq!(number, POISONED);
}

#[test]
fn push_pop_and_set_move_the_stack_as_documented() {
    let (simulator, library) = started(3);
    let contexts: Vec<_> = (0..3).map(|device| library.retain(device).1).collect();
    for push in ["cuCtxPushCurrent", "cuCtxPushCurrent_v2"] {
        assert_eq!(library.call(push, &[contexts[0] as usize]), 0);
    }
    assert_eq!(library.set_current(contexts[1]), 0, "replaces the top");
    assert_eq!(devices(&simulator.stack()), [0, 1]);
    assert_eq!(library.set_current(ptr::null_mut()), 0, "pops the top");
    assert_eq!(devices(&simulator.stack()), [0]);
    let mut popped = POISON;
    assert_eq!(library.call("cuCtxPopCurrent_v2", &[out(&mut popped)]), 0);
    assert_eq!(popped, contexts[0]);
    assert_eq!(library.set_current(contexts[2]), 0, "pushes onto an empty stack");
    assert_eq!(devices(&simulator.stack()), [2]);
    assert_eq!(library.call("cuCtxPopCurrent", &[0]), 0, "the output is optional");
    assert!(simulator.stack().is_empty());
}

#[test]
fn unknown_handles_are_refused() {
    let (simulator, library) = started(1);
    library.retain(0);
    for handle in [0, UNKNOWN, usize::MAX, POISON as usize] {
        assert_eq!(library.call("cuCtxPushCurrent_v2", &[handle]), 201, "{handle:#x}");
        assert_eq!(library.call("cuCtxDestroy_v2", &[handle]), 201, "{handle:#x}");
    }
    assert_eq!(library.call("cuCtxSetCurrent", &[UNKNOWN]), 201);
    assert!(simulator.stack().is_empty());
}

#[test]
fn a_deep_stack_keeps_its_order() {
    let (simulator, library) = started(7);
    let contexts: Vec<_> = (0..7).map(|device| library.retain(device).1 as usize).collect();
    for depth in 0..10_000 {
        assert_eq!(library.call("cuCtxPushCurrent_v2", &[contexts[depth % 7]]), 0);
    }
    assert_eq!(simulator.stack().len(), 10_000);
    for depth in (0..10_000).rev() {
        let mut popped = 0_usize;
        assert_eq!(library.call("cuCtxPopCurrent_v2", &[out(&mut popped)]), 0);
        assert_eq!(popped, contexts[depth % 7]);
    }
}

#[test]
fn every_thread_has_its_own_stack() {
    let (simulator, library) = started(1);
    let (_, context) = library.retain(0);
    assert_eq!(library.set_current(context), 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(simulator.stack().is_empty());
            simulator.set_current(Some(0));
            for _ in 0..20 {
                library.call("cuCtxPushCurrent_v2", &[library.current().1 as usize]);
            }
            assert_eq!(simulator.stack().len(), 21);
        });
    });
    assert_eq!(simulator.stack().len(), 1);
}

#[test]
fn a_released_primary_stays_current_dead_and_comes_back_to_life() {
    let (simulator, library) = started(1);
    let (_, context) = library.retain(0);
    library.set_current(context);
    assert_eq!(library.call("cuCtxSynchronize", &[]), 0);
    library.release(0);
    assert!(!simulator.stack()[0].alive);
    assert_eq!(library.current(), (0, context), "the stray handle");
    let mut number = POISONED;
    let mut handle = -7_i32;
    let mut id = u64::MAX;
    assert_eq!(library.call("cuCtxSynchronize", &[]), 709);
    assert_eq!(library.call("cuCtxGetApiVersion", &[0, out(&mut number)]), 709);
    assert_eq!(library.call("cuCtxGetApiVersion", &[context as usize, out(&mut number)]), 201);
    assert_eq!(library.call("cuCtxGetId", &[context as usize, out(&mut id)]), 709);
    assert_eq!((number, id), (POISONED, u64::MAX));
    assert_eq!(
        (library.call("cuCtxGetDevice", &[out(&mut handle)]), handle),
        (0, library.handle(0))
    );
    assert_eq!((library.call("cuCtxGetFlags", &[out(&mut number)]), number), (0, 0));
    assert_eq!(library.allocate(1), (709, 0), "as measured");
    assert_eq!(library.memory(), (709, 0, 0), "as measured");
    assert_eq!(library.call("cuStreamCreate", &[out(&mut id), 0]), 709);
    assert_eq!(library.retain(0), (0, context), "the same handle");
    assert_eq!(library.call("cuCtxSynchronize", &[]), 0, "silently valid again");
}

#[test]
fn the_knobs_on_dead_contexts_do_what_they_say() {
    let (simulator, library) = started(1);
    let (_, context) = library.retain(0);
    library.release(0);
    assert_eq!(library.set_current(context), 0);
    let (mut number, mut id) = (0_u32, 0_u64);
    for answer in [709, 201, 4242] {
        let check = |knob, symbol, words: &[usize]| {
            simulator.set_knob(knob, answer);
            assert_eq!(u64::from(library.call(symbol, words)), answer, "{symbol}");
        };
        check(Knob::GetDeviceOnDead, "cuCtxGetDevice", &[out(&mut number)]);
        check(Knob::SynchronizeOnDead, "cuCtxSynchronize", &[]);
        check(Knob::GetFlagsOnDead, "cuCtxGetFlags", &[out(&mut number)]);
        let of_handle = [context as usize, out(&mut number)];
        check(Knob::GetApiVersionOnDead, "cuCtxGetApiVersion", &of_handle);
        check(Knob::GetIdOnDead, "cuCtxGetId", &[0, out(&mut id)]);
        check(Knob::SetCurrentOnDead, "cuCtxSetCurrent", &[context as usize]);
        check(Knob::SetCurrentOnDead, "cuCtxPushCurrent_v2", &[context as usize]);
        check(Knob::DestroyPrimary, "cuCtxDestroy_v2", &[context as usize]);
    }
    assert_eq!(simulator.stack().len(), 1);
}

#[test]
fn what_a_living_context_answers() {
    let (_simulator, library) = started(2);
    library.call("cuDevicePrimaryCtxSetFlags_v2", &[library.device(1), 4]);
    let (_, context) = library.retain(1);
    library.set_current(context);
    let (mut number, mut handle) = (POISONED, -7_i32);
    assert_eq!(
        (library.call("cuCtxGetDevice", &[out(&mut handle)]), handle),
        (0, library.handle(1))
    );
    let flags = (library.call("cuCtxGetFlags", &[out(&mut number)]), number);
    assert_eq!(flags, (0, 4 | 8), "maps host memory, too");
    let version = "cuCtxGetApiVersion";
    assert_eq!((library.call(version, &[0, out(&mut number)]), number), (0, 3020));
    assert_eq!(library.call(version, &[UNKNOWN, out(&mut number)]), 201);
    let by_handle = &[out(&mut handle), context as usize];
    assert_eq!((library.call("cuCtxGetDevice_v2", by_handle), handle), (0, library.handle(1)));
    assert_eq!(library.call("cuCtxSynchronize_v2", &[context as usize]), 0);
    assert_eq!(library.call("cuCtxSynchronize_v2", &[UNKNOWN]), 201);
    let (mut least, mut greatest) = (9_i32, 9_i32);
    let range = &[out(&mut least), out(&mut greatest)];
    assert_eq!(library.call("cuCtxGetStreamPriorityRange", range), 0);
    assert!(greatest < least);
}

#[test]
fn an_ordinary_context_is_current_until_destroyed() {
    let (simulator, library) = started(2);
    let first = create(library, 0);
    let second = create(library, 1);
    assert_ne!(first, second);
    assert_eq!(devices(&simulator.stack()), [0, 1]);
    assert!(simulator.stack().iter().all(|entry| !entry.is_primary && entry.alive));
    assert_eq!(library.state(1), (0, 0, 0), "not the primary context");
    assert_eq!(library.call("cuCtxDestroy_v2", &[first as usize]), 0, "below the top");
    assert_eq!(devices(&simulator.stack()), [0, 1], "stays where it is");
    assert_eq!(library.call("cuCtxDestroy", &[second as usize]), 0);
    assert_eq!(devices(&simulator.stack()), [0], "popped from the top");
    assert_eq!(library.call("cuCtxSynchronize", &[]), 709);
    assert_eq!(library.set_current(second), 201, "a destroyed handle is nobody's");
    assert_eq!(library.call("cuCtxDestroy_v2", &[second as usize]), 201);
    assert_eq!(simulator.memory(0).context_bytes, 0);
}

#[test]
fn other_threads_keep_a_destroyed_context() {
    let (_simulator, library) = started(1);
    let context = create(library, 0) as usize;
    let (ready, wait_ready) = std::sync::mpsc::channel();
    let (destroyed, wait_destroyed) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(library.call("cuCtxSetCurrent", &[context]), 0);
            ready.send(()).unwrap();
            wait_destroyed.recv().unwrap();
            assert_eq!(library.current(), (0, context as *mut libc::c_void));
            assert_eq!(library.call("cuCtxSynchronize", &[]), 709);
        });
        wait_ready.recv().unwrap();
        assert_eq!(library.call("cuCtxDestroy_v2", &[context]), 0);
        assert_eq!(library.current(), (0, ptr::null_mut()));
        destroyed.send(()).unwrap();
    });
}

#[test]
fn every_generation_of_create_makes_a_context() {
    let (simulator, library) = started(1);
    let mut context = POISON;
    let (place, device) = (out(&mut context), library.device(0));
    let mut version = 0_u32;
    for (symbol, words, api_version) in [
        ("cuCtxCreate", vec![place, 0, device], 3010),
        ("cuCtxCreate_v2", vec![place, 0, device], 3020),
        ("cuCtxCreate_v3", vec![place, 0, 0, 0, device], 3020),
        ("cuCtxCreate_v4", vec![place, 0, 0, device], 3020),
    ] {
        assert_eq!(library.call(symbol, &words), 0, "{symbol}");
        assert_eq!(library.call("cuCtxGetApiVersion", &[0, out(&mut version)]), 0);
        assert_eq!(version, api_version, "{symbol}");
    }
    assert_eq!(simulator.stack().len(), 4);
    assert_eq!(library.call("cuCtxCreate_v3", &[place, place, 1, 0, device]), 801);
    assert_eq!(library.call("cuCtxCreate_v4", &[place, place, 0, device]), 801);
    assert_eq!(library.call("cuCtxCreate_v2", &[place, 0x100, device]), 1);
    assert_eq!(library.call("cuCtxCreate_v2", &[place, 0, library.device(1)]), 101);
    assert_eq!(simulator.stack().len(), 4);
}

#[test]
fn destroying_a_primary_context_is_refused_unless_the_knob_allows_it() {
    let (simulator, library) = started(1);
    let (_, context) = library.retain(0);
    assert_eq!(library.call("cuCtxDestroy_v2", &[context as usize]), 201);
    assert!(simulator.is_active(0));
    simulator.set_knob(Knob::DestroyPrimary, 0);
    assert_eq!(library.call("cuCtxDestroy_v2", &[context as usize]), 0);
    assert_eq!((simulator.is_active(0), simulator.references(0)), (false, 1));
}

#[test]
fn the_tests_hand_sets_the_current_context_without_a_retain() {
    let simulator = Simulator::start(2);
    simulator.set_current(Some(1));
    let stack = simulator.stack();
    assert_eq!(devices(&stack), [1]);
    assert!(stack[0].is_primary && !stack[0].alive);
    assert_eq!(simulator.references(1), 0);
    simulator.set_current(None);
    assert!(simulator.stack().is_empty());
}
