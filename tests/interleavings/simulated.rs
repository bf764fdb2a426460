//! A driver of the product's own, on a simulated library, for one model of loom's: every call about a
//! primary context is a point at which loom lets the other threads go on.
//!
//! Loom's threads all run on the test's own thread, one at a time. So what is kept here is the standard
//! library's, in thread-locals: it changes together with the call that it stands beside.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_uint};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::{self, ThreadId};
use simulated_libcuda::Simulator;

use crate::driver::Driver;
use crate::driver::device::Device;
use crate::driver::functions::{Entry, Functions};
use crate::driver::library::Library;
use crate::driver::process::Process;
use crate::sys::{CUcontext, CUdevice, CUresult, CudaVersion};

pub const DEVICES: u32 = 2;

/// A thread that is in a run.
struct Runner {
    thread: ThreadId,
    /// The device of its last release, until it reads the state there.
    released: Option<u32>,
    /// Releases on a device on which a handle lives, or between another run's release there and its look
    /// at the state.
    wrong: u32,
}

thread_local! {
    static SIMULATOR: Simulator =
        Simulator::builder().devices(DEVICES).visible_devices(None).start();
    static FUNCTIONS: Functions = {
        let library = SIMULATOR.with(|simulator| {
            // SAFETY: it is the simulator's library.
            unsafe { Library::open_named(simulator.path()) }
        });
        let (library, path) = (library.expect("the simulator loads"), "the simulator".as_ref());
        Functions::resolve(&library, path).expect("the simulator has every function")
    };
    /// Of the model at hand: what every call touches, so that loom tries every order of the calls.
    static ORDER: Cell<Option<&'static AtomicUsize>> = const { Cell::new(None) };
    /// How many handles live on each device, as the test's threads see it.
    static LIVE: Cell<[u32; DEVICES as usize]> = const { Cell::new([0; DEVICES as usize]) };
    static RUNNING: RefCell<Vec<Runner>> = const { RefCell::new(Vec::new()) };
}

/// A point at which loom may let another thread go on. What was done before it on one thread is known after
/// it on the next, as the driver's own lock sees to it.
pub fn look() {
    ORDER.get().expect("a model is at hand").fetch_add(1, Ordering::AcqRel);
}

/// Notes a call of the current thread if it is in a run: a release on this device, or another call.
fn note(released: Option<u32>) {
    RUNNING.with_borrow_mut(|running| {
        let thread = thread::current().id();
        let overlaps = released.is_some() && running.iter().any(|other| other.released == released);
        let lives = released.is_some_and(|device| LIVE.get()[device as usize] > 0);
        if let Some(mine) = running.iter_mut().find(|runner| runner.thread == thread) {
            mine.wrong += u32::from(overlaps || lives);
            mine.released = released;
        }
    });
}

fn ordinal(handle: CUdevice) -> u32 {
    let is_of = |ordinal: &u32| simulator(|simulator| simulator.device_handle(*ordinal)) == handle;
    (0..DEVICES).find(is_of).expect("a device of the simulator")
}

unsafe extern "C" fn retain(context: *mut CUcontext, device: CUdevice) -> CUresult {
    look();
    note(None);
    // SAFETY: the caller's promises are passed on.
    unsafe { (FUNCTIONS.with(|functions| functions.retain.function))(context, device) }
}

unsafe extern "C" fn release(device: CUdevice) -> CUresult {
    look();
    note(Some(ordinal(device)));
    // SAFETY: the caller's promises are passed on.
    unsafe { (FUNCTIONS.with(|functions| functions.release.function))(device) }
}

unsafe extern "C" fn get_state(
    device: CUdevice,
    flags: *mut c_uint,
    active: *mut c_int,
) -> CUresult {
    look();
    note(None);
    // SAFETY: the caller's promises are passed on.
    unsafe { (FUNCTIONS.with(|functions| functions.get_state.function))(device, flags, active) }
}

/// What a model works on: a driver of its own, whose words in the ledger are loom's.
#[derive(Clone, Copy)]
pub struct Machine {
    pub driver: Driver,
}

/// Begins a model, with this many references of somebody else on device 0.
pub fn machine(strays: u32) -> Machine {
    ORDER.set(Some(Box::leak(Box::new(AtomicUsize::new(0)))));
    LIVE.take();
    RUNNING.take();
    let real = FUNCTIONS.with(|functions| *functions);
    let functions = Functions {
        retain: Entry { function: retain, ..real.retain },
        release: Entry { function: release, ..real.release },
        get_state: Entry { function: get_state, ..real.get_state },
        ..real
    };
    let driver = simulator(|simulator| {
        simulator.initialize();
        assert_eq!(references(), [0; DEVICES as usize], "the model before gave all back");
        simulator.retain_by_others(0, strays);
        // SAFETY: it is the simulator's library.
        let library = unsafe { Library::open_named(simulator.path()) };
        let library = library.expect("the simulator loads");
        let handles = (0..DEVICES).map(|ordinal| simulator.device_handle(ordinal)).collect();
        let (path, process) = (simulator.path(), Process::current());
        Driver::keep(library, path, functions, CudaVersion::from_raw(13_000), process, handles)
    });
    Machine { driver }
}

/// The simulator of this test.
pub fn simulator<T>(look: impl FnOnce(&Simulator) -> T) -> T {
    SIMULATOR.with(look)
}

pub fn references() -> [u32; DEVICES as usize] {
    simulator(|simulator| [0, 1].map(|device| simulator.references(device)))
}

pub fn is_active(device: u32) -> bool {
    simulator(|simulator| simulator.is_active(device))
}

impl Machine {
    pub fn device(self, ordinal: u32) -> Device {
        self.driver.device(ordinal).expect("the machine has the device")
    }

    /// A handle on this device has come (1) or is about to go (-1).
    pub fn live(self, device: u32, change: i32) {
        let mut live = LIVE.get();
        let count = &mut live[device as usize];
        *count = count.checked_add_signed(change).expect("no more go than come");
        LIVE.set(live);
    }

    /// Runs a run, and returns with it how many wrong releases it made.
    pub fn running<T>(self, run: impl FnOnce() -> T) -> (T, u32) {
        let thread = thread::current().id();
        RUNNING
            .with_borrow_mut(|running| running.push(Runner { thread, released: None, wrong: 0 }));
        let result = run();
        let releases = RUNNING.with_borrow_mut(|running| {
            let index = running.iter().position(|runner| runner.thread == thread);
            running.swap_remove(index.expect("it was put there")).wrong
        });
        (result, releases)
    }

    /// Ends a model, with this many references left on device 0: nothing is counted, nothing is owed.
    pub fn is_at_rest(self, left: u32) {
        for device in self.driver.devices() {
            assert_eq!(device.handles(), Ok(0), "device {}", device.ordinal());
        }
        assert_eq!(self.driver.unreleased(), 0);
        assert_eq!(references(), [left, 0]);
        assert_eq!([0, 1].map(is_active), [left > 0, false]);
        simulator(|simulator| (0..left).for_each(|_| simulator.release_by_others(0)));
    }
}
