//! Clients in other processes: settings by environment variables, the log in a file, the end of a
//! process.
//!
//! The client is this very test binary, started again for one of its first two tests.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::directory::Directory;
use crate::driver::{Library, out};
use simulated_libcuda::{Knob, Simulator, write_library};

/// Set for the client: the library to load.
const LIBRARY: &str = "CLIENT_LIBRARY";

fn clients_library() -> Option<Library> {
    env::var_os(LIBRARY).map(|path| Library::at(Path::new(&path)))
}

/// Prints one line for each answer.
#[test]
fn client() {
    let Some(library) = clients_library() else { return };
    let mut version = 0_u32;
    library.call("cuDriverGetVersion", &[out(&mut version)]);
    println!("\nversion={version}");
    println!("init={}", library.init());
    println!("count={}", library.count().1);
    println!("handle={}", library.handle(1));
    for device in 0..3 {
        let (code, flags, active) = library.state(device);
        println!("state{device}={code} {flags} {active}");
    }
    println!("retain={}", library.retain(0).0);
    println!("release={} {}", library.release(0), library.release(0));
}

fn run(test: &str, library: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", &format!("environment::{test}"), "--nocapture", "--test-threads=1"])
        .env(LIBRARY, library);
    for (name, _) in env::vars() {
        if name.starts_with("SIMULATED_CUDA_") || name == "CUDA_VISIBLE_DEVICES" {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

fn lines(output: &Output) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// What a client meets under these variables, and what the library says on standard error.
fn meets(variables: &[(&str, &str)]) -> (HashMap<String, String>, String) {
    let directory = Directory::new(&format!("client-{}", unique()));
    let library = write_library(&directory.0, None, &[]).unwrap();
    let output = run("client", &library, variables);
    assert!(output.status.success(), "{output:?}");
    (lines(&output), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[test]
fn without_variables_there_is_one_device() {
    let (answers, errors) = meets(&[]);
    assert_eq!(answers["version"], "13000");
    assert_eq!((&*answers["init"], &*answers["count"]), ("0", "1"));
    assert_eq!(answers["handle"], "1", "the ordinal");
    assert_eq!(answers["state0"], "0 0 0");
    assert!(answers["state1"].starts_with("101 "));
    assert_eq!((&*answers["retain"], &*answers["release"]), ("0", "0 201"));
    assert_eq!(errors, "");
}

#[test]
fn variables_set_the_scene() {
    let (answers, _) = meets(&[
        ("SIMULATED_CUDA_DEVICES", "5"),
        ("SIMULATED_CUDA_HELD_BY_OTHERS", "0:1,2:3"),
        ("SIMULATED_CUDA_KNOBS", "context_bytes=1,get_device_on_dead=201"),
        ("CUDA_VISIBLE_DEVICES", "4,3,2"),
    ]);
    assert_eq!(answers["count"], "3");
    assert_eq!(answers["state0"], "0 0 1");
    assert_eq!(answers["state1"], "0 0 0");
    assert_eq!(answers["state2"], "0 0 1");
    assert_eq!(answers["release"], "0 0", "one is the foreign reference");
}

#[test]
fn faults_by_variable() {
    let faults = "cuDevicePrimaryCtxRelease_v2:1:700:refused:once,any:1:0:done:once,\
                  cuDevicePrimaryCtxGetState:1:777777:refused:from_then_on:1";
    let (answers, _) = meets(&[("SIMULATED_CUDA_DEVICES", "3"), ("SIMULATED_CUDA_FAULT", faults)]);
    assert_eq!(answers["release"], "700 0");
    assert!(answers["state1"].starts_with("777777 "));
    assert!(answers["state2"].starts_with("0 "));
}

#[test]
fn the_log_has_a_line_of_json_for_every_call() {
    let directory = Directory::new("log");
    let log = directory.0.join("calls.jsonl");
    let (_, errors) = meets(&[
        ("SIMULATED_CUDA_LOG", log.to_str().unwrap()),
        ("SIMULATED_CUDA_FAULT", "cuDevicePrimaryCtxRetain:1:2:refused:once"),
    ]);
    assert_eq!(errors, "");
    let text = fs::read_to_string(log).unwrap();
    let calls: Vec<_> = text.lines().collect();
    assert_eq!(calls.len(), 9);
    let begins = |line: &str, start: &str| assert!(line.starts_with(start), "{line}");
    begins(calls[0], r#"{"function":"cuDriverGetVersion","device":-1,"code":0,"pid":"#);
    begins(calls[4], r#"{"function":"cuDevicePrimaryCtxGetState","device":1,"code":101,"pid":"#);
    begins(calls[6], r#"{"function":"cuDevicePrimaryCtxRetain","device":0,"code":2,"pid":"#);
    assert!(calls.iter().all(|line| line.contains(r#","tid":"#) && line.ends_with('}')));
}

#[test]
fn a_private_copy_ignores_the_variables() {
    if env::var_os(LIBRARY).is_some() {
        let simulator = Simulator::start(2);
        let library = Library::of(&simulator);
        println!("\nprivate={} {} {}", library.init(), library.count().1, library.state(0).2);
        return;
    }
    let directory = Directory::new("private");
    let library = write_library(&directory.0, None, &[]).unwrap();
    let variables = [
        ("SIMULATED_CUDA_DEVICES", "nonsense"),
        ("SIMULATED_CUDA_HELD_BY_OTHERS", "0:1"),
        ("SIMULATED_CUDA_FAULT", "any:1:999:refused:from_then_on"),
        ("SIMULATED_CUDA_STUB", "1"),
    ];
    let output = run("a_private_copy_ignores_the_variables", &library, &variables);
    assert_eq!(lines(&output)["private"], "0 2 0", "{output:?}");
}

#[test]
fn the_environment_knows_every_knob() {
    let all: Vec<_> = Knob::ALL.iter().map(|knob| format!("{}=0", knob.name())).collect();
    let (answers, errors) = meets(&[("SIMULATED_CUDA_KNOBS", &all.join(","))]);
    assert_eq!((errors.as_str(), &*answers["init"]), ("", "0"));
}

/// A variable, an entry of it that is wrong, whether others come before and after it, and why.
const WRONG: &[(&str, &str, bool, &str)] = &[
    ("DEVICES", "", false, "a number is missing"),
    ("DEVICES", "-1", false, "not a number"),
    ("DEVICES", "two", false, "not a number"),
    ("DEVICES", "4097", false, "too great a number"),
    ("DEVICES", "1 ", false, "not a number"),
    ("STUB", "yes", false, "neither"),
    ("HELD_BY_OTHERS", "", true, "no colon"),
    ("HELD_BY_OTHERS", "0", true, "no colon"),
    ("HELD_BY_OTHERS", "0:", true, "a number is missing"),
    ("HELD_BY_OTHERS", ":1", true, "a number is missing"),
    ("HELD_BY_OTHERS", "0:1:2", true, "not a number"),
    ("HELD_BY_OTHERS", "9999:1", true, "too great a number"),
    ("KNOBS", "", true, "no equals sign"),
    ("KNOBS", "nothing=1", true, "no knob of this name"),
    ("KNOBS", "context_bytes", true, "no equals sign"),
    ("KNOBS", "context_bytes=-1", true, "not a number"),
    ("FAULT", "", true, "a part is missing"),
    ("FAULT", "cuInit", true, "a part is missing"),
    ("FAULT", "cuInit:1:700:refused", true, "a part is missing"),
    ("FAULT", "cuNothing:1:700:refused:once", true, "no function of this name"),
    ("FAULT", "cuInit:0:700:refused:once", true, "counted from 1"),
    ("FAULT", "cuInit:1:700:maybe:once", true, "neither"),
    ("FAULT", "cuInit:1:700:refused:twice", true, "neither"),
    ("FAULT", "cuInit:1:700:refused:once:x", true, "not a number"),
    ("FAULT", "cuInit:1:700:refused:once:0:0", true, "not a number"),
    ("LOG", "/nowhere/at/all", false, "No such file or directory"),
    ("MACHINE", "/nowhere/at/all", false, "No such file or directory"),
];

#[test]
fn a_variable_that_is_wrong_fails_init_with_the_entry_the_reason_and_what_is_accepted() {
    for &(name, entry, list, why) in WRONG {
        let right = match name {
            "HELD_BY_OTHERS" => "0:1",
            "KNOBS" => "context_bytes=1",
            _ => "cuCtxGetFlags:1:700:refused:once",
        };
        let value = if list { format!("{right},{entry},{right}") } else { entry.to_owned() };
        let name = format!("SIMULATED_CUDA_{name}");
        let (answers, errors) = meets(&[(&name, &value)]);
        assert_eq!(answers["init"], "999", "{name}={value}");
        assert!(answers["state0"].starts_with("3 "), "{name}={value}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        let named = format!("the environment variable {name} is wrong in \"{entry}\": ");
        assert!(errors.contains(&named) && errors.contains(why), "{errors}");
        assert!(errors.contains("; it takes "), "{errors}");
    }
}

#[test]
fn a_reference_of_others_to_a_device_that_is_not_there_fails_init() {
    let variables = [("SIMULATED_CUDA_HELD_BY_OTHERS", "0:1,3:1"), ("SIMULATED_CUDA_DEVICES", "2")];
    let (answers, errors) = meets(&variables);
    assert_eq!(answers["init"], "999");
    assert!(
        errors.contains("SIMULATED_CUDA_HELD_BY_OTHERS names device 3, and this process sees 2")
    );
}

#[test]
fn a_misspelt_variable_fails_init_and_is_named() {
    for name in ["SIMULATED_CUDA_HELD_BY_OTHRES", "SIMULATED_CUDA_", "SIMULATED_CUDA_DEVICES_"] {
        let (answers, errors) = meets(&[(name, "1")]);
        assert_eq!(answers["init"], "999", "{name}");
        assert!(errors.contains(&format!("no environment variable {name};")), "{errors}");
        assert!(errors.contains("HELD_BY_OTHERS") && errors.lines().count() == 1, "{errors}");
    }
}
