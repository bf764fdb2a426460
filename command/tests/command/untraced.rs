//! The report names what is not traced.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::skips::skip;
use crate::traced::{CLIENT, Trace, Traced, installed_driver};

fn untraced(traced: &Traced) -> Vec<(String, String)> {
    let text = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap().to_owned();
    let lines = traced.events("untraced");
    lines.iter().map(|line| (text(line, "library"), text(line, "reason"))).collect()
}

#[test]
fn a_driver_opened_by_its_path() {
    let (_folder, driver) = installed_driver();
    let driver = driver.to_str().unwrap();
    let words = format!("driver:{driver} init retain:0 sleep:2500");
    let traced = Trace::new(&[]).client(&words).run();
    traced.ended_with(0);
    assert_eq!(untraced(&traced), [(driver.to_owned(), "by_path".to_owned())]);
    traced.says(&format!(" loaded {driver}, which is not traced: it was opened by its path"));
    traced.says("No CUDA context was seen, but not everything was traced (see below).");
}

#[test]
fn a_driver_opened_by_its_path_by_a_process_that_has_run_for_a_while() {
    let (_folder, driver) = installed_driver();
    let driver = driver.to_str().unwrap();
    // By then it is looked at every two seconds, unless somebody opens the driver behind the witness.
    let trace = Trace::without_driver(&["--driver", driver]);
    let traced = trace.client(&format!("sleep:3000 driver:{driver} init sleep:2500")).run();
    traced.ended_with(0);
    assert_eq!(untraced(&traced), [(driver.to_owned(), "by_path".to_owned())]);
}

#[test]
fn a_driver_opened_by_its_path_beside_the_witness() {
    let (_folder, driver) = installed_driver();
    let driver = driver.to_str().unwrap();
    let words = format!("init open:{driver} retain:0 sleep:2500");
    let traced = Trace::new(&[]).client(&words).run();
    traced.ended_with(0);
    assert_eq!(untraced(&traced), [(driver.to_owned(), "by_path".to_owned())]);
    assert_eq!(traced.events("bypass")[0]["library"], driver);
    assert_eq!(traced.stderr.to_lowercase().matches("not traced").count(), 1, "{}", traced.stderr);
}

#[test]
fn without_a_whole_trace_the_report_does_not_say_that_there_are_no_strays() {
    let (_folder, driver) = installed_driver();
    let words = format!("init open:{} retain:0 sleep:2500", driver.display());
    let traced = Trace::new(&["--only", "0"]).client(&words).run();
    traced.says(": no strays seen, but not everything was traced (see below).");
    let traced = Trace::new(&["--only", "0"]).client("init retain:0").run();
    traced.says("cuda-contexts: No strays. CUDA contexts in 1 process on device 0 (GPU-");
}

#[test]
fn a_child_with_another_environment() {
    let (folder, driver) = installed_driver();
    let path = format!("LD_LIBRARY_PATH={}", folder.path().display());
    let client = CLIENT.to_str().unwrap();
    let words = ["env", "-i", &path, client, "init", "retain:0", "sleep:2500"];
    let traced = Trace::new(&[]).program(&words).run();
    traced.ended_with(0);
    let driver = driver.to_str().unwrap().to_owned();
    assert_eq!(untraced(&traced), [(driver, "environment_cleared".to_owned())]);
}

#[test]
fn a_child_with_a_driver_s_folder_before_the_witness_s() {
    let (folder, driver) = installed_driver();
    let empty = tempfile::tempdir().unwrap();
    let expected = |reason: &str| [(driver.to_str().unwrap().to_owned(), reason.to_owned())];
    let client = CLIENT.display();
    let before = folder.path().display();
    let script = format!("LD_LIBRARY_PATH={before}:$LD_LIBRARY_PATH {client} init sleep:2500");
    let traced = Trace::new(&[]).program(&["sh", "-c", &script]).run();
    traced.ended_with(0);
    assert_eq!(untraced(&traced), expected("environment_cleared"));
    // A folder without a driver changes nothing.
    let (before, driver) = (empty.path().display(), driver.display());
    let words = format!("driver:{driver} init sleep:2500");
    let script = format!("LD_LIBRARY_PATH={before}:$LD_LIBRARY_PATH {client} {words}");
    let traced = Trace::new(&[]).program(&["sh", "-c", &script]).run();
    traced.ended_with(0);
    assert_eq!(untraced(&traced), expected("by_path"));
}

#[test]
fn a_set_uid_program() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("client");
    fs::copy(CLIENT.as_path(), &program).unwrap();
    let (driver_folder, driver) = installed_driver();
    let nobody = 65534;
    if chown(&program, Some(nobody), None).is_err() {
        skip("root", "a set-uid program", "only root can make a program of another user");
        return;
    }
    for (path, mode) in [(program.as_path(), 0o4755), (folder.path(), 0o755)]
        .into_iter()
        .chain([(driver_folder.path(), 0o755)])
    {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let driver = driver.to_str().unwrap();
    let words = [program.to_str().unwrap(), &format!("driver:{driver}"), "init", "sleep:2500"];
    let traced = Trace::new(&[]).program(&words).run();
    traced.ended_with(0);
    if untraced(&traced) == [(driver.to_owned(), "by_path".to_owned())] {
        skip("set-uid", "a set-uid program", "the file system is mounted without set-uid");
        return;
    }
    assert_eq!(untraced(&traced), [(driver.to_owned(), "set_uid".to_owned())]);
}

#[test]
fn a_child_of_another_user() {
    // SAFETY: it takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        skip("root", "a child of another user", "only root can start one");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("client");
    fs::copy(CLIENT.as_path(), &program).unwrap();
    let (driver_folder, driver) = installed_driver();
    for path in [program.as_path(), folder.path(), driver_folder.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let program = program.to_str().unwrap();
    let words = [program, "user:65534", "launch", program, "init", "retain:0", "sleep:2500"];
    let mut trace = Trace::without_driver(&[]).program(&words);
    trace.env("LD_LIBRARY_PATH", driver_folder.path());
    let traced = trace.run();
    traced.ended_with(0);
    let driver = driver.to_str().unwrap().to_owned();
    assert_eq!(untraced(&traced), [(driver.clone(), "other_user".to_owned())]);
    // One that has the witness before it becomes another user is traced.
    let words = [program, "init", "user:65534", "retain:0", "sleep:2500"];
    let mut trace = Trace::without_driver(&[]).program(&words);
    trace.env("LD_LIBRARY_PATH", driver_folder.path());
    let traced = trace.run();
    traced.ended_with(0);
    assert!(untraced(&traced).is_empty());
    assert_eq!(traced.calls("cuDevicePrimaryCtxRetain").len(), 1);
}

#[test]
fn a_process_that_is_traced_is_not_named() {
    let traced = Trace::new(&[]).client("init retain:0 sleep:2500").run();
    traced.ended_with(0);
    assert!(untraced(&traced).is_empty());
    assert!(!traced.stderr.to_lowercase().contains("not traced"), "{}", traced.stderr);
}

#[test]
fn a_process_that_goes_on_is_named_and_left_alone() {
    let traced = Trace::new(&[]).client("detach init retain:0 sleep:6000 print:done").run();
    // The test reads to the end of the child's output, too.
    assert_eq!(traced.stdout, "done\n");
    let living = traced.end()["still_running"].as_array().unwrap().clone();
    let [pid] = &*living else { panic!("{living:?}\n{}", traced.stderr) };
    traced.says(&format!("Process {pid} still runs and is no longer traced: "));
    assert_eq!(traced.calls("cuDevicePrimaryCtxRetain")[0]["pid"], *pid);
    traced.ended_with(0);
}

#[test]
fn folders_whose_names_are_not_utf_8() {
    let (folder, installed) = installed_driver();
    let unusual = folder.path().join(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&unusual).unwrap();
    let (driver, program) = (unusual.join("libcuda.so.1"), unusual.join("client"));
    fs::rename(installed, &driver).unwrap();
    fs::copy(CLIENT.as_path(), &program).unwrap();
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    // Behind the witness.
    let mut trace = Trace::without_driver(&[]);
    trace.arg("--driver").arg(&driver);
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
    let traced = Trace::new(&[]).program(&words).run();
    traced.ended_with(0);
    assert_eq!(untraced(&traced), [(shown(&driver), "by_path".to_owned())]);
    assert_eq!(traced.events("bypass")[0]["library"], shown(&driver));
}
