//! Memory, streams and events, which the contract asks little about: enough to be honest about what happens
//! to them.

mod driver;

use driver::{Library, POISON, out};
use simulated_libcuda::Simulator;

fn with_a_current_context() -> (Simulator, Library) {
    let (simulator, library) = driver::started(2);
    let (_, context) = library.retain(0);
    assert_eq!(library.set_current(context), 0);
    (simulator, library)
}

fn stream(library: Library) -> usize {
    let mut stream = 0_usize;
    assert_eq!(library.call("cuStreamCreate", &[out(&mut stream), 1]), 0);
    stream
}

fn event(library: Library, flags: usize) -> usize {
    let mut event = 0_usize;
    assert_eq!(library.call("cuEventCreate", &[out(&mut event), flags]), 0);
    event
}

#[test]
fn copies_arrive_and_those_on_a_stream_have_happened_when_they_return() {
    let (_simulator, library) = with_a_current_context();
    let stream = stream(library);
    let (first, second) = (library.allocate(8).1, library.allocate(8).1);
    let sent = 0x0123_4567_89ab_cdef_u64;
    let mut back = 0_u64;
    let source = std::ptr::from_ref(&sent) as usize;
    assert_eq!(library.call("cuMemcpyHtoDAsync_v2", &[first, source, 8, stream]), 0);
    assert_eq!(library.call("cuMemcpyDtoD_v2", &[second, first, 8]), 0);
    assert_eq!(library.call("cuMemsetD8Async", &[second, 0xee, 1, stream]), 0);
    assert_eq!(library.call("cuMemcpyDtoHAsync_v2", &[out(&mut back), second, 8, stream]), 0);
    assert_eq!(back.to_ne_bytes()[1..], sent.to_ne_bytes()[1..]);
    assert_eq!(back.to_ne_bytes()[0], 0xee);
    assert_eq!(library.call("cuMemcpyDtoDAsync_v2", &[second, first, 9, stream]), 1);
    assert_eq!(library.call("cuMemcpyDtoDAsync_v2", &[second, first, 8, 4]), 400);
    assert_eq!(library.call("cuMemcpyHtoDAsync_v2", &[first, 0, 8, stream]), 1);
}

#[test]
fn what_lies_outside_an_allocation_is_refused() {
    let (_simulator, library) = with_a_current_context();
    let (_, address) = library.allocate(64);
    let mut byte = 0_u8;
    for (start, bytes) in
        [(address, 65), (address + 60, 5), (address - 1, 1), (0, 1), (address, usize::MAX)]
    {
        assert_eq!(library.call("cuMemcpyHtoD_v2", &[start, out(&mut byte), bytes]), 1);
        assert_eq!(library.call("cuMemcpyDtoH_v2", &[out(&mut byte), start, bytes]), 1);
        assert_eq!(library.call("cuMemsetD8_v2", &[start, 0, bytes]), 1);
    }
    assert_eq!(library.call("cuMemFree_v2", &[address + 1]), 1);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 0);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 1, "a second time");
    assert_eq!(library.call("cuMemFree_v2", &[0]), 0);
}

#[test]
fn a_device_has_only_so_much_memory_and_a_context_takes_its_own_with_it() {
    let (simulator, library) = with_a_current_context();
    let (_, free, total) = library.memory();
    assert_eq!((total, total - free), (80 << 30, 524 << 20));
    assert_eq!(library.allocate(free + 1), (2, usize::MAX));
    let (code, address) = library.allocate(free);
    assert_eq!(code, 0, "as much as there is, and it costs only what is touched");
    assert_eq!(library.memory().1, 0);
    library.release(0);
    assert_eq!(simulator.memory(0).ordinary_bytes, 0);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 709);
    library.retain(0);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 1, "a new context knows nothing of it");
    let mut place = POISON;
    assert_eq!(library.call("cuMemAllocHost_v2", &[out(&mut place), 100]), 0);
    // SAFETY: a hundred bytes that the driver gave.
    unsafe { place.cast::<u8>().write_bytes(1, 100) };
    assert_eq!(library.call("cuMemFreeHost", &[place as usize]), 0);
    assert_eq!(library.call("cuMemFreeHost", &[place as usize]), 1);
}

#[test]
fn a_stream_knows_its_flags_its_device_and_its_context() {
    let (_simulator, library) = with_a_current_context();
    let stream = stream(library);
    let (mut flags, mut device, mut context, mut green) = (9_u32, 9_i32, POISON, POISON);
    assert_eq!(library.call("cuStreamGetFlags", &[stream, out(&mut flags)]), 0);
    assert_eq!(library.call("cuStreamGetDevice", &[stream, out(&mut device)]), 0);
    assert_eq!(library.call("cuStreamGetCtx", &[stream, out(&mut context)]), 0);
    assert_eq!((flags, device, context), (1, library.handle(0), library.current().1));
    assert_eq!(library.call("cuStreamGetCtx_v2", &[stream, out(&mut context), out(&mut green)]), 0);
    assert!(green.is_null());
    let (mut other, mut priority) = (0_usize, 9_i32);
    let words = [out(&mut other), 0, -100_i32 as usize];
    assert_eq!(library.call("cuStreamCreateWithPriority", &words), 0);
    assert_eq!(library.call("cuStreamGetPriority", &[other, out(&mut priority)]), 0);
    assert_eq!(priority, -5, "the greatest");
    assert_eq!(library.call("cuStreamDestroy_v2", &[stream]), 0);
    assert_eq!(library.call("cuStreamSynchronize", &[stream]), 400);
}

#[test]
fn events_keep_time_and_belong_to_their_context() {
    let (_simulator, library) = with_a_current_context();
    let (start, end) = (event(library, 0), event(library, 0));
    let mut milliseconds = -1_f32;
    let elapsed = |milliseconds: &mut f32| {
        library.call("cuEventElapsedTime", &[out(milliseconds), start, end])
    };
    assert_eq!(elapsed(&mut milliseconds), 400, "not recorded");
    assert_eq!(library.call("cuEventRecord", &[start, 0]), 0);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let stream = stream(library);
    assert_eq!(library.call("cuEventRecordWithFlags", &[end, stream, 0]), 0);
    assert_eq!(library.call("cuStreamWaitEvent", &[stream, end, 0]), 0);
    assert_eq!(elapsed(&mut milliseconds), 0);
    assert!((5.0..600_000.0).contains(&milliseconds), "{milliseconds}");
    let (_, other) = library.retain(1);
    library.set_current(other);
    assert_eq!(library.call("cuEventRecord", &[start, 0]), 400, "another context's stream");
    assert_eq!(library.call("cuEventDestroy_v2", &[start]), 0);
    assert_eq!(elapsed(&mut milliseconds), 400);
}

#[test]
fn objects_of_a_dead_context_stay_dead_when_it_is_active_again() {
    let (_simulator, library) = with_a_current_context();
    let (stream, event) = (stream(library), event(library, 0));
    library.release(0);
    assert_eq!(library.call("cuStreamSynchronize", &[stream]), 201);
    assert_eq!(library.call("cuEventSynchronize", &[event]), 201);
    library.retain(0);
    assert_eq!(library.call("cuCtxSynchronize", &[]), 0);
    assert_eq!(library.call("cuStreamSynchronize", &[stream]), 201);
}
