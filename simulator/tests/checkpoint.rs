//! Processes of one machine that suspend and resume one another, as measured on driver 580.

mod directory;
mod driver;
mod process;

use std::thread;
use std::time::{Duration, Instant};

use directory::Directory;
use driver::{Library, out};
use process::{Process, alone};
use simulated_libcuda::{Builder, Fault, Knob, Simulator};

const GIB: usize = 1 << 30;
const CONTEXT: u64 = 524 << 20;
const STEPS: [&str; 4] = ["Lock", "Checkpoint", "Restore", "Unlock"];

/// A controller's view of one machine, which never calls `cuInit`.
struct Machine {
    simulator: Simulator,
    library: Library,
    directory: Directory,
}

impl Machine {
    fn new(name: &str, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let directory = Directory::new(&format!("checkpoint-{name}"));
        let builder = Simulator::builder().devices(2).visible_devices(None);
        let (simulator, library) = alone(|| {
            let simulator = adjust(builder.machine(directory.0.join("machine"))).start();
            let library = Library::of(&simulator);
            (simulator, library)
        });
        Self { simulator, library, directory }
    }

    /// A process without CUDA until it is told: `i` initialises, `r` retains device 0, `o` retains device
    /// 1, `m` takes 1 GiB on device 0, `q` asks for device 0's state, `f` forks a child and tells its id.
    fn process(&self) -> Process {
        let library = self.library;
        Process::start(move |order| match order {
            b'i' => library.init(),
            b'r' => library.retain(0).0,
            b'o' => library.retain(1).0,
            b'd' => library.release(0),
            b'm' => {
                library.set_current(library.retain(0).1);
                library.allocate(GIB).0
            }
            b'g' => {
                library.set_current(library.retain(0).1);
                u32::try_from(library.memory().1 >> 20).unwrap()
            }
            b'q' => library.state(0).0,
            b'f' => {
                // SAFETY: the child only sleeps.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    // SAFETY: no preconditions; ends the child at last.
                    unsafe { libc::alarm(60) };
                    loop {
                        thread::sleep(Duration::from_secs(1));
                    }
                }
                child.unsigned_abs()
            }
            // SAFETY: ends this process as a program ends, with its exit handlers.
            b'x' => unsafe { libc::exit(0) },
            other => panic!("no order {other}"),
        })
    }

    /// A process with an active context on device 0.
    fn target(&self) -> Process {
        let mut process = self.process();
        assert_eq!((process.ask(b'i'), process.ask(b'r')), (0, 0));
        process
    }

    fn step(&self, step: &str, pid: u32) -> u32 {
        step_with(self.library, step, pid, &mut [0; 8])
    }

    /// Lock, checkpoint, restore and unlock.
    fn cycle(&self, pid: u32) -> [u32; 4] {
        STEPS.map(|step| self.step(step, pid))
    }

    /// What `cuCheckpointProcessGetState` answers, and the state.
    fn state(&self, pid: u32) -> (u32, u32) {
        let mut state = 77;
        let words = [pid as usize, out(&mut state)];
        (self.library.call("cuCheckpointProcessGetState", &words), state)
    }

    fn free(&self, gpu: u32) -> u64 {
        self.simulator.machine_free(gpu)
    }
}

/// A step with these arguments; a lock of no other limit has one of 2 seconds.
fn step_with(library: Library, step: &str, pid: u32, arguments: &mut [u64; 8]) -> u32 {
    if step == "Lock" && *arguments == [0; 8] {
        arguments[0] = 2000;
    }
    library.call(&format!("cuCheckpointProcess{step}"), &[pid as usize, out(arguments)])
}

#[test]
fn processes_without_cuda_answer_3_and_none_304() {
    let machine = Machine::new("without", |builder| builder);
    let mut process = machine.process();
    assert_eq!(machine.cycle(process.pid()), [3; 4]);
    assert_eq!(machine.state(process.pid()), (3, 77));
    assert_eq!((process.ask(b'i'), process.ask(b'r')), (0, 0));
    let child = process.ask(b'f');
    assert_eq!((machine.cycle(child), machine.state(child)), ([3; 4], (3, 77)));
    // SAFETY: the process's own child, which does nothing.
    unsafe { libc::kill(child as i32, libc::SIGKILL) };
    let pid = process.pid();
    process.kill();
    assert_eq!((machine.cycle(pid), machine.state(pid)), ([304; 4], (304, 77)));
    for nobody in [0, u32::MAX, 1 << 30] {
        assert_eq!((machine.cycle(nobody), machine.state(nobody)), ([304; 4], (304, 77)));
    }
    assert!(!machine.simulator.is_initialized(), "a controller needs no cuInit");
    assert_eq!(machine.simulator.count("cuInit"), 0);
}

#[test]
fn a_cycle_gives_the_memory_back_and_takes_it_again() {
    let machine = Machine::new("cycle", |builder| builder);
    let whole = machine.free(0);
    let mut target = machine.target();
    let mut other = machine.target();
    assert_eq!(target.ask(b'm'), 0);
    let used = CONTEXT + GIB as u64;
    assert_eq!(machine.simulator.target_bytes(target.pid(), 0), used);
    assert_eq!(machine.free(0), whole - used - CONTEXT);
    assert_eq!(u64::from(other.ask(b'g')), (whole - used - CONTEXT) >> 20, "as others see it");
    let mut tid = 0_i32;
    let words = [target.pid() as usize, out(&mut tid)];
    assert_eq!(machine.library.call("cuCheckpointProcessGetRestoreThreadId", &words), 0);
    assert_ne!(tid, 0);
    for (step, state, free) in [
        ("Lock", 1, whole - used - CONTEXT),
        ("Checkpoint", 2, whole - CONTEXT),
        ("Restore", 1, whole - used - CONTEXT),
        ("Unlock", 0, whole - used - CONTEXT),
    ] {
        assert_eq!(machine.step(step, target.pid()), 0, "{step}");
        assert_eq!(machine.state(target.pid()), (0, state), "{step}");
        assert_eq!(machine.free(0), free, "{step}");
        assert_eq!(u64::from(other.ask(b'g')), free >> 20, "{step}");
    }
    assert_eq!(target.ask(b'q'), 0, "it goes on");
    let seen = machine.simulator.target(target.pid()).unwrap();
    assert_eq!((seen.contexts, seen.bytes, seen.is_lost), (1, used, false));
}

#[test]
fn out_of_order_everything_answers_401_and_changes_nothing() {
    let machine = Machine::new("order", |builder| builder);
    let target = machine.target();
    let fits = [("Lock", 0), ("Checkpoint", 1), ("Restore", 2), ("Unlock", 1)];
    for state in [0, 1, 2, 3, 4, 5, 77] {
        machine.simulator.set_state(target.pid(), state);
        for (step, _) in fits.iter().filter(|(_, needed)| *needed != state) {
            assert_eq!(machine.step(step, target.pid()), 401, "{step} in state {state}");
            assert_eq!(machine.state(target.pid()), (0, state), "{step}");
        }
    }
}

#[test]
fn only_cuinit_and_contexts_released_again_are_checkpointed_too() {
    let machine = Machine::new("empty", |builder| builder);
    let mut target = machine.process();
    assert_eq!(target.ask(b'i'), 0);
    assert_eq!(machine.cycle(target.pid()), [0; 4]);
    assert_eq!((target.ask(b'r'), target.ask(b'd')), (0, 0));
    assert_eq!(machine.cycle(target.pid()), [0; 4]);
    assert_eq!(machine.simulator.target(target.pid()).unwrap().bytes, 0);
}

#[test]
fn calls_of_a_locked_process_wait_until_it_is_unlocked() {
    let machine = Machine::new("wait", |builder| builder);
    let mut target = machine.target();
    assert_eq!(machine.step("Lock", target.pid()), 0);
    target.order(b'q');
    assert!(target.still_waits());
    assert_eq!(machine.step("Checkpoint", target.pid()), 0);
    assert!(target.still_waits());
    assert_eq!(machine.step("Restore", target.pid()), 0);
    assert!(target.still_waits());
    assert_eq!(machine.step("Unlock", target.pid()), 0);
    assert_eq!(target.answer(), 0);
}

#[test]
fn a_lock_waits_for_calls_under_way_and_for_work() {
    let machine = Machine::new("busy", |builder| builder.knob(Knob::RetainMicroseconds, 2_000_000));
    let mut target = machine.process();
    assert_eq!(target.ask(b'i'), 0);
    target.order(b'r');
    while machine.simulator.target(target.pid()).unwrap().calls == 0 {
        thread::yield_now();
    }
    assert_eq!(
        step_with(machine.library, "Lock", target.pid(), &mut [1, 0, 0, 0, 0, 0, 0, 0]),
        600
    );
    assert_eq!(machine.state(target.pid()), (0, 0));
    assert_eq!(
        step_with(machine.library, "Lock", target.pid(), &mut [60_000, 0, 0, 0, 0, 0, 0, 0]),
        0
    );
    assert_eq!(target.answer(), 0, "the call had ended");
    assert_eq!(machine.step("Unlock", target.pid()), 0);

    machine.simulator.set_busy(target.pid(), true);
    let began = Instant::now();
    assert_eq!(
        step_with(machine.library, "Lock", target.pid(), &mut [100, 0, 0, 0, 0, 0, 0, 0]),
        600
    );
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!(machine.state(target.pid()), (0, 0));
    thread::scope(|scope| {
        // 0 is without a limit.
        let lock = scope
            .spawn(|| machine.library.call("cuCheckpointProcessLock", &[target.pid() as usize, 0]));
        thread::sleep(Duration::from_millis(20));
        machine.simulator.set_busy(target.pid(), false);
        assert_eq!(lock.join().unwrap(), 0);
    });
    assert_eq!(machine.state(target.pid()), (0, 1));
}

#[test]
fn managed_memory_leaves_the_process_locked() {
    let machine = Machine::new("managed", |builder| builder);
    let mut target = machine.target();
    machine.simulator.set_managed_memory(target.pid(), true);
    assert_eq!(
        (machine.step("Lock", target.pid()), machine.step("Checkpoint", target.pid())),
        (0, 801)
    );
    assert_eq!(machine.state(target.pid()), (0, 1));
    assert_eq!((machine.step("Unlock", target.pid()), target.ask(b'q')), (0, 0));
}

#[test]
fn a_restore_without_room_destroys_the_process() {
    let machine = Machine::new("room", |builder| builder.knob(Knob::DeviceBytes, 700 << 20));
    let target = machine.target();
    assert_eq!(
        (machine.step("Lock", target.pid()), machine.step("Checkpoint", target.pid())),
        (0, 0)
    );
    let mut other = machine.target();
    assert_eq!(machine.step("Restore", target.pid()), 2);
    assert_eq!(machine.state(target.pid()), (0, 2));
    assert!(machine.simulator.target(target.pid()).unwrap().is_lost);
    other.kill();
    for _ in 0..2 {
        assert_eq!(machine.step("Restore", target.pid()), 304);
        assert_eq!(machine.step("Unlock", target.pid()), 401);
        assert_eq!(machine.state(target.pid()), (0, 2));
    }
}

#[test]
fn with_the_knob_it_comes_back_when_there_is_room() {
    let machine = Machine::new("room-again", |builder| {
        builder.knob(Knob::DeviceBytes, 700 << 20).knob(Knob::RestoreWithoutRoomDestroys, 0)
    });
    let mut target = machine.target();
    assert_eq!(
        (machine.step("Lock", target.pid()), machine.step("Checkpoint", target.pid())),
        (0, 0)
    );
    let mut other = machine.target();
    assert_eq!((machine.step("Restore", target.pid()), machine.state(target.pid())), (2, (0, 2)));
    other.kill();
    assert_eq!(
        (machine.step("Restore", target.pid()), machine.step("Unlock", target.pid())),
        (0, 0)
    );
    assert_eq!(target.ask(b'q'), 0);
}

/// The arguments of a restore with these pairs of GPUs; 9 is one that there is not.
fn restore_with(machine: &Machine, pid: u32, pairs: &[[u32; 2]]) -> u32 {
    let ids: Vec<[u8; 16]> =
        pairs.as_flattened().iter().map(|&gpu| machine.simulator.machine_uuid(gpu)).collect();
    let mut arguments = [ids.as_ptr() as u64, pairs.len() as u64, 0, 0, 0, 0, 0, 0];
    step_with(machine.library, "Restore", pid, &mut arguments)
}

#[test]
fn a_map_names_every_gpu_once_and_moves_the_memory() {
    let machine = Machine::new("map", |builder| builder);
    let mut target = machine.target();
    let pid = target.pid();
    let suspend =
        || assert_eq!((machine.step("Lock", pid), machine.step("Checkpoint", pid)), (0, 0));
    suspend();
    for wrong in [
        &[[0, 0]][..],
        &[[1, 1]],
        &[[0, 0], [0, 1]],
        &[[0, 0], [1, 0]],
        &[[0, 9], [1, 1]],
        &[[0, 1], [1, 1]],
    ] {
        assert_eq!(restore_with(&machine, pid, wrong), 1, "{wrong:?}");
        assert_eq!(machine.state(pid), (0, 2), "{wrong:?}");
    }
    assert_eq!(restore_with(&machine, pid, &[[0, 0], [1, 1]]), 0);
    assert_eq!(machine.simulator.target_bytes(pid, 0), CONTEXT);
    assert_eq!(machine.step("Unlock", pid), 0);
    suspend();
    assert_eq!(restore_with(&machine, pid, &[[0, 1], [1, 0]]), 0);
    let on = [0, 1].map(|gpu| machine.simulator.target_bytes(pid, gpu));
    assert_eq!(on, [0, CONTEXT]);
    assert!(machine.free(0) > machine.free(1));
    assert_eq!((machine.step("Unlock", pid), target.ask(b'q')), (0, 0));
}

#[test]
fn unused_bytes_of_the_arguments_must_be_zero() {
    let machine = Machine::new("bytes", |builder| builder);
    let target = machine.target();
    for (step, state) in [("Lock", 0), ("Checkpoint", 1), ("Restore", 2), ("Unlock", 1)] {
        machine.simulator.set_state(target.pid(), state);
        for byte in 0..64 {
            let used = match step {
                "Lock" => 4,
                "Restore" => 12,
                _ => 0,
            };
            let mut arguments = [0_u64; 8];
            arguments[byte / 8] = 1 << (8 * (byte % 8));
            if byte >= used {
                let answer = step_with(machine.library, step, target.pid(), &mut arguments);
                assert_eq!(answer, 1, "{step}, byte {byte}");
                assert_eq!(machine.state(target.pid()), (0, state));
            }
        }
    }
    assert_eq!(machine.library.call("cuCheckpointProcessGetState", &[target.pid() as usize, 0]), 1);
    let older = Machine::new("bytes-older", |builder| builder.driver_version(12080));
    let target = older.target();
    assert_eq!((older.step("Lock", target.pid()), older.step("Checkpoint", target.pid())), (0, 0));
    assert_eq!(restore_with(&older, target.pid(), &[[0, 0], [1, 1]]), 1, "maps came with 13.0");
    assert_eq!(older.step("Restore", target.pid()), 0);
}

#[test]
fn drivers_before_12_8_lack_the_functions() {
    let simulator = alone(|| Simulator::builder().driver_version(12070).start());
    let library = alone(|| Library::of(&simulator));
    assert!(library.address("cuCheckpointProcessLock").is_null());
    let simulator = alone(|| Simulator::builder().driver_version(12080).start());
    assert!(!alone(|| Library::of(&simulator)).address("cuCheckpointProcessLock").is_null());
}

#[test]
fn a_process_suspends_and_resumes_itself_with_a_machine_or_without() {
    for machine in [true, false] {
        let directory = Directory::new("checkpoint-self");
        let mut builder = Simulator::builder().devices(1).visible_devices(None);
        if machine {
            builder = builder.machine(directory.0.join("machine"));
        }
        let simulator = alone(|| builder.start());
        let library = alone(|| Library::of(&simulator));
        assert_eq!((library.init(), library.retain(0).0), (0, 0));
        let whole = simulator.machine_free(0) + CONTEXT;
        let own = std::process::id();
        let answers = STEPS
            .map(|step| (step_with(library, step, own, &mut [0; 8]), simulator.machine_free(0)));
        let used = whole - CONTEXT;
        assert_eq!(answers, [(0, used), (0, whole), (0, used), (0, used)]);
        assert_eq!(library.state(0).0, 0);
    }
}

#[test]
fn steps_take_the_time_that_the_knobs_say() {
    let machine = Machine::new("time", |builder| {
        builder.knob(Knob::CheckpointMilliseconds, 90).knob(Knob::RestoreMilliseconds, 70)
    });
    let target = machine.target();
    let took = |step: &str, least: u64| {
        let began = Instant::now();
        assert_eq!(machine.step(step, target.pid()), 0);
        assert!(began.elapsed() >= Duration::from_millis(least), "{step} {:?}", began.elapsed());
    };
    took("Lock", 0);
    took("Checkpoint", 90);
    took("Restore", 70);
}

#[test]
fn faults_and_the_log_are_as_everywhere() {
    let machine = Machine::new("faults", |builder| builder);
    let target = machine.target();
    machine.simulator.record_calls(true);
    for (step, before, after) in
        [("Lock", 0, 1), ("Checkpoint", 1, 2), ("Restore", 2, 1), ("Unlock", 1, 0)]
    {
        let function = format!("cuCheckpointProcess{step}");
        machine.simulator.inject(Fault::of(&function, 1).code(999).refused());
        machine.simulator.inject(Fault::of(&function, 2).code(719).done_then_reported());
        assert_eq!(
            (machine.step(step, target.pid()), machine.state(target.pid())),
            (999, (0, before))
        );
        assert_eq!(
            (machine.step(step, target.pid()), machine.state(target.pid())),
            (719, (0, after))
        );
        machine.simulator.clear_faults();
    }
    let calls = machine.simulator.calls();
    let of_steps = calls.iter().filter(|call| !call.function.ends_with("GetState"));
    let codes: Vec<u32> = of_steps.map(|call| call.code).collect();
    assert_eq!(codes, [999, 719].repeat(4));
    assert!(calls.iter().all(|call| call.function.starts_with("cuCheckpointProcess")));
}

#[test]
fn whoever_is_killed_in_a_step_leaves_the_machine_usable() {
    let machine = Machine::new("killed", |builder| {
        builder.knob(Knob::CheckpointMilliseconds, 2).knob(Knob::RestoreMilliseconds, 2)
    });
    let mut target = machine.target();
    let pid = target.pid();
    let library = machine.library;
    let mut seen = [0; 3];
    for round in 0..150 {
        let mut controller = Process::start(move |_| {
            loop {
                for step in STEPS {
                    step_with(library, step, pid, &mut [0; 8]);
                }
            }
        });
        controller.order(b' ');
        thread::sleep(Duration::from_micros(3000 + 53 * round));
        controller.kill();
        let (code, state) = machine.state(pid);
        assert_eq!(code, 0);
        seen[state as usize] += 1;
        let steps = match state {
            0 => &[][..],
            1 => &["Unlock"],
            2 => &["Restore", "Unlock"],
            other => panic!("state {other}"),
        };
        for step in steps {
            assert_eq!(machine.step(step, pid), 0, "round {round}, from {state}, {step}");
        }
        assert_eq!(target.ask(b'q'), 0);
    }
    assert!(seen[1] > 0 && seen[2] > 0, "some were killed in the middle: {seen:?}");
}

#[test]
fn a_target_that_is_killed_in_a_step_is_gone_with_its_memory() {
    let machine = Machine::new("dead", |builder| {
        builder.knob(Knob::CheckpointMilliseconds, 5).knob(Knob::RestoreMilliseconds, 5)
    });
    let whole = machine.free(0);
    for round in 0..60 {
        let mut target = machine.target();
        let pid = target.pid();
        thread::scope(|scope| {
            let cycle = scope.spawn(|| {
                while machine.cycle(pid) == [0; 4] {}
                machine.cycle(pid)
            });
            thread::sleep(Duration::from_micros(500 + 211 * round));
            target.kill();
            assert_eq!(cycle.join().unwrap(), [304; 4]);
        });
        assert_eq!(machine.free(0), whole);
    }
}

#[test]
fn a_process_that_ends_leaves_its_place_to_others() {
    let machine = Machine::new("places", |builder| builder);
    let whole = machine.free(0);
    // More than there are places.
    for round in 0..140 {
        let mut target = machine.target();
        if round % 2 == 0 {
            target.order(b'x');
            // SAFETY: our own child; its status is of no interest.
            unsafe { libc::waitpid(target.pid() as i32, std::ptr::null_mut(), 0) };
        }
    }
    assert_eq!(machine.free(0), whole);
}

#[test]
fn commands_join_by_the_variable_and_a_wrong_one_is_told() {
    let machine = Machine::new("command", |builder| builder);
    let file = machine.directory.0.join("machine");
    let python = |file: &std::path::Path, code: &str| {
        let mut client = Simulator::builder().devices(2).machine(file).command("python3");
        client.args(["-c", code]);
        client.output()
    };
    let target = machine.target();
    let code = format!(
        "import ctypes; cuda = ctypes.CDLL('libcuda.so.1'); print(cuda.cuCheckpointProcessLock({}, None))",
        target.pid()
    );
    let Ok(output) = python(&file, &code) else {
        eprintln!("skipped: commands_join_by_the_variable_and_a_wrong_one_is_told: no python3");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
    assert_eq!(machine.state(target.pid()), (0, 1));
    let wrong = machine.directory.0.join("wrong");
    std::fs::write(&wrong, "something else").unwrap();
    for wrong in [wrong, machine.directory.0.join("no/such/folder")] {
        let code = "import ctypes; print(ctypes.CDLL('libcuda.so.1').cuInit(0))";
        let output = python(&wrong, code).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "999\n");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains("SIMULATED_CUDA_MACHINE is wrong"), "{complaint}");
    }
}
