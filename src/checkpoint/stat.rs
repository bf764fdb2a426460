//! What the kernel says of a process in `/proc/PID/stat`.

use std::fs;

/// Returns the program's name and the fields after it, which begin with the state; `None` if `/proc` does not
/// show the process.
pub(super) fn stat_of(pid: u32) -> Option<(String, String)> {
    // A name need be no text.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name, in parentheses, may hold anything; the fields are counted from its end.
    let (begin, end) = (stat.find('(')?, stat.rfind(')')?);
    Some((stat[begin + 1..end].to_owned(), stat[end + 1..].to_owned()))
}
