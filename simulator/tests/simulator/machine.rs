//! Processes of one machine that suspend and resume one another. `tests/checkpoint` asks what a controller
//! sees of that; these are the questions of the driver alone.

use std::process;
use std::thread;

use simulated_libcuda::{Builder, Knob, Simulator};

use crate::driver::{Library, call_address, folder, in_forked_child, out};

const CONTEXT: u64 = 524 << 20;

/// A machine with two GPUs. This process is the one that is suspended, unless a test forks one.
struct Machine {
    simulator: Simulator,
    library: Library,
}

impl Machine {
    fn new(name: &str, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let file = folder(&format!("machine-{name}")).join("machine");
        let settings = Simulator::builder().devices(2).visible_devices(None);
        let simulator = adjust(settings.machine(file)).start();
        let library = Library::of(&simulator);
        Self { simulator, library }
    }

    /// Initialises CUDA and retains the context of GPU 0.
    fn activate(&self) {
        assert_eq!((self.library.init(), self.library.retain(0).0), (0, 0));
    }

    fn step(&self, step: &str, mut arguments: [u64; 8]) -> u32 {
        let words = [process::id() as usize, out(&mut arguments)];
        self.library.call(&format!("cuCheckpointProcess{step}"), &words)
    }

    fn state(&self) -> (u32, u32) {
        let mut state = 77;
        let words = [process::id() as usize, out(&mut state)];
        (self.library.call("cuCheckpointProcessGetState", &words), state)
    }

    fn bytes_on(&self, gpu: u32) -> u64 {
        self.simulator.target_bytes(process::id(), gpu)
    }
}

#[test]
fn a_lock_waits_for_calls_under_way() {
    let machine = Machine::new("busy", |settings| settings.knob(Knob::RetainMicroseconds, 500_000));
    let library = machine.library;
    assert_eq!(library.init(), 0);
    let retain = thread::spawn(move || library.retain(0).0);
    while machine.simulator.target(process::id()).unwrap().calls == 0 {
        thread::yield_now();
    }
    assert_eq!(machine.step("Lock", [1, 0, 0, 0, 0, 0, 0, 0]), 600);
    assert_eq!(machine.state(), (0, 0));
    assert_eq!(machine.step("Lock", [60_000, 0, 0, 0, 0, 0, 0, 0]), 0);
    assert_eq!(machine.bytes_on(0), CONTEXT, "the call had ended");
    assert_eq!(retain.join().unwrap(), 0);
}

#[test]
fn a_map_that_does_not_name_every_gpu_once_is_refused() {
    let machine = Machine::new("map", |settings| settings);
    machine.activate();
    machine.simulator.set_state(process::id(), 2);
    let restore = |pairs: &[[u32; 2]]| {
        let gpus = pairs.as_flattened().iter();
        let ids: Vec<[u8; 16]> = gpus.map(|&gpu| machine.simulator.machine_uuid(gpu)).collect();
        let arguments = [ids.as_ptr() as u64, pairs.len() as u64, 0, 0, 0, 0, 0, 0];
        machine.step("Restore", arguments)
    };
    // There is no GPU 9.
    for wrong in [
        &[[0, 0]][..],
        &[[1, 1]],
        &[[0, 0], [0, 1]],
        &[[0, 0], [1, 0]],
        &[[0, 9], [1, 1]],
        &[[0, 1], [1, 1]],
    ] {
        assert_eq!(restore(wrong), 1, "{wrong:?}");
        assert_eq!(machine.state(), (0, 2), "{wrong:?}");
    }
    assert_eq!(restore(&[[0, 1], [1, 0]]), 0);
    let on = || [0, 1].map(|gpu| machine.bytes_on(gpu));
    assert_eq!(on(), [0, CONTEXT]);
    // What a controller leaves that is killed just before it stores the state: nothing has moved.
    machine.simulator.set_state(process::id(), 2);
    assert_eq!(on(), [CONTEXT, 0]);
    assert_eq!(restore(&[[0, 1], [1, 0]]), 0);
    assert_eq!(on(), [0, CONTEXT]);
    assert_eq!(machine.step("Checkpoint", [0; 8]), 0);
    assert_eq!(on(), [0, CONTEXT], "it was there when it was checkpointed");
    assert_eq!(restore(&[[0, 1], [1, 0]]), 0);
    assert_eq!(on(), [CONTEXT, 0]);
}

#[test]
fn unused_bytes_of_the_arguments_must_be_zero() {
    let machine = Machine::new("bytes", |settings| settings);
    machine.activate();
    for (step, state, used) in
        [("Lock", 0, 4), ("Checkpoint", 1, 0), ("Restore", 2, 12), ("Unlock", 1, 0)]
    {
        machine.simulator.set_state(process::id(), state);
        for byte in used..64 {
            let mut arguments = [0_u64; 8];
            arguments[byte / 8] = 1 << (8 * (byte % 8));
            assert_eq!(machine.step(step, arguments), 1, "{step}, byte {byte}");
            assert_eq!(machine.state(), (0, state));
        }
    }
}

#[test]
fn a_dead_process_leaves_its_place_and_its_memory_to_others() {
    let machine = Machine::new("places", |settings| settings);
    let free = || machine.simulator.machine_free(0);
    let whole = free();
    let has_context = in_forked_child(|| {
        machine.activate();
        u32::from(free() == whole - CONTEXT)
    });
    assert_eq!(has_context, 1);
    assert_eq!(free(), whole);
    let init = machine.library.address("cuInit");
    // More than there are places.
    for _ in 0..140 {
        assert_eq!(in_forked_child(|| call_address(init, &[0])), 0);
    }
}
