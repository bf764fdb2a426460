//! Signals to the command are the program's.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

/// Those that are handed on.
const HANDED_ON: [libc::c_int; 12] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGCONT,
    libc::SIGWINCH,
    libc::SIGXCPU,
    libc::SIGPROF,
    libc::SIGVTALRM,
];

/// What this process was started with, which the program is started with, too.
#[derive(Clone, Copy)]
pub struct Inherited {
    mask: libc::sigset_t,
    pipe: libc::sighandler_t,
    file_size: libc::sighandler_t,
    child: libc::sighandler_t,
}

/// The signals of this process, from the moment on at which they are held back.
#[derive(Clone, Copy)]
pub struct Signals {
    inherited: Inherited,
    held: libc::sigset_t,
}

impl Signals {
    /// Holds them back, for the thread that calls this and all that it starts. SIGPIPE is ignored: a
    /// reader that has gone is an error of the write.
    pub fn hold() -> Self {
        let held = set_of(HANDED_ON.into_iter().chain([libc::SIGCHLD]));
        let mut mask = MaybeUninit::uninit();
        // SAFETY: both sets are of this frame, and the first is initialised.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &held, mask.as_mut_ptr()) };
        // SAFETY: pthread_sigmask with a valid `how` fills the old mask.
        let mask = unsafe { mask.assume_init() };
        // SAFETY: no handler is installed.
        let pipe = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        // A file of the command's own that grows beyond a limit is an error of the write, too.
        // SAFETY: no handler is installed.
        let file_size = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        // An ignored SIGCHLD would reap the program before it is waited for.
        // SAFETY: no handler is installed.
        let child = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        Self { inherited: Inherited { mask, pipe, file_size, child }, held }
    }

    /// Returns the signals that came last.
    pub(super) fn stop_holding(&self) -> Vec<libc::c_int> {
        let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the set and the time are of this frame; nothing is asked about the signal.
        let next = || unsafe { libc::sigtimedwait(&self.held, ptr::null_mut(), &none) };
        let last = std::iter::repeat_with(next).take_while(|&signal| signal > 0).collect();
        // SAFETY: the mask is initialised; the old one is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.inherited.mask, ptr::null_mut()) };
        last
    }

    pub(super) fn inherited(&self) -> Inherited {
        self.inherited
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
        let own = about.si_code == libc::SI_KERNEL && signal != libc::SIGALRM;
        let is_for_program = signal > 0 && signal != libc::SIGCHLD;
        is_for_program.then_some(Received { signal, hand_on: !own })
    }
}

/// A signal that came to the command.
pub(super) struct Received {
    pub signal: libc::c_int,
    /// Whether the program did not get it itself.
    pub hand_on: bool,
}

impl Inherited {
    /// Gives this process what it was started with. May be called between fork and exec.
    pub(super) fn restore(&self) -> io::Result<()> {
        let changed = [
            (libc::SIGPIPE, self.pipe),
            (libc::SIGXFSZ, self.file_size),
            (libc::SIGCHLD, self.child),
        ];
        for (signal, disposition) in changed {
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
