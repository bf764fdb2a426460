//! Processes of one machine that suspend and resume one another. `tests/checkpoint` asks what a controller
//! sees of that; these are the questions of the driver alone. A target is this test program, started again.

use std::env;
use std::io::{BufRead, BufReader, Write, stdin};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use simulated_libcuda::{Builder, ClientCommand, Knob, Simulator};

use crate::directory::Directory;
use crate::driver::{Library, call_address, in_forked_child, out};

const TARGET: &str = "TARGET_OF_A_MACHINE";
const CONTEXT: u64 = 524 << 20;
const STEPS: [&str; 4] = ["Lock", "Checkpoint", "Restore", "Unlock"];

/// The target: obeys orders of its standard input, and prints what each returns.
#[test]
fn target() {
    if env::var_os(TARGET).is_none() {
        return;
    }
    let library = Library::at(Path::new("libcuda.so.1"));
    for order in stdin().lines() {
        let code = match &*order.unwrap() {
            "init" => library.init(),
            "retain" => library.retain(0).0,
            "state" => library.state(0).0,
            other => panic!("no order {other}"),
        };
        println!("\ncode={code}");
    }
}

struct Target {
    child: Child,
    codes: Receiver<u32>,
    _command: ClientCommand,
}

impl Target {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    fn ask(&mut self, order: &str) -> u32 {
        self.order(order);
        self.codes.recv().unwrap()
    }

    fn still_waits(&self) -> bool {
        self.codes.recv_timeout(Duration::from_millis(50)).is_err()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A controller's view of a machine with two GPUs.
struct Machine {
    simulator: Simulator,
    library: Library,
    settings: Builder,
    _directory: Directory,
}

impl Machine {
    fn new(name: &str, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let directory = Directory::new(&format!("machine-{name}"));
        let settings = Simulator::builder().devices(2).visible_devices(None);
        let settings = adjust(settings.machine(directory.0.join("machine")));
        let simulator = settings.clone().start();
        let library = Library::of(&simulator);
        Self { simulator, library, settings, _directory: directory }
    }

    /// A process with an active context on GPU 0.
    fn target(&self) -> Target {
        let mut target = self.process();
        assert_eq!((target.ask("init"), target.ask("retain")), (0, 0));
        target
    }

    fn process(&self) -> Target {
        let mut command = self.settings.clone().command(env::current_exe().unwrap());
        command.args(["--exact", "machine::target", "--nocapture", "--test-threads=1"]);
        command.env(TARGET, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, codes) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(code) = line.strip_prefix("code=") {
                    let _ = send.send(code.parse().unwrap());
                }
            }
        });
        Target { child, codes, _command: command }
    }

    fn step(&self, step: &str, target: &Target, mut arguments: [u64; 8]) -> u32 {
        let words = [target.pid() as usize, out(&mut arguments)];
        self.library.call(&format!("cuCheckpointProcess{step}"), &words)
    }

    /// A step without arguments; the lock has a limit of 2 seconds.
    fn plainly(&self, step: &str, target: &Target) -> u32 {
        self.step(step, target, [if step == "Lock" { 2000 } else { 0 }, 0, 0, 0, 0, 0, 0, 0])
    }

    fn state(&self, pid: u32) -> (u32, u32) {
        let mut state = 77;
        let words = [pid as usize, out(&mut state)];
        (self.library.call("cuCheckpointProcessGetState", &words), state)
    }
}

#[test]
fn a_cycle_gives_the_memory_back_and_takes_it_again() {
    let machine = Machine::new("cycle", |settings| settings);
    let whole = machine.simulator.machine_free(0);
    let target = machine.target();
    assert_eq!(machine.simulator.target_bytes(target.pid(), 0), CONTEXT);
    for (step, state, used) in [
        ("Lock", 1, CONTEXT),
        ("Checkpoint", 2, 0),
        ("Restore", 1, CONTEXT),
        ("Unlock", 0, CONTEXT),
    ] {
        assert_eq!(machine.plainly(step, &target), 0, "{step}");
        assert_eq!(machine.state(target.pid()), (0, state), "{step}");
        assert_eq!(whole - machine.simulator.machine_free(0), used, "{step}");
    }
    assert!(!machine.simulator.is_initialized(), "a controller needs no cuInit");
}

#[test]
fn calls_of_a_locked_process_wait_until_it_is_unlocked() {
    let machine = Machine::new("wait", |settings| settings);
    let mut target = machine.target();
    assert_eq!(machine.plainly("Lock", &target), 0);
    target.order("state");
    for step in &STEPS[1..] {
        assert!(target.still_waits(), "before {step}");
        assert_eq!(machine.plainly(step, &target), 0, "{step}");
    }
    assert_eq!(target.codes.recv(), Ok(0));
}

#[test]
fn a_lock_waits_for_calls_under_way_and_for_work() {
    let machine = Machine::new("busy", |settings| settings.knob(Knob::RetainMicroseconds, 500_000));
    let mut target = machine.process();
    assert_eq!(target.ask("init"), 0);
    target.order("retain");
    while machine.simulator.target(target.pid()).unwrap().calls == 0 {
        thread::yield_now();
    }
    assert_eq!(machine.step("Lock", &target, [1, 0, 0, 0, 0, 0, 0, 0]), 600);
    assert_eq!(machine.state(target.pid()), (0, 0));
    assert_eq!(machine.step("Lock", &target, [60_000, 0, 0, 0, 0, 0, 0, 0]), 0);
    assert_eq!(target.codes.recv(), Ok(0), "the call had ended");
    assert_eq!(machine.plainly("Unlock", &target), 0);

    machine.simulator.set_busy(target.pid(), true);
    assert_eq!(machine.step("Lock", &target, [100, 0, 0, 0, 0, 0, 0, 0]), 600);
    machine.simulator.set_busy(target.pid(), false);
    assert_eq!(machine.step("Lock", &target, [0; 8]), 0, "0 is without a limit");
}

#[test]
fn a_map_that_does_not_name_every_gpu_once_is_refused() {
    let machine = Machine::new("map", |settings| settings);
    let target = machine.target();
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
    let on = [0, 1].map(|gpu| machine.simulator.target_bytes(target.pid(), gpu));
    assert_eq!(on, [0, CONTEXT]);
}

#[test]
fn unused_bytes_of_the_arguments_must_be_zero() {
    let machine = Machine::new("bytes", |settings| settings);
    let target = machine.target();
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
    drop(machine.target());
    assert_eq!(machine.simulator.machine_free(0), whole);
    let init = machine.library.address("cuInit");
    // More than there are places.
    for _ in 0..140 {
        assert_eq!(in_forked_child(|| call_address(init, &[0])), 0);
    }
}
