//! Signals to the command are the program's.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use libc::{SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGPROF, SIGQUIT, SIGTERM};
use libc::{SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU, SIGXFSZ};

/// Those that are handed on.
const HANDED_ON: [libc::c_int; 12] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH, SIGXCPU,
    SIGPROF, SIGVTALRM,
];

/// Signals whose disposition changes. An ignored SIGCHLD would reap the program before it is waited for.
/// A reader that has gone, and a file that grows beyond a limit, are errors of the write.
const CHANGED: [(libc::c_int, libc::sighandler_t); 3] =
    [(SIGPIPE, libc::SIG_IGN), (SIGXFSZ, libc::SIG_IGN), (SIGCHLD, libc::SIG_DFL)];

/// The signals of this process, from the moment on at which they are held back, and what it was started
/// with, which the program is started with, too.
#[derive(Clone, Copy)]
pub struct Signals {
    mask: libc::sigset_t,
    dispositions: [libc::sighandler_t; CHANGED.len()],
    held: libc::sigset_t,
}

impl Signals {
    /// Holds them back, for the thread that calls this and all that it starts.
    pub fn hold() -> Self {
        let held = set_of(HANDED_ON.into_iter().chain([SIGCHLD]));
        let mut mask = MaybeUninit::uninit();
        // SAFETY: both sets are of this frame, and the first is initialised.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &held, mask.as_mut_ptr()) };
        // SAFETY: pthread_sigmask with a valid `how` fills the old mask.
        let mask = unsafe { mask.assume_init() };
        let dispositions = CHANGED.map(|(signal, disposition)| {
            // SAFETY: no handler is installed.
            unsafe { libc::signal(signal, disposition) }
        });
        Self { mask, dispositions, held }
    }

    /// Returns the signals that came last.
    pub(super) fn stop_holding(&self) -> Vec<libc::c_int> {
        let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the set and the time are of this frame; nothing is asked about the signal.
        let next = || unsafe { libc::sigtimedwait(&self.held, ptr::null_mut(), &none) };
        let last = std::iter::repeat_with(next).take_while(|&signal| signal > 0).collect();
        // SAFETY: the mask is initialised; the old one is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.mask, ptr::null_mut()) };
        last
    }

    /// Waits for a signal to the program; `None` after the pause, or if there is another
    /// reason to look around.
    pub(super) fn next(&self, pause: Duration) -> Option<Received> {
        let pause = libc::timespec {
            tv_sec: pause.as_secs() as libc::time_t,
            tv_nsec: i64::from(pause.subsec_nanos()),
        };
        let mut about = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: all three are of this frame.
        let signal = unsafe { libc::sigtimedwait(&self.held, about.as_mut_ptr(), &pause) };
        // SAFETY: siginfo_t is plain numbers, and was zeroed.
        let about = unsafe { about.assume_init() };
        // What a terminal sends, its whole group has had; and what the kernel says about this
        // process's own use of processors is not about the program. An alarm that was set before
        // this process was executed belongs to the program, which has inherited none.
        let own = about.si_code == libc::SI_KERNEL && signal != SIGALRM;
        let is_for_program = signal > 0 && signal != SIGCHLD;
        is_for_program.then_some(Received { signal, hand_on: !own })
    }

    /// Gives this process what it was started with. May be called between fork and exec.
    pub(super) fn restore(&self) -> io::Result<()> {
        for ((signal, _), disposition) in CHANGED.into_iter().zip(self.dispositions) {
            // SAFETY: the disposition is one that this process had; no handler of ours is among them.
            unsafe { libc::signal(signal, disposition) };
        }
        // SAFETY: the mask is initialised; the old one is not asked for.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.mask, ptr::null_mut()) } {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// A signal that came to the command.
pub(super) struct Received {
    pub signal: libc::c_int,
    /// Whether the program did not get it itself.
    pub hand_on: bool,
}

/// Ends this process by a signal, without another core file than the program's.
pub(super) fn die_of(signal: libc::c_int) {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limits are of this frame.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
    // SAFETY: no handler is installed.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: raise takes any number.
    unsafe { libc::raise(signal) };
    let only = set_of([signal]);
    // SAFETY: the set is of this frame; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &only, ptr::null_mut()) };
}

fn set_of(signals: impl IntoIterator<Item = libc::c_int>) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in signals {
        // SAFETY: the set is initialised; a number that is no signal is refused.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: as above.
    unsafe { set.assume_init() }
}
