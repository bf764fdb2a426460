//! The example as its users meet it: arguments, environment, output and exit status.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

use crate::support::examples::{self, is_refused, object, text};
use crate::support::processes::folder;
use serde_json::Value;
use simulated_libcuda::Simulator;

fn command(arguments: &[&str]) -> Command {
    examples::command("retain_only", arguments)
}

/// A run on the simulator, of which the example has one of its own.
fn simulate(arguments: &[&str]) -> Output {
    command(&[&["--driver", "simulated"], arguments].concat()).output().unwrap()
}

/// One field of each device, in the order of the ordinals.
fn column<'a>(object: &'a Value, field: &str) -> Vec<&'a Value> {
    object["devices"].as_array().unwrap().iter().map(|device| &device[field]).collect()
}

#[test]
fn releases_0_and_2_and_keeps_1() {
    let output = simulate(&["--calls"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let with_calls = text(&output.stdout);
    let lines: Vec<&str> = with_calls.lines().collect();
    assert!(lines[0].starts_with("driver /") && lines[0].ends_with(", simulated)"), "{lines:?}");
    assert!(lines[1].starts_with("kept   device 1, "), "{lines:?}");
    let expected =
        ["stray  created by this example on 0, 2 (see --stray)", "", "kept 1; released 0, 2"];
    assert_eq!(lines[2..5], expected);
    assert!(with_calls.contains("cuDevicePrimaryCtxRelease_v2: CUDA_SUCCESS (0)"), "{with_calls}");
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

    // A simulator as a library somewhere, which is set up by environment variables.
    let library = Simulator::start(0);
    for (call, options, words) in [
        ("cuDevicePrimaryCtxRelease_v2", &["--json", "--stray", "0"][..], "outcome"),
        ("cuDevicePrimaryCtxGetState", &["--json", "--dry-run"], "planned"),
    ] {
        let fault = format!("{call}:1:999:refused:once:0");
        let path = library.path().to_str().unwrap();
        let mut command = command(&[&["--driver", path], options].concat());
        command.env("SIMULATED_CUDA_DEVICES", "4").env("SIMULATED_CUDA_FAULT", fault);
        let report = object(&command.output().unwrap(), 1);
        assert_eq!(report["devices"][0][words], "failed");
        assert_eq!(report["devices"][0]["error"]["call"], call);
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
        assert_eq!(object.as_object().unwrap().len(), 1, "the error alone");
        assert_eq!(object["error"]["kind"], kind);
        let message = object["error"]["message"].as_str().unwrap();
        assert!(text(&output.stderr).contains(message), "{message}");
    }
}

#[test]
fn wrong_arguments_are_an_error_in_text_and_in_json() {
    for (arguments, rank, words) in [
        (&["--devices", "4097"][..], "", "invalid value '4097' for '--devices <N>'"),
        (&["--stray", "0,,2"], "", "invalid value '0,,2' for '--stray <LIST>'"),
        (&[], "first", "LOCAL_RANK must be a device's ordinal"),
    ] {
        let mut command = command(&["--driver", "simulated", "--json"]);
        let output = command.args(arguments).env("LOCAL_RANK", rank).output().unwrap();
        is_refused(&output, words);
    }
}

/// Also a path that is not UTF-8 names a driver.
#[test]
fn the_path_of_a_driver_may_have_any_bytes() {
    let library = Simulator::start(1);
    let mut path = folder("example-driver").into_os_string();
    path.push(OsStr::from_bytes(b"\xff.so"));
    std::fs::copy(library.path(), &path).unwrap();
    let output = command(&["--json", "--driver"]).arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let report = object(&output, 0);
    assert!(report["driver"]["path"].as_str().unwrap().ends_with("\u{fffd}.so"), "{report}");
    assert_eq!(report["driver"]["simulated"], false, "it is not the simulator in the example");
}
