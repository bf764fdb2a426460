//! Names of signals.

/// In the order of their numbers, which are the same on x86-64 and aarch64.
const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD \
                     CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// The name of a signal, such as `SIGSEGV`.
pub fn signal_name(signal: i32) -> String {
    let name = NAMES.split_whitespace().zip(1..).find(|(_, number)| *number == signal);
    name.map_or_else(|| format!("signal {signal}"), |(name, _)| format!("SIG{name}"))
}
