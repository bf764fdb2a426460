//! The report names what is not traced.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::programs::{CLIENT, installed_driver};
use crate::skips::skip;
use crate::traced::{Trace, Traced};

fn untraced(traced: &Traced) -> Vec<(String, String)> {
    let text = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap().to_owned();
    let lines = traced.events("untraced");
    lines.iter().map(|line| (text(line, "library"), text(line, "reason"))).collect()
}

/// Runs a program and checks that its driver is reported for this reason alone.
#[track_caller]
fn reports(trace: Trace, driver: &Path, reason: &str) -> Traced {
    let traced = trace.run();
    traced.ended_with(0);
    let driver = driver.to_string_lossy().into_owned();
    assert_eq!(untraced(&traced), [(driver, reason.to_owned())]);
    traced
}

#[test]
fn a_driver_opened_by_its_path() {
    let (_folder, driver) = installed_driver();
    let path = driver.display();
    let words = format!("driver:{path} init retain:0 sleep:2500");
    let traced = reports(Trace::new(&[]).client(&words), &driver, "by_path");
    traced.says(&format!(" loaded {path}, which is not traced: it was opened by its path"));
    traced.says("No CUDA context was seen, but not everything was traced (see below).");
    // After a while a process is looked at every two seconds, unless somebody opens the driver behind
    // the witness.
    let trace = Trace::without_driver(&["--driver", driver.to_str().unwrap()]);
    let words = format!("sleep:3000 driver:{path} init sleep:2500");
    reports(trace.client(&words), &driver, "by_path");
    // Beside the witness.
    let words = format!("init open:{path} retain:0 sleep:2500");
    let traced = reports(Trace::new(&["--only", "0"]).client(&words), &driver, "by_path");
    assert_eq!(traced.events("bypass")[0]["library"], driver.to_str().unwrap());
    assert_eq!(traced.stderr.matches("ot traced: ").count(), 1, "{}", traced.stderr);
    traced.says(": no strays seen, but not everything was traced (see below).");
}

#[test]
fn a_child_with_another_environment() {
    let (folder, driver) = installed_driver();
    let (folder, client) = (folder.path().display(), CLIENT.display());
    let script = |script: &str| Trace::new(&[]).program(&["sh", "-c", script]);
    let cleared = format!("env -i LD_LIBRARY_PATH={folder} {client} init retain:0 sleep:2500");
    reports(script(&cleared), &driver, "environment_cleared");
    let before = format!("LD_LIBRARY_PATH={folder}:$LD_LIBRARY_PATH {client} init sleep:2500");
    reports(script(&before), &driver, "environment_cleared");
    // A folder without a driver changes nothing.
    let words = format!("driver:{} init sleep:2500", driver.display());
    let empty = format!("LD_LIBRARY_PATH=/var/empty:$LD_LIBRARY_PATH {client} {words}");
    reports(script(&empty), &driver, "by_path");
}

/// A copy of the client and a driver, in folders that every user may enter.
fn for_every_user() -> (TempDir, String, TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("client");
    fs::copy(CLIENT.as_path(), &program).unwrap();
    let (driver_folder, driver) = installed_driver();
    for path in [program.as_path(), folder.path(), driver_folder.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    (folder, program.to_str().unwrap().to_owned(), driver_folder, driver)
}

#[test]
fn a_set_uid_program() {
    let (_folder, program, _driver_folder, driver) = for_every_user();
    let nobody = 65534;
    if chown(&program, Some(nobody), None).is_err() {
        skip("root", "a set-uid program", "only root can make a program of another user");
        return;
    }
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let opened = format!("driver:{}", driver.display());
    let traced = Trace::new(&[]).program(&[&*program, &opened, "init", "sleep:2500"]).run();
    traced.ended_with(0);
    let [(_, reason)] = &*untraced(&traced) else { panic!("{}", traced.stderr) };
    if reason == "by_path" {
        skip("set-uid", "a set-uid program", "the file system is mounted without set-uid");
        return;
    }
    assert_eq!(reason, "set_uid");
}

#[test]
fn a_child_of_another_user() {
    // SAFETY: it takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        skip("root", "a child of another user", "only root can start one");
        return;
    }
    let (_folder, program, driver_folder, driver) = for_every_user();
    let run = |words: &str| {
        let words: Vec<&str> = [&*program].into_iter().chain(words.split_whitespace()).collect();
        let mut trace = Trace::without_driver(&[]).program(&words);
        trace.command.env("LD_LIBRARY_PATH", driver_folder.path());
        trace
    };
    let child = run(&format!("user:65534 launch {program} init retain:0 sleep:2500"));
    reports(child, &driver, "other_user");
    // One that has the witness before it becomes another user is traced, and not named.
    let traced = run("init user:65534 retain:0 sleep:2500").run();
    traced.ended_with(0);
    assert!(untraced(&traced).is_empty() && !traced.stderr.contains("ot traced: "));
    assert_eq!(traced.calls("cuDevicePrimaryCtxRetain").len(), 1);
}

#[test]
fn a_process_that_goes_on_is_named_and_left_alone() {
    let script = format!("{} init retain:0 sleep:6000 print:done & sleep 2", CLIENT.display());
    let traced = Trace::new(&[]).program(&["sh", "-c", &script]).run();
    // The test reads to the end of the child's output, too.
    assert_eq!(traced.stdout, "done\n");
    let living = traced.end()["still_running"].as_array().unwrap().clone();
    let [pid] = &*living else { panic!("{living:?}\n{}", traced.stderr) };
    traced.says(&format!("Process {pid} still runs and is no longer traced: "));
    assert_eq!(traced.calls("cuDevicePrimaryCtxRetain")[0]["pid"], *pid);
    traced.ended_with(0);
}

#[test]
fn folders_and_programs_whose_names_are_not_utf_8() {
    let (folder, installed) = installed_driver();
    let unusual = folder.path().join(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&unusual).unwrap();
    let name = OsStr::from_bytes(b"client-\xff) 7");
    let (driver, program) = (unusual.join("libcuda.so.1"), unusual.join(name));
    fs::rename(installed, &driver).unwrap();
    fs::copy(CLIENT.as_path(), &program).unwrap();
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    // Behind the witness.
    let mut trace = Trace::without_driver(&[]);
    trace.command.arg("--driver").arg(&driver);
    let words = [program.as_os_str(), "init".as_ref(), "retain:0".as_ref()];
    let traced = trace.program(&words).run();
    traced.ended_with(0);
    assert_eq!(traced.events("trace")[0]["driver"], shown(&driver));
    assert_eq!(traced.events("process")[0]["executable"], shown(&program));
    let retain = traced.calls("cuDevicePrimaryCtxRetain")[0];
    assert_eq!(retain["library_path"], shown(&program));
    assert_eq!(retain["native"][0]["library"], shown(&program));
    assert_eq!(traced.end()["event"], "end");
    // And beside it.
    let open = OsString::from_vec([b"open:", driver.as_os_str().as_bytes()].concat());
    let words = [program.as_os_str(), "init".as_ref(), &open, "sleep:2500".as_ref()];
    let traced = reports(Trace::new(&[]).program(&words), &driver, "by_path");
    assert_eq!(traced.events("bypass")[0]["library"], shown(&driver));
}
