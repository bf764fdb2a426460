//! Closures of the test that run in the middle of a client's calls, for races that must happen.

use std::any::Any;
use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::library;
use crate::simulator::Simulator;

/// What the hooks of one simulator share with it.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Arc<Shared>);

#[derive(Default)]
struct Shared {
    simulator_is_dropped: AtomicBool,
    first_panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// What a hook's pointer leads to.
struct Hook {
    action: Box<dyn FnOnce() + Send>,
    hooks: Hooks,
}

impl Simulator {
    /// Runs a closure just before the `nth` call of a function from now on acts, on the thread that
    /// makes the call. Calls are counted from 1, as for a [`Fault`](crate::Fault).
    ///
    /// The driver's lock is free meanwhile: the closure may call the driver, and its calls are
    /// ordinary ones, counted, logged and open to faults and other hooks. It may also let another
    /// thread go on and wait for it. A closure that has not run when the `Simulator` is dropped never
    /// does.
    ///
    /// A panic in it does not leave it: the call goes on, and the first panic is kept and raised again
    /// when the `Simulator` is dropped.
    #[track_caller]
    pub fn before_call(&self, function: &str, nth: u64, action: impl FnOnce() + Send + 'static) {
        self.add_hook(function, nth, false, Box::new(action));
    }

    /// The same, just after the call has acted and has been logged, before its caller goes on.
    #[track_caller]
    pub fn after_call(&self, function: &str, nth: u64, action: impl FnOnce() + Send + 'static) {
        self.add_hook(function, nth, true, Box::new(action));
    }

    #[track_caller]
    fn add_hook(&self, function: &str, nth: u64, after: bool, action: Box<dyn FnOnce() + Send>) {
        library::index_of(function);
        assert!(nth != 0, "calls are counted from 1, so none is number 0");
        let name = CString::new(function).expect("no zero byte in a function's name");
        let hook = Box::into_raw(Box::new(Hook { action, hooks: self.hooks.clone() }));
        // SAFETY: a C string that outlives the call; the pointer is the hook's only one, and the driver
        // gives it to `run` once at most.
        let added =
            unsafe { (self.controls.add_hook)(name.as_ptr(), nth, after.into(), run, hook.cast()) };
        assert!(added != 0, "out of memory");
    }
}

/// # Safety
///
/// The pointer comes from `Box::into_raw` of a `Hook`, and is given to this function once.
unsafe extern "C" fn run(hook: *mut c_void) {
    // SAFETY: as the function requires.
    let Hook { action, hooks: Hooks(shared) } = *unsafe { Box::from_raw(hook.cast::<Hook>()) };
    let act = || match shared.simulator_is_dropped.load(Ordering::Relaxed) {
        true => drop(action),
        false => action(),
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(act)) {
        shared.first_panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let Hooks(shared) = &self.hooks;
        shared.simulator_is_dropped.store(true, Ordering::Relaxed);
        let payload = shared.first_panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(payload) = payload.filter(|_| !thread::panicking()) {
            resume_unwind(payload);
        }
    }
}
