//! The driver that the program would load, as its dynamic loader finds it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::elf::FileHeader64;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadCache};

use crate::layout::REAL_NAME;

/// Folders in which programs look when the loader finds nothing: NixOS's and that of the Windows
/// Subsystem for Linux.
const OTHER_FOLDERS: [&str; 2] = ["/run/opengl-driver/lib", "/usr/lib/wsl/lib"];

/// The machine number in the head of an ELF file.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };

const LONGEST_LINE: u64 = 4096;

pub fn find(name: &str, program: &OsStr) -> Option<PathBuf> {
    let program = executable(program).unwrap_or_default();
    let asked = [program, PathBuf::from("/proc/self/exe")]
        .into_iter()
        .find_map(|program| Some((interpreter(&program)?, program)));
    let found = asked.and_then(|(loader, program)| ask(&loader, &program, name));
    let others = OTHER_FOLDERS.into_iter().map(|folder| Path::new(folder).join(name));
    found
        .into_iter()
        .chain(others)
        .find(|path| is_library(path))
        .map(|path| behind_a_witness(&path))
}

/// Asks the loader to list what it would load for the program, the named library among it. It searches
/// for that library as for one that the program opens, runs nothing and exits.
fn ask(loader: &Path, program: &Path, name: &str) -> Option<PathBuf> {
    let output = Command::new(loader)
        .arg("--list")
        .arg(program)
        .env("LD_PRELOAD", name)
        .env_remove("LD_DEBUG")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    listed(&output.stdout, name)
}

/// The path in a line such as `libcuda.so.1 => /lib/libcuda.so.1 (0x00007f1728af8000)`. A library in the
/// current folder has no arrow.
fn listed(list: &[u8], name: &str) -> Option<PathBuf> {
    let arrow = [name.as_bytes(), b" => "].concat();
    let path = list.split(|&byte| byte == b'\n').find_map(|line| {
        let line = line.trim_ascii_start();
        let end = line.windows(4).rposition(|part| part == b" (0x")?;
        let line = &line[..end];
        line.strip_prefix(&*arrow).or((line == name.as_bytes()).then_some(line))
    })?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// The file that `execvp` runs. For a script, that is the program of its first line.
fn executable(program: &OsStr) -> Option<PathBuf> {
    let file = in_path(program)?;
    let mut head = Vec::new();
    File::open(&file).ok()?.take(LONGEST_LINE).read_to_end(&mut head).ok()?;
    let Some(line) = head.strip_prefix(b"#!") else { return Some(file) };
    let words = line.split(|&byte| byte == b'\n').next()?.split(u8::is_ascii_whitespace);
    let mut words = words.filter(|word| !word.is_empty()).map(OsStr::from_bytes);
    let first = Path::new(words.next()?);
    // `#!/usr/bin/env python3` runs another program in turn.
    match words.find(|word| !word.as_bytes().starts_with(b"-")) {
        Some(name) if first.ends_with("env") => in_path(name),
        _ => Some(first.to_owned()),
    }
}

fn in_path(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from("/bin:/usr/bin"));
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The dynamic loader of a program for this machine; `None` for others and for static programs.
fn interpreter(program: &Path) -> Option<PathBuf> {
    let file = ReadCache::new(File::open(program).ok()?);
    let header = FileHeader64::<Endianness>::parse(&file).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, &file).ok()?;
    let path = segments.iter().find_map(|segment| segment.interpreter(endian, &file).ok()?)?;
    is_library(program).then(|| PathBuf::from(OsStr::from_bytes(path)))
}

/// Returns the driver behind the witness, if the library is a witness: the program may run under
/// another trace already.
pub fn behind_a_witness(path: &Path) -> PathBuf {
    let behind = path.parent().map(|folder| folder.join(REAL_NAME));
    let found = behind.filter(|real| is_library(real)).unwrap_or_else(|| path.to_owned());
    std::path::absolute(&found).unwrap_or(found)
}

pub fn is_library(path: &Path) -> bool {
    let mut head = [0; 20];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut head, 0));
    let machine = u16::from_le_bytes([head[18], head[19]]);
    read.is_ok() && head.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1]) && machine == MACHINE
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::executable;

    #[test]
    fn a_script_is_run_by_the_program_of_its_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let sh = executable(OsStr::new("sh")).unwrap();
        assert!(sh.ends_with("sh") && sh.is_absolute(), "{sh:?}");
        for (line, expected) in [
            ("#!/bin/sh -e\n", Path::new("/bin/sh")),
            ("#! /usr/bin/env sh\n", &*sh),
            ("#!/usr/bin/env -S sh -e\n", &*sh),
        ] {
            let script = folder.path().join("script");
            fs::write(&script, line).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
            assert_eq!(executable(script.as_os_str()).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(executable(OsStr::new("no-such-program-anywhere")), None);
    }
}
