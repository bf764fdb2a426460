//! Signals to the command are the program's.

use std::io;
use std::iter;
use std::mem::MaybeUninit;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU, SIGXFSZ,
};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal};

/// Those that are handed on.
const HANDED_ON: [Signal; 12] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH, SIGXCPU,
    SIGPROF, SIGVTALRM,
];

/// Signals whose disposition changes. An ignored SIGCHLD would reap the program before it is waited for.
/// A reader that has gone, and a file that grows beyond a limit, are errors of the write.
const CHANGED: [(Signal, SigHandler); 3] =
    [(SIGPIPE, SigHandler::SigIgn), (SIGXFSZ, SigHandler::SigIgn), (SIGCHLD, SigHandler::SigDfl)];

/// The signals of this process, from the moment on at which they are held back, and what it was started
/// with, which the program is started with, too.
#[derive(Clone, Copy)]
pub struct Signals {
    mask: SigSet,
    dispositions: [SigHandler; CHANGED.len()],
    held: SigSet,
}

impl Signals {
    /// Holds them back, for the thread that calls this and all that it starts.
    pub fn hold() -> io::Result<Self> {
        let held: SigSet = HANDED_ON.into_iter().chain([SIGCHLD]).collect();
        let mask = held.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let mut dispositions = [SigHandler::SigDfl; CHANGED.len()];
        for (before, (changed, disposition)) in dispositions.iter_mut().zip(CHANGED) {
            // SAFETY: no handler is installed.
            *before = unsafe { signal(changed, disposition) }?;
        }
        Ok(Self { mask, dispositions, held })
    }

    /// Returns the signals that came last.
    pub(super) fn stop_holding(&self) -> Vec<libc::c_int> {
        let last =
            iter::from_fn(|| self.wait(Duration::ZERO)).map(|about| about.si_signo).collect();
        // It has no reason to fail, and the program has ended.
        let _ = self.mask.thread_set_mask();
        last
    }

    /// Waits for a signal to the program; `None` after the pause, or if there is another
    /// reason to look around.
    pub(super) fn next(&self, pause: Duration) -> Option<Received> {
        let about = self.wait(pause)?;
        let received = about.si_signo;
        // What a terminal sends, its whole group has had; and what the kernel says about this
        // process's own use of processors is not about the program. An alarm that was set before
        // this process was executed belongs to the program, which has inherited none.
        let own = about.si_code == libc::SI_KERNEL && received != libc::SIGALRM;
        (received != libc::SIGCHLD).then_some(Received { signal: received, hand_on: !own })
    }

    fn wait(&self, pause: Duration) -> Option<libc::siginfo_t> {
        let pause = libc::timespec {
            tv_sec: pause.as_secs() as libc::time_t,
            tv_nsec: i64::from(pause.subsec_nanos()),
        };
        let mut about = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: all three are of this frame or of `self`.
        let found = unsafe { libc::sigtimedwait(self.held.as_ref(), about.as_mut_ptr(), &pause) };
        // SAFETY: siginfo_t is plain numbers, and was zeroed.
        let about = unsafe { about.assume_init() };
        (found > 0).then_some(about)
    }

    /// Gives this process what it was started with. May be called between fork and exec.
    pub(super) fn restore(&self) -> io::Result<()> {
        for ((changed, _), disposition) in CHANGED.into_iter().zip(self.dispositions) {
            // SAFETY: the disposition is one that this process had; no handler of ours is among them.
            unsafe { signal(changed, disposition) }?;
        }
        Ok(self.mask.thread_set_mask()?)
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
    // If it cannot be set, there are two core files.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // SAFETY: no handler is installed.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: raise takes any number.
    unsafe { libc::raise(signal) };
    // It may be blocked. Others that are blocked and came before stay so.
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is of this frame.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: sigemptyset has initialised it. nix knows no real-time signals, this function does.
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    // SAFETY: it is initialised, and the former mask is not wanted.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), std::ptr::null_mut()) };
}
