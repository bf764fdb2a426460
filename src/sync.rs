//! The atomics of the ledger and of the list of drivers: the standard library's, or loom's in the crate's
//! tests under `--cfg loom`, which run in every order that threads can take.

#[cfg(all(test, loom))]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Waits a little for another thread, longer with every round, 1 ms at most.
#[cfg_attr(all(test, loom), allow(unused_variables))]
pub(crate) fn pause(round: u32) {
    #[cfg(all(test, loom))]
    return loom::thread::yield_now();
    #[cfg(not(all(test, loom)))]
    match round {
        0..10 => std::thread::yield_now(),
        _ => {
            let micros = 1000.min(20 * u64::from(round));
            std::thread::sleep(std::time::Duration::from_micros(micros));
        }
    }
}

/// Declares a value of the whole process. Loom's atomics have no constant constructor; its tests do not
/// touch such values.
macro_rules! process_wide {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;) => {
        $(#[$attribute])*
        #[cfg(not(all(test, loom)))]
        static $name: $type = $value;
        $(#[$attribute])*
        #[cfg(all(test, loom))]
        static $name: std::sync::LazyLock<$type> = std::sync::LazyLock::new(|| $value);
    };
}
pub(crate) use process_wide;
