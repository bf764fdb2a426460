//! Memory, streams and events, which the contract asks little about.

use simulated_libcuda::Simulator;

use crate::driver::{Library, out, started};

fn with_a_current_context() -> (Simulator, Library) {
    let (simulator, library) = started(2);
    let (_, context) = library.retain(0);
    assert_eq!(library.set_current(context), 0);
    (simulator, library)
}

fn create(library: Library, function: &str) -> usize {
    let mut object = 0_usize;
    assert_eq!(library.call(function, &[out(&mut object), 1]), 0);
    object
}

#[test]
fn copies_arrive_and_those_on_a_stream_have_happened_when_they_return() {
    let (_simulator, library) = with_a_current_context();
    let stream = create(library, "cuStreamCreate");
    let memory = library.allocate(8).1;
    let sent = 0x0123_4567_89ab_cdef_u64;
    let mut back = 0_u64;
    let source = std::ptr::from_ref(&sent) as usize;
    assert_eq!(library.call("cuMemcpyHtoDAsync_v2", &[memory, source, 8, stream]), 0);
    assert_eq!(library.call("cuMemsetD8Async", &[memory, 0xee, 1, stream]), 0);
    assert_eq!(library.call("cuMemcpyDtoHAsync_v2", &[out(&mut back), memory, 8, stream]), 0);
    assert_eq!(back.to_ne_bytes()[1..], sent.to_ne_bytes()[1..]);
    assert_eq!(back.to_ne_bytes()[0], 0xee);
    assert_eq!(library.call("cuMemcpyHtoDAsync_v2", &[memory, source, 8, 4]), 400);
    assert_eq!(library.call("cuMemcpyHtoDAsync_v2", &[memory, 0, 8, stream]), 1);
}

#[test]
fn a_device_has_only_so_much_memory_and_a_context_takes_its_own_with_it() {
    let (_simulator, library) = with_a_current_context();
    let (_, free, total) = library.memory();
    assert_eq!((total, total - free), (80 << 30, 524 << 20));
    assert_eq!(library.allocate(free + 1), (2, usize::MAX));
    let (code, address) = library.allocate(free);
    assert_eq!(code, 0, "as much as there is, and it costs only what is touched");
    assert_eq!(library.memory().1, 0);
    library.release(0);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 709);
    library.retain(0);
    assert_eq!(library.memory().1, free);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 1, "a new context knows nothing of it");
}

#[test]
fn streams_and_events_belong_to_their_context() {
    let (_simulator, library) = with_a_current_context();
    let (stream, event) = (create(library, "cuStreamCreate"), create(library, "cuEventCreate"));
    assert_eq!(library.call("cuEventRecord", &[event, stream]), 0);
    assert_eq!(library.call("cuStreamWaitEvent", &[stream, event, 0]), 0);
    let (_, other) = library.retain(1);
    library.set_current(other);
    assert_eq!(library.call("cuEventRecord", &[event, 0]), 400, "another context's stream");
    for _ in 0..2 {
        library.release(0);
        assert_eq!(library.call("cuStreamSynchronize", &[stream]), 201);
        assert_eq!(library.call("cuEventSynchronize", &[event]), 201);
        library.retain(0);
    }
}
