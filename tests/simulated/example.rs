//! The example as its users meet it: arguments, environment, output and exit status.

use std::process::{Command, Output};

use crate::support::examples::example;
use serde_json::Value;
use simulated_libcuda::Simulator;

/// The example with these arguments, and nothing in its environment that it would heed.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(example("retain_only"));
    command.args(arguments).env_remove("LOCAL_RANK");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CUDA_") || name.starts_with("SIMULATED_CUDA_") {
            command.env_remove(&*name);
        }
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// A run on the simulator, of which the example has one of its own.
fn simulate(arguments: &[&str]) -> Output {
    run(&[&["--driver", "simulated"], arguments].concat())
}

/// A simulator as a library somewhere, which is steered by environment variables.
struct Library(Simulator);

impl Library {
    fn new() -> Self {
        Self(Simulator::start(0))
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&[&["--driver", self.path()], arguments].concat());
        command.env("SIMULATED_CUDA_DEVICES", "4");
        command
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{}: {}", output.status, text(&output.stderr)))
}

/// The one object that a run with `--json` prints, after the check of its exit status.
#[track_caller]
fn object(output: &Output, expected_status: i32) -> Value {
    assert_eq!(status(output), expected_status, "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    assert!(lines.ends_with('\n') && lines.lines().count() == 1, "one line: {lines}");
    serde_json::from_str(lines).unwrap()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// One field of each device, in the order of the ordinals.
fn column<'a>(object: &'a Value, field: &str) -> Vec<&'a Value> {
    object["devices"].as_array().unwrap().iter().map(|device| &device[field]).collect()
}

#[test]
fn releases_0_and_2_and_keeps_1() {
    let output = simulate(&["--calls"]);
    assert_eq!(status(&output), 0);
    assert_eq!(text(&output.stderr), "");
    let mut lines = text(&output.stdout).lines();

    let driver = lines.next().unwrap();
    assert!(driver.starts_with("driver /") && driver.ends_with(", simulated)"), "{driver}");
    let kept = lines.next().unwrap();
    assert!(kept.starts_with("kept   device 1, "), "{kept}");
    assert_eq!(lines.next(), Some("stray  contexts left first, on 0, 2 (see --stray)"));
    assert_eq!(lines.next(), Some(""));

    assert_eq!(lines.next(), Some("kept 1; released 0, 2"));

    // The width of a UUID goes out of the comparison, and with it the UUID.
    let table: Vec<String> = lines
        .map(|line| {
            let (device, rest) = line.split_at(8);
            format!("{device}{}", rest.get(40..).unwrap_or_default())
        })
        .collect();
    let expected = [
        "device    outcome           driver calls",
        "     0    released          cuDevicePrimaryCtxGetState: CUDA_SUCCESS (0)",
        "                            cuCtxGetCurrent: CUDA_SUCCESS (0)",
        "                            cuDevicePrimaryCtxRelease_v2: CUDA_SUCCESS (0)",
        "                            cuDevicePrimaryCtxGetState: CUDA_SUCCESS (0)",
        "     1    kept              cuDevicePrimaryCtxRetain: CUDA_SUCCESS (0)",
        "     2    released          cuDevicePrimaryCtxGetState: CUDA_SUCCESS (0)",
        "                            cuDevicePrimaryCtxRelease_v2: CUDA_SUCCESS (0)",
        "                            cuDevicePrimaryCtxGetState: CUDA_SUCCESS (0)",
        "     3    already inactive  cuDevicePrimaryCtxGetState: CUDA_SUCCESS (0)",
    ];
    assert_eq!(table, expected);
    let short = text(&simulate(&[]).stdout).to_owned();
    assert!(!short.contains("cuDevicePrimaryCtx"), "{short}");
}

/// Options reach the policy, and a failing device decides the exit status.
#[test]
fn options_and_failures_reach_the_report() {
    let options = ["--json", "--stray", "0,0,2,3", "--keep", "3", "--releases", "2"];
    let report = object(&simulate(&options), 0);
    assert_eq!(report["driver"]["simulated"], true);
    assert_eq!(column(&report, "outcome"), ["released", "kept", "released", "left_alone"]);
    assert_eq!(report["devices"][0]["releases"], 2);

    let library = Library::new();
    for (call, options, words) in [
        ("cuDevicePrimaryCtxRelease_v2", &["--json"][..], "outcome"),
        ("cuDevicePrimaryCtxGetState", &["--json", "--dry-run"], "planned"),
    ] {
        let fault = format!("{call}:1:999:refused:once:0");
        let mut command = library.command(options);
        let report = object(&command.env("SIMULATED_CUDA_FAULT", fault).output().unwrap(), 1);
        assert_eq!(report["devices"][0][words], "failed");
        assert_eq!(report["devices"][0]["error"]["call"], call);
    }
}

#[test]
fn wrong_arguments_name_the_option_and_what_it_takes() {
    for (arguments, option, accepted) in [
        (&["--device", "x"][..], "--device", "whole number"),
        (&["--device"], "--device", "whole number"),
        (&["--driver", ""], "--driver", "auto, real, simulated"),
        (&["--devices", "4097"], "--devices", "0 to 4096"),
        (&["--devices", "2", "--driver", "real"], "--devices", "simulated"),
        (&["--stray", "0,,2"], "--stray", "commas"),
        (&["--keep", "all"], "--keep", "commas"),
        (&["--releases", "4294967296"], "--releases", "4294967295"),
        (&["--kepe", "2"], "--kepe", "--help"),
        (&["2"], "\"2\"", "--help"),
    ] {
        let output = run(arguments);
        let message = text(&output.stderr);
        assert_eq!(status(&output), 2, "{arguments:?}: {message}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert_eq!(message.lines().count(), 1, "{arguments:?}: {message}");
        assert!(message.contains(option) && message.contains(accepted), "{arguments:?}: {message}");
    }
}

#[test]
fn without_a_device_the_error_is_the_report() {
    for (variable, value, kind) in
        [("CUDA_VISIBLE_DEVICES", "", "no_device"), ("LOCAL_RANK", "8", "no_such_device")]
    {
        let mut command = command(&["--driver", "simulated", "--json"]);
        let output = command.env(variable, value).output().unwrap();
        let object = object(&output, 3);
        assert_eq!(keys(&object), ["error"]);
        assert_eq!(object["error"]["kind"], kind);
        let message = object["error"]["message"].as_str().unwrap();
        assert!(text(&output.stderr).contains(message), "{message}");
    }
}
