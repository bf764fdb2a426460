//! What the driver returns while the process ends.

use std::sync::OnceLock;

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::Library;

/// What handlers, which take nothing, ask with.
static SCENE: OnceLock<(Library, i32)> = OnceLock::new();

fn ask(handler: &str, release: u32, state: &str) {
    let &(library, device) = SCENE.get().expect("the check set the scene");
    let questions = &Questions::default().of(handler);
    questions.ask("state", state, library.state(device));
    questions.ask("release", release, library.release(device));
}

fn at_exit(handler: extern "C" fn()) {
    // SAFETY: the handler is a function of this program, which does not unwind.
    assert_eq!(unsafe { libc::atexit(handler) }, 0, "a handler can be registered");
}

/// Handlers run in the reverse order: one that was registered before the driver runs after its end.
pub fn exit_handlers(machine: &Machine, questions: &Questions) {
    extern "C" fn before_load() {
        ask("registered before the load", 4, "refused: 4");
    }
    extern "C" fn before_init() {
        ask("registered before cuInit", 4, "refused: 4");
    }
    extern "C" fn after_init() {
        ask("registered after cuInit", 0, "1/0");
    }
    at_exit(before_load);
    let library = machine.load();
    at_exit(before_init);
    let driver = machine.driver();
    at_exit(after_init);
    let device = driver.device(0).expect("there is a device");
    assert!(SCENE.set((library, device.as_raw())).is_ok(), "the scene is set once");
    questions.ask("retain", 0, library.retain(device.as_raw()).0);
    questions.ask("and again", 0, library.retain(device.as_raw()).0);
}

/// The destructor of a thread's storage still finds the driver.
pub fn thread_locals(machine: &Machine, questions: &Questions) {
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            ask("a thread's end", 0, "1/0");
        }
    }
    thread_local!(static LAST: Last = const { Last });
    let library = machine.initialised();
    let device = library.device(0);
    assert!(SCENE.set((library, device)).is_ok(), "the scene is set once");
    questions.ask("retain", 0, library.retain(device).0);
    std::thread::spawn(|| LAST.with(|_| ())).join().expect("the thread ends");
    questions.ask("state", "0/0", library.state(device));
}
