//! The kernel's line about a process, `/proc/PID/stat`.

use std::fs::File;
use std::io::{Read, Write};

/// The line, read without allocating: handles are dropped by it. The program's name has at most 64 bytes, and
/// each of the fields after it at most 20 digits, so that the first 22 fields fit.
pub(super) struct Stat {
    line: [u8; 1024],
    length: usize,
}

impl Stat {
    /// Reads the line; `None` if `/proc` does not show the process.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let mut path = [0; 32];
        write!(&mut path[..], "/proc/{pid}/stat").ok()?;
        let path = std::str::from_utf8(&path).ok()?.trim_end_matches('\0');
        let mut line = [0; 1024];
        let length = File::open(path).ok()?.read(&mut line).ok()?;
        Some(Self { line, length })
    }

    /// The program's name, which is in parentheses, may hold anything, and need not be text.
    pub(super) fn name(&self) -> Option<String> {
        let begin = self.bytes().iter().position(|&byte| byte == b'(')?;
        let name = self.bytes().get(begin + 1..self.end_of_name()?)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// The fields after the name, of which the first is the state.
    pub(super) fn fields(&self) -> Option<impl Iterator<Item = &str>> {
        let fields = &self.bytes()[self.end_of_name()? + 1..];
        Some(std::str::from_utf8(fields).ok()?.split_ascii_whitespace())
    }

    fn end_of_name(&self) -> Option<usize> {
        self.bytes().iter().rposition(|&byte| byte == b')')
    }

    fn bytes(&self) -> &[u8] {
        &self.line[..self.length]
    }
}

#[test]
fn names_hold_anything() {
    let parsed = |text: &[u8]| {
        let mut stat = Stat { line: [0; 1024], length: text.len() };
        stat.line[..text.len()].copy_from_slice(text);
        Some((stat.name()?, stat.fields()?.collect::<Vec<_>>().join(" ")))
    };
    let found = parsed(b"7 (a) b (\xff) S 1 7").expect("a line of the kernel");
    assert_eq!(found, ("a) b (\u{fffd}".to_owned(), "S 1 7".to_owned()));
    assert_eq!(parsed(b""), None);
}
