//! Processes of one machine that suspend and resume one another. `tests/checkpoint` asks what a controller
//! sees of that; these are the questions of the driver alone.

use std::thread;

use simulated_libcuda::{Builder, Knob, Simulator};

use crate::driver::{Library, call_address, folder, in_forked_child, out};

const CONTEXT: u64 = 524 << 20;

/// A forked process, killed when this is dropped.
struct Target(libc::pid_t);

impl Target {
    fn pid(&self) -> u32 {
        self.0 as u32
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // SAFETY: our own child, not waited for yet.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        // SAFETY: as above; its status is of no interest.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
    }
}

/// A controller's view of a machine with two GPUs.
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

    /// A process that initialises CUDA and retains the context of GPU 0, once this holds for it.
    fn target(&self, is_ready: impl Fn(simulated_libcuda::Target) -> bool) -> Target {
        // SAFETY: the child calls the simulated driver and sleeps.
        let pid = unsafe { libc::fork() };
        assert_ne!(pid, -1, "fork fails");
        if pid == 0 {
            // SAFETY: no preconditions; the signal ends a child that nobody kills.
            unsafe { libc::alarm(120) };
            self.library.init();
            self.library.retain(0);
            loop {
                thread::park();
            }
        }
        let target = Target(pid);
        while !self.simulator.target(target.pid()).is_some_and(&is_ready) {
            thread::yield_now();
        }
        target
    }

    /// Its context is active.
    fn active(&self) -> Target {
        let target = self.target(|_| true);
        while self.simulator.target_bytes(target.pid(), 0) == 0 {
            thread::yield_now();
        }
        target
    }

    fn step(&self, step: &str, target: &Target, mut arguments: [u64; 8]) -> u32 {
        let words = [target.pid() as usize, out(&mut arguments)];
        self.library.call(&format!("cuCheckpointProcess{step}"), &words)
    }

    fn state(&self, pid: u32) -> (u32, u32) {
        let mut state = 77;
        let words = [pid as usize, out(&mut state)];
        (self.library.call("cuCheckpointProcessGetState", &words), state)
    }
}

#[test]
fn a_lock_waits_for_calls_under_way() {
    let machine = Machine::new("busy", |settings| settings.knob(Knob::RetainMicroseconds, 500_000));
    let target = machine.target(|target| target.calls > 0);
    assert_eq!(machine.step("Lock", &target, [1, 0, 0, 0, 0, 0, 0, 0]), 600);
    assert_eq!(machine.state(target.pid()), (0, 0));
    assert_eq!(machine.step("Lock", &target, [60_000, 0, 0, 0, 0, 0, 0, 0]), 0);
    let bytes = machine.simulator.target_bytes(target.pid(), 0);
    assert_eq!(bytes, CONTEXT, "the call had ended");
}

#[test]
fn a_map_that_does_not_name_every_gpu_once_is_refused() {
    let machine = Machine::new("map", |settings| settings);
    let target = machine.active();
    machine.simulator.set_state(target.pid(), 2);
    let restore = |pairs: &[[u32; 2]]| {
        let gpus = pairs.as_flattened().iter();
        let ids: Vec<[u8; 16]> = gpus.map(|&gpu| machine.simulator.machine_uuid(gpu)).collect();
        let arguments = [ids.as_ptr() as u64, pairs.len() as u64, 0, 0, 0, 0, 0, 0];
        machine.step("Restore", &target, arguments)
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
        assert_eq!(machine.state(target.pid()), (0, 2), "{wrong:?}");
    }
    assert_eq!(restore(&[[0, 1], [1, 0]]), 0);
    let on = || [0, 1].map(|gpu| machine.simulator.target_bytes(target.pid(), gpu));
    assert_eq!(on(), [0, CONTEXT]);
    // What a controller leaves that is killed just before it stores the state: nothing has moved.
    machine.simulator.set_state(target.pid(), 2);
    assert_eq!(on(), [CONTEXT, 0]);
    assert_eq!(restore(&[[0, 1], [1, 0]]), 0);
    assert_eq!(on(), [0, CONTEXT]);
    assert_eq!(machine.step("Checkpoint", &target, [0; 8]), 0);
    assert_eq!(on(), [0, CONTEXT], "it was there when it was checkpointed");
    assert_eq!(restore(&[[0, 1], [1, 0]]), 0);
    assert_eq!(on(), [CONTEXT, 0]);
}

#[test]
fn unused_bytes_of_the_arguments_must_be_zero() {
    let machine = Machine::new("bytes", |settings| settings);
    let target = machine.active();
    for (step, state, used) in
        [("Lock", 0, 4), ("Checkpoint", 1, 0), ("Restore", 2, 12), ("Unlock", 1, 0)]
    {
        machine.simulator.set_state(target.pid(), state);
        for byte in used..64 {
            let mut arguments = [0_u64; 8];
            arguments[byte / 8] = 1 << (8 * (byte % 8));
            assert_eq!(machine.step(step, &target, arguments), 1, "{step}, byte {byte}");
            assert_eq!(machine.state(target.pid()), (0, state));
        }
    }
}

#[test]
fn a_dead_process_leaves_its_place_and_its_memory_to_others() {
    let machine = Machine::new("places", |settings| settings);
    let whole = machine.simulator.machine_free(0);
    let target = machine.active();
    assert_eq!(machine.simulator.machine_free(0), whole - CONTEXT);
    drop(target);
    assert_eq!(machine.simulator.machine_free(0), whole);
    let init = machine.library.address("cuInit");
    // More than there are places.
    for _ in 0..140 {
        assert_eq!(in_forked_child(|| call_address(init, &[0])), 0);
    }
}
