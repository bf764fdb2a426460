//! The driver that the program gets is the one behind the witness, wherever its loader finds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::limit;
use crate::programs::{self, CLIENT, installed_driver};
use crate::skips::skip;
use crate::traced::Trace;

/// Runs the client and checks that its driver was found and traced.
#[track_caller]
fn is_found(trace: Trace, program: &Path, driver: &Path) {
    let words = [program.as_os_str(), "init".as_ref(), "retain:1".as_ref()];
    let traced = trace.program(&words).run();
    assert_eq!(traced.status.code(), Some(3), "{driver:?}: {}", traced.stderr);
    let found = PathBuf::from(traced.lines[0]["driver"].as_str().unwrap());
    assert_eq!(found.canonicalize().unwrap(), driver.canonicalize().unwrap());
    assert_eq!(traced.calls("cuDevicePrimaryCtxRetain").len(), 1);
}

/// The client, linked with a path of libraries.
fn linked(name: &str, path: &str) -> PathBuf {
    programs::client(name, &[&format!("-Wl,-rpath,{path}"), "-Wl,--enable-new-dtags"])
}

#[test]
fn in_every_form_of_library_path() {
    let (folder, driver) = installed_driver();
    let folder = folder.path();
    let library_folder = folder.join("lib/x86_64-linux-gnu");
    fs::create_dir_all(&library_folder).unwrap();
    fs::copy(&driver, library_folder.join("libcuda.so.1")).unwrap();
    let client = folder.join("client");
    fs::copy(CLIENT.as_path(), &client).unwrap();
    let path = folder.display();
    for (value, expected) in [
        (format!("/nowhere:{path}"), &driver),
        (format!("/nowhere;{path};/lib"), &driver),
        ("$ORIGIN".to_owned(), &driver),
        (format!("{path}/${{LIB}}:/lib"), &library_folder.join("libcuda.so.1")),
        (".".to_owned(), &driver),
        (":/nowhere".to_owned(), &driver),
    ] {
        if value.contains("LIB") && !cfg!(target_arch = "x86_64") {
            continue;
        }
        let mut trace = Trace::without_driver(&["--forbid"]);
        trace.command.env("LD_LIBRARY_PATH", &value).current_dir(folder);
        is_found(trace, &client, expected);
    }
    // A path inside the program.
    let program = folder.join("linked");
    fs::copy(linked("linked", "$ORIGIN"), &program).unwrap();
    is_found(Trace::without_driver(&["--forbid"]), &program, &driver);
}

/// In a mount namespace of its own, in which nothing else changes.
#[test]
fn where_nixos_has_it() {
    let (folder, driver) = installed_driver();
    let place = "/run/opengl-driver/lib";
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p {place} && cp {} {place} && exec \"$@\"",
        driver.display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, "sh"]);
    let mut probe = Command::new("unshare");
    if !limit::output(probe.args(["-m", "sh", "-c", &script, "sh", "true"])).status.success() {
        skip("namespaces", "the driver in NixOS's folder", "no mount namespace can be made");
        return;
    }
    command.args([env!("CARGO_BIN_EXE_cuda-contexts"), "trace", "--forbid", "--"]);
    command.arg(linked("nixos", place)).args(["init", "retain:0"]);
    let output = limit::output(command.env_remove("LD_LIBRARY_PATH").env("TMPDIR", folder.path()));
    let report = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{report}");
}

#[test]
fn by_the_other_name_if_it_is_there_without_the_command() {
    let simulated = Trace::new(&["--forbid"]).client("driver:libcuda.so init retain:0").run();
    simulated.ended_with(3);
    let (folder, driver) = installed_driver();
    let name = folder.path().join("libcuda.so");
    for there in [true, false] {
        fs::remove_file(&name).unwrap();
        if there {
            fs::copy(&driver, &name).unwrap();
        }
        let mut trace = Trace::without_driver(&["--forbid"]);
        trace.command.env("LD_LIBRARY_PATH", folder.path());
        let traced = trace.client("driver:libcuda.so init retain:0").run();
        traced.ended_with(if there { 3 } else { 90 });
    }
}

#[test]
fn a_temporary_folder_that_the_loader_would_split() {
    for name in ["semi;colon", "co:lon", "$ORIGIN"] {
        let folder = TempDir::new().unwrap();
        let temporary = folder.path().join(name);
        fs::create_dir(&temporary).unwrap();
        let mut trace = Trace::new(&["--forbid"]);
        trace.command.env("TMPDIR", &temporary);
        trace.client("init retain:0").run().ended_with(3);
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "{name}");
    }
    // A relative one leads there from every folder.
    let mut trace = Trace::new(&["--forbid"]);
    trace.command.env("TMPDIR", ".").current_dir(env!("CARGO_TARGET_TMPDIR"));
    let script = format!("cd / && {} init retain:0", CLIENT.display());
    trace.program(&["sh", "-c", &script]).run().ended_with(3);
}
