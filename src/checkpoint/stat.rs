//! The kernel's line about a process, `/proc/PID/stat`.

use std::fs;

/// Returns the program's name and the fields after it, which begin with the state; `None` if `/proc` does not
/// show the process.
pub(super) fn stat_of(pid: u32) -> Option<(String, String)> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The name, in parentheses, may hold anything, and need not be text: the fields are counted from its end.
fn parse(stat: &[u8]) -> Option<(String, String)> {
    let stat = String::from_utf8_lossy(stat);
    let (begin, end) = (stat.find('(')?, stat.rfind(')')?);
    Some((stat[begin + 1..end].to_owned(), stat[end + 1..].to_owned()))
}

#[test]
fn names_hold_anything() {
    let parsed = parse(b"7 (a) b (\xff) S 1 7").expect("a line of the kernel");
    assert_eq!(parsed, ("a) b (\u{fffd}".to_owned(), " S 1 7".to_owned()));
    assert_eq!(parse(b""), None);
}
