//! What Cargo makes of that which it is told to watch: a build is made anew when a file appears that
//! was looked for, and only then.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::watched::Watched;

/// A package whose build script looks for one file, with `build/watched.rs`.
struct Package {
    folder: PathBuf,
    header: PathBuf,
}

impl Package {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rebuilds");
        // Nothing is there in the first run.
        let _ = fs::remove_dir_all(&folder);
        let package = Self { header: folder.join("toolkit/include/cuda.h"), folder };
        let manifest = "[package]\nname = \"rebuilds\"\nedition = \"2024\"\n[workspace]\n";
        package.write("Cargo.toml", manifest);
        package.write("src/lib.rs", "");
        let build = include_str!("rebuilds/build.rs")
            .replace("WATCHED", concat!(env!("CARGO_MANIFEST_DIR"), "/build/watched.rs"))
            .replace("HEADER", package.header.to_str().unwrap());
        package.write("build.rs", &build);
        package
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Whether a build has anything to do.
    fn builds(&self) -> bool {
        let output = Command::new(env!("CARGO"))
            .args(["check", "--offline", "--verbose", "--color=never"])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_ne!(said.contains("Fresh rebuilds"), said.contains("build-script-build`"), "{said}");
        !said.contains("Fresh rebuilds")
    }
}

#[test]
fn file_that_appears_is_noticed_and_nothing_else_builds_anew() {
    let package = Package::new();
    assert!(package.builds());
    assert!(!package.builds(), "nothing has changed");
    fs::create_dir_all(package.header.parent().unwrap()).unwrap();
    assert!(!package.builds(), "the file is still absent");

    // As a package manager leaves it: with a time from long before the last build.
    fs::write(&package.header, "").unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().write(true).open(&package.header).unwrap().set_modified(long_ago).unwrap();
    assert!(package.builds(), "the file is there");
    assert!(!package.builds(), "nothing has changed");

    fs::write(&package.header, "changed").unwrap();
    assert!(package.builds(), "the file has changed");
    assert!(!package.builds(), "nothing has changed");

    fs::remove_file(&package.header).unwrap();
    assert!(package.builds(), "the file is gone");
    assert!(!package.builds(), "nothing has changed");
}

#[test]
fn cargo_is_told_what_was_looked_at() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("told");
    // Nothing is there in the first run.
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).unwrap();
    let header = out.join("cuda.h");
    fs::write(&header, "").unwrap();
    let mut watched = Watched::default();
    watched.variable("CUDA_HOME");
    assert!(watched.is_file(&header));
    let variable = "cargo::rerun-if-env-changed=CUDA_HOME".to_owned();
    let header = format!("cargo::rerun-if-changed={}", header.display());
    assert_eq!(watched.lines(&out), [variable.clone(), header.clone()]);

    assert!(!watched.is_file(&out.join("cudaTypedefs.h")));
    let absent = out.join("absent");
    let folder = format!("cargo::rerun-if-changed={}", absent.display());
    assert_eq!(watched.lines(&out), [variable, header, folder]);
    let links: Vec<PathBuf> = fs::read_dir(&absent)
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(links, [out.join("cudaTypedefs.h")]);
}
