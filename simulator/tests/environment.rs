//! Clients in other processes: settings by environment variables, the command that writes the
//! library, the log in a file, the end of a process.
//!
//! The client is this very test binary, started again for one of its first two tests.

mod driver;

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use driver::{Library, out};
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
    for device in 0..3 {
        let (code, flags, active) = library.state(device);
        println!("state{device}={code} {flags} {active}");
    }
    println!("retain={}", library.retain(0).0);
    println!("release={} {}", library.release(0), library.release(0));
    println!("get_id={}", library.proc_address_v2("cuCtxGetId", 13000).2);
}

/// Asks in exit handlers from before the library was loaded, and from after `cuInit`.
#[test]
fn client_with_exit_handlers() {
    extern "C" fn early() {
        println!("\nearly={}", clients_library().unwrap().count().0);
    }
    extern "C" fn late() {
        println!("\nlate={}", clients_library().unwrap().count().0);
    }
    if env::var_os(LIBRARY).is_none() {
        return;
    }
    // SAFETY: the handler takes and returns nothing.
    assert_eq!(unsafe { libc::atexit(early) }, 0);
    assert_eq!(clients_library().unwrap().init(), 0);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::atexit(late) }, 0);
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("simulated-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(test: &str, library: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(LIBRARY, library);
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
    assert_eq!(answers["state0"], "0 0 0");
    assert!(answers["state1"].starts_with("101 "));
    assert_eq!((&*answers["retain"], &*answers["release"]), ("0", "0 201"));
    assert_eq!(answers["get_id"], "0");
    assert_eq!(errors, "");
}

#[test]
fn variables_set_the_scene() {
    let (answers, _) = meets(&[
        ("SIMULATED_CUDA_DEVICES", "5"),
        ("SIMULATED_CUDA_DRIVER_VERSION", "11040"),
        ("SIMULATED_CUDA_FOREIGN", "0:1,2:3"),
        ("SIMULATED_CUDA_KNOBS", "context_bytes=1,destroy_primary=0"),
        ("CUDA_VISIBLE_DEVICES", "4,3,2"),
    ]);
    assert_eq!((&*answers["version"], &*answers["count"]), ("11040", "3"));
    assert_eq!(answers["state0"], "0 0 1");
    assert_eq!(answers["state1"], "0 0 0");
    assert_eq!(answers["state2"], "0 0 1");
    assert_eq!(answers["release"], "0 0", "one is the foreign reference");
    assert_eq!(answers["get_id"], "1", "newer than the driver");
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
fn the_stub_by_variable() {
    let (answers, _) = meets(&[("SIMULATED_CUDA_STUB", "1")]);
    assert_eq!((&*answers["init"], &*answers["retain"]), ("34", "34"));
}

#[test]
fn a_variable_that_makes_no_sense_fails_init_and_is_named_in_one_line() {
    let table = [
        ("SIMULATED_CUDA_DEVICES", ["", "-1", "two", "4097", "1 "].as_slice()),
        ("SIMULATED_CUDA_DRIVER_VERSION", &["", "13.0", "99999999999"]),
        ("SIMULATED_CUDA_STUB", &["", "yes"]),
        ("SIMULATED_CUDA_FOREIGN", &["", "0", "0:", ":1", "0:1,", "0:1:2", "1:1", "9999:1"]),
        ("SIMULATED_CUDA_KNOBS", &["", "nothing=1", "context_bytes", "context_bytes=-1"]),
        (
            "SIMULATED_CUDA_FAULT",
            &[
                "",
                "cuInit",
                "cuInit:1:700:refused",
                "cuNothing:1:700:refused:once",
                "cuInit:0:700:refused:once",
                "cuInit:1:700:maybe:once",
                "cuInit:1:700:refused:twice",
                "cuInit:1:700:refused:once:x",
                "cuInit:1:700:refused:once:0:0",
            ],
        ),
        ("SIMULATED_CUDA_LOG", &["", "/nowhere/at/all"]),
    ];
    for (name, values) in table {
        for value in values {
            let (answers, errors) = meets(&[(name, value)]);
            assert_eq!(answers["init"], "999", "{name}={value}");
            assert!(answers["state0"].starts_with("3 "), "{name}={value}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
            assert!(errors.contains(name), "{errors}");
        }
    }
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
    assert_eq!(calls.len(), 10);
    let begins = |line: &str, start: &str| assert!(line.starts_with(start), "{line}");
    begins(calls[0], r#"{"function":"cuDriverGetVersion","device":-1,"code":0,"pid":"#);
    begins(calls[4], r#"{"function":"cuDevicePrimaryCtxGetState","device":1,"code":101,"pid":"#);
    begins(calls[6], r#"{"function":"cuDevicePrimaryCtxRetain","device":0,"code":2,"pid":"#);
    assert!(calls.iter().all(|line| line.contains(r#","tid":"#) && line.ends_with('}')));
}

#[test]
fn at_exit_the_driver_ends_between_the_handlers_from_after_and_before_init() {
    let directory = Directory::new("exit");
    let library = write_library(&directory.0, None, &[]).unwrap();
    for (knobs, early) in [("deinitialize_at_exit=0", "0"), ("deinitialize_at_exit=1", "4")] {
        let output = run("client_with_exit_handlers", &library, &[("SIMULATED_CUDA_KNOBS", knobs)]);
        let answers = lines(&output);
        assert_eq!((&*answers["late"], &*answers["early"]), ("0", early), "{output:?}");
    }
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
        ("SIMULATED_CUDA_FOREIGN", "0:1"),
        ("SIMULATED_CUDA_FAULT", "any:1:999:refused:from_then_on"),
        ("SIMULATED_CUDA_STUB", "1"),
    ];
    let output = run("a_private_copy_ignores_the_variables", &library, &variables);
    assert_eq!(lines(&output)["private"], "0 2 0", "{output:?}");
}

#[test]
fn the_command_writes_a_library_that_works() {
    let directory = Directory::new("command");
    let target = directory.0.join("new/folder");
    for _ in 0..2 {
        let output = Command::new(env!("CARGO_BIN_EXE_simulated-libcuda"))
            .arg(&target)
            .args(["--driver-version", "11000", "--without", "cuCtxGetFlags"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("export LD_LIBRARY_PATH='"), "{text}");
        assert!(text.contains("export SIMULATED_CUDA_DRIVER_VERSION=11000"), "{text}");
    }
    let library = Library::at(&target.join("libcuda.so"));
    assert_eq!(fs::read_link(target.join("libcuda.so")).unwrap(), Path::new("libcuda.so.1"));
    assert!(library.address("cuCtxGetFlags").is_null());
    assert!(library.address("cuGetProcAddress").is_null());
    assert!(!library.address("cuDevicePrimaryCtxRelease_v2").is_null());
    assert!(!library.address("simulated_cuda_version").is_null());
}

#[test]
fn the_command_refuses_what_it_does_not_understand() {
    let directory = Directory::new("refusals");
    let target = directory.0.to_str().unwrap();
    let status = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_simulated-libcuda")).args(arguments).output().unwrap();
        assert!(!output.stderr.is_empty());
        output.status.code().unwrap()
    };
    assert_eq!(status(&[]), 2);
    assert_eq!(status(&[target, target]), 2);
    assert_eq!(status(&[target, "--driver-version", "new"]), 2);
    assert_eq!(status(&["--help"]), 2);
    assert_eq!(status(&[target, "--without", "cuNothing"]), 1);
    assert_eq!(status(&["/dev/null/x"]), 1);
}

#[test]
fn device_files_are_opened_and_inherited() {
    let directory = Directory::new("files");
    let simulator = Simulator::builder()
        .devices(3)
        .visible_devices(Some("2,0"))
        .device_files(&directory.0)
        .start();
    let open = || {
        let mut names: Vec<_> = fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
            .filter(|target| target.starts_with(&directory.0))
            .map(|target| target.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let library = Library::of(&simulator);
    assert_eq!(open(), [""; 0]);
    library.init();
    assert_eq!(open(), ["nvidiactl"]);
    library.retain(0);
    assert_eq!(open(), ["nvidia2", "nvidiactl"], "named by the physical device");
    library.release(0);
    assert_eq!(open(), ["nvidia2", "nvidiactl"], "open until the end");
    let inherited = driver::in_forked_child(|| u32::try_from(open().len()).unwrap());
    assert_eq!(inherited, 2);
    simulator.deinitialize();
    assert_eq!(open(), [""; 0]);
}

#[test]
fn the_environment_knows_every_knob() {
    let all: Vec<_> = Knob::ALL.iter().map(|knob| format!("{}=0", knob.name())).collect();
    let (answers, errors) = meets(&[("SIMULATED_CUDA_KNOBS", &all.join(","))]);
    assert_eq!((errors.as_str(), &*answers["init"]), ("", "0"));
}
