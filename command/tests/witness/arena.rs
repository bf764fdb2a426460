//! A memory that is full, and none at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cuda_contexts::arena::{Arena, Settings};
use cuda_contexts::witness::lay_out;
use tempfile::TempDir;

use crate::limit::printed;
use crate::programs::{CLIENT, installed_driver};

/// What the client prints that finds `libcuda.so.1` in a folder, and its memory in a file.
fn client(words: &str, folder: &Path, arena: &Path) -> String {
    let mut client = Command::new(&*CLIENT);
    client.args(words.split_whitespace()).env("LD_LIBRARY_PATH", folder);
    printed(client.env("CUDA_CONTEXTS_ARENA", arena))
}

/// A driver, and a folder with the witness before it.
fn witness() -> (TempDir, PathBuf, TempDir) {
    let ((driver_folder, driver), folder) = (installed_driver(), TempDir::new().unwrap());
    lay_out(folder.path(), &driver).unwrap();
    (driver_folder, driver, folder)
}

#[test]
fn a_full_arena_is_said_and_changes_nothing() {
    let words = "init retain:0 threads:4,100 release:0 release:0";
    let (_driver_folder, driver, folder) = witness();
    let path = folder.path().join("arena");
    let settings = Settings { capacity: Some(4096 + 16 * 1024), ..Settings::default() };
    let mut arena = Arena::create(&path, settings).unwrap();
    let printed = client(words, folder.path(), &path);
    assert_eq!(printed, client(words, driver.parent().unwrap(), Path::new("")));
    let kept = arena.read(true).len();
    assert!(kept > 10 && arena.lost() > 600, "{kept} records kept, {} lost", arena.lost());
}

#[test]
fn without_an_arena_a_program_runs_all_the_same() {
    let words = "init retain:0 holders:0 threads:4,10 fork retain:0 end release:0";
    let expected = "holders 1\n  client 1 0 0\nretain returned 3\n";
    let (_driver_folder, _, folder) = witness();
    let path = folder.path().join("arena");
    for content in [&b""[..], b"cudactx\n", &[7; 8192]] {
        fs::write(&path, content).unwrap();
        let printed = client(words, folder.path(), &path);
        assert_eq!(printed, expected, "{} bytes that are no arena", content.len());
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(client(words, folder.path(), &path), expected);
    assert_eq!(client(words, folder.path(), Path::new("")), expected);
}
