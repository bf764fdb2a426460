//! Memory, streams and events: enough to be honest about what happens to them.

mod driver;

use driver::{Library, POISON, out};
use simulated_libcuda::{Knob, Simulator};

fn with_a_current_context() -> (Simulator, Library) {
    let simulator = Simulator::start(2);
    let library = Library::of(&simulator);
    assert_eq!(library.init(), 0);
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
fn bytes_survive_a_journey_through_the_device() {
    let (_simulator, library) = with_a_current_context();
    let (code, address) = library.allocate(1000);
    assert_eq!(code, 0);
    let sent: Vec<u8> = (0..1000).map(|byte| byte as u8).collect();
    let mut back = vec![0_u8; 1000];
    assert_eq!(library.call("cuMemcpyHtoD_v2", &[address, sent.as_ptr() as usize, 1000]), 0);
    assert_eq!(library.call("cuMemsetD8_v2", &[address + 10, 7, 5]), 0);
    assert_eq!(library.call("cuMemcpyDtoH_v2", &[back.as_mut_ptr() as usize, address, 1000]), 0);
    assert_eq!(back[..10], sent[..10]);
    assert_eq!(back[10..15], [7; 5]);
    assert_eq!(back[15..], sent[15..]);
}

#[test]
fn copies_on_a_stream_have_happened_when_they_return() {
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
    for wrong in [address + 1, address - 1, 12345] {
        assert_eq!(library.call("cuMemFree_v2", &[wrong]), 1);
    }
    assert_eq!(library.call("cuMemFree_v2", &[address]), 0);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 1, "a second time");
    assert_eq!(library.call("cuMemFree_v2", &[0]), 0);
}

#[test]
fn a_device_has_only_so_much_memory() {
    let (simulator, library) = with_a_current_context();
    let (_, free, _) = library.memory();
    assert_eq!(library.allocate(free + 1), (2, usize::MAX));
    assert_eq!(library.allocate(0), (1, usize::MAX));
    let (code, address) = library.allocate(free);
    assert_eq!(code, 0, "as much as there is, and it costs only what is touched");
    assert_eq!(library.memory().1, 0);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 0);
    assert_eq!(library.memory().1, free);
    assert_eq!(simulator.memory(0).ordinary_bytes, 0);
}

#[test]
fn the_first_generation_has_32_bits() {
    let (_simulator, library) = with_a_current_context();
    let (mut free, mut total) = (0_u32, 0_u32);
    assert_eq!(library.call("cuMemGetInfo", &[out(&mut free), out(&mut total)]), 0);
    assert_eq!((free, total), (u32::MAX, u32::MAX));
    let mut address = 0_u32;
    let code = library.call("cuMemAlloc", &[out(&mut address), 4096]);
    if cfg!(target_arch = "x86_64") {
        assert_eq!(code, 0);
        assert_eq!(library.call("cuMemFree", &[address as usize]), 0);
    }
}

#[test]
fn host_memory_is_memory() {
    let (_simulator, library) = with_a_current_context();
    for symbol in ["cuMemAllocHost", "cuMemAllocHost_v2"] {
        let mut place = POISON;
        assert_eq!(library.call(symbol, &[out(&mut place), 100]), 0);
        // SAFETY: a hundred bytes that the driver gave.
        unsafe { place.cast::<u8>().write_bytes(1, 100) };
        assert_eq!(library.call("cuMemFreeHost", &[place as usize]), 0);
        assert_eq!(library.call("cuMemFreeHost", &[place as usize]), 1);
        assert_eq!(library.call(symbol, &[out(&mut place), 0]), 1);
    }
}

#[test]
fn memory_goes_with_its_context_and_a_new_one_knows_nothing_of_it() {
    let (simulator, library) = with_a_current_context();
    let (_, address) = library.allocate(4096);
    library.release(0);
    assert_eq!(simulator.memory(0).ordinary_bytes, 0);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 709);
    library.retain(0);
    assert_eq!(library.call("cuMemFree_v2", &[address]), 1);
}

#[test]
fn a_stream_answers_for_itself() {
    let (_simulator, library) = with_a_current_context();
    let stream = stream(library);
    let (mut flags, mut device, mut context, mut green, mut id) =
        (9_u32, 9_i32, POISON, POISON, 0_u64);
    assert_eq!(library.call("cuStreamGetFlags", &[stream, out(&mut flags)]), 0);
    assert_eq!(library.call("cuStreamGetDevice", &[stream, out(&mut device)]), 0);
    assert_eq!(library.call("cuStreamGetCtx", &[stream, out(&mut context)]), 0);
    assert_eq!((flags, device, context), (1, library.handle(0), library.current().1));
    assert_eq!(library.call("cuStreamGetCtx_v2", &[stream, out(&mut context), out(&mut green)]), 0);
    assert!(green.is_null());
    assert_eq!(library.call("cuStreamGetId", &[stream, out(&mut id)]), 0);
    let mut priority = 9_i32;
    for (asked, got) in [(-3, -3), (-100, -5), (100, 0)] {
        let mut other = 0_usize;
        let words = [out(&mut other), 0, asked as usize];
        assert_eq!(library.call("cuStreamCreateWithPriority", &words), 0);
        assert_eq!(library.call("cuStreamGetPriority", &[other, out(&mut priority)]), 0);
        assert_eq!(priority, got);
    }
    assert_eq!(library.call("cuStreamCreate", &[out(&mut id), 2]), 1);
    for default in [0, 1, 2, stream] {
        assert_eq!(library.call("cuStreamSynchronize", &[default]), 0);
        assert_eq!(library.call("cuStreamQuery", &[default]), 0);
    }
    assert_eq!(library.call("cuStreamDestroy_v2", &[stream]), 0);
    assert_eq!(library.call("cuStreamSynchronize", &[stream]), 400);
    assert_eq!(library.call("cuStreamDestroy", &[stream]), 400);
}

#[test]
fn events_keep_time() {
    let (_simulator, library) = with_a_current_context();
    let (start, end) = (event(library, 0), event(library, 0));
    let mut milliseconds = -1_f32;
    let elapsed = |milliseconds: &mut f32, start, end| {
        library.call("cuEventElapsedTime", &[out(milliseconds), start, end])
    };
    assert_eq!(elapsed(&mut milliseconds, start, end), 400, "not recorded");
    assert_eq!(library.call("cuEventRecord", &[start, 0]), 0);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let stream = stream(library);
    assert_eq!(library.call("cuEventRecordWithFlags", &[end, stream, 0]), 0);
    assert_eq!(library.call("cuEventRecordWithFlags", &[end, stream, 2]), 1);
    assert_eq!(library.call("cuEventQuery", &[end]), 0);
    assert_eq!(library.call("cuEventSynchronize", &[end]), 0);
    assert_eq!(library.call("cuStreamWaitEvent", &[stream, end, 0]), 0);
    assert_eq!(elapsed(&mut milliseconds, start, end), 0);
    assert!((5.0..600_000.0).contains(&milliseconds), "{milliseconds}");
    let untimed = event(library, 2);
    library.call("cuEventRecord", &[untimed, 0]);
    assert_eq!(elapsed(&mut milliseconds, start, untimed), 400);
    for flags in [4, 5, 8] {
        assert_eq!(library.call("cuEventCreate", &[out(&mut milliseconds), flags]), 1);
    }
    assert_eq!(library.call("cuEventDestroy_v2", &[start]), 0);
    assert_eq!(library.call("cuEventDestroy", &[start]), 400);
    assert_eq!(elapsed(&mut milliseconds, start, end), 400);
}

#[test]
fn an_event_belongs_to_its_context() {
    let (_simulator, library) = with_a_current_context();
    let event = event(library, 0);
    let (_, other) = library.retain(1);
    library.set_current(other);
    assert_eq!(library.call("cuEventRecord", &[event, stream(library)]), 400);
}

#[test]
fn using_what_a_dead_context_left_is_a_would_be_crash() {
    let (simulator, library) = with_a_current_context();
    let (stream, event) = (stream(library), event(library, 0));
    assert_eq!(simulator.would_be_crashes(), 0);
    library.release(0);
    assert_eq!(library.call("cuStreamSynchronize", &[stream]), 201);
    assert_eq!(library.call("cuEventSynchronize", &[event]), 201);
    assert_eq!(simulator.would_be_crashes(), 2);
    library.retain(0);
    assert_eq!(library.call("cuCtxSynchronize", &[]), 0, "the context is as good as new");
    assert_eq!(library.call("cuStreamSynchronize", &[stream]), 201, "the stream is not");
    simulator.set_knob(Knob::StaleObject, 400);
    assert_eq!(library.call("cuStreamDestroy_v2", &[stream]), 400);
    assert_eq!(simulator.would_be_crashes(), 4);
}
