//! The command that writes the library.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::driver::{Library, folder, out};
use simulated_libcuda::write_library;

#[test]
fn the_command_writes_a_library_that_works() {
    let target = folder("command").join("new/folder");
    for _ in 0..2 {
        let output = Command::new(env!("CARGO_BIN_EXE_simulated-libcuda"))
            .arg(&target)
            .args(["--driver-version", "11000", "--without", "cuCtxGetFlags"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    let library = Library::at(&target.join("libcuda.so"));
    assert_eq!(fs::read_link(target.join("libcuda.so")).unwrap(), Path::new("libcuda.so.1"));
    assert!(library.address("cuCtxGetFlags").is_null());
    assert!(library.address("cuGetProcAddress").is_null());
    assert!(!library.address("cuDevicePrimaryCtxRelease_v2").is_null());
    assert!(!library.address("simulated_cuda_version").is_null());
    let mut version = 0_u32;
    assert_eq!(library.call("cuDriverGetVersion", &[out(&mut version)]), 0);
    assert_eq!(version, 11000, "no variable says so");
}

fn write_into(target: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulated-libcuda")).arg(target).output().unwrap()
}

#[test]
fn who_uses_the_library_is_not_disturbed_by_a_new_one() {
    let directory = folder("in-use");
    assert!(write_into(&directory).status.success());
    let library = Library::at(&directory.join("libcuda.so.1"));
    assert_eq!(library.init(), 0);
    write_library(&directory, Some(11000), &["cuInit"]).unwrap();
    assert!(write_into(&directory).status.success());
    assert_eq!((library.retain(0).0, library.release(0)), (0, 0));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn help_is_asked_for_and_mistakes_are_named() {
    let run = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_simulated-libcuda")).args(words).output().unwrap()
    };
    let help = run(&["--help"]);
    assert!(help.status.success() && help.stderr.is_empty(), "{help:?}");
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.starts_with("usage: simulated-libcuda"), "{help}");
    let export = "export LD_LIBRARY_PATH=\"DIRECTORY${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\"\n";
    assert!(help.contains(export), "{help}");
    assert!(include_str!("../../README.md").contains(&export.replace("DIRECTORY", "/tmp/driver")));
    for (words, complaint) in [
        (
            &["/nowhere", "--driver-version", "new"][..],
            "\"new\" is no driver version such as 11040",
        ),
        (&["/nowhere", "--without"], "--without names no function"),
        (&["--with"], "there is no option --with"),
        (&[], "no directory is named"),
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with(&format!("simulated-libcuda: {complaint}\nusage:")), "{text}");
    }
}
