//! Clients in processes of their own, by settings of a `Builder` and by environment variables. The client is
//! this test program, started again for its first test, and loads the driver by its name.

use std::env;
use std::path::Path;
use std::process::Command;

use simulated_libcuda::{Builder, ClientCommand, Fault, Knob, Simulator, write_library};

use crate::driver::{Library, folder, in_forked_child};

/// Set for the client: the library to load.
const LIBRARY: &str = "CLIENT_LIBRARY";

#[test]
fn client() {
    let Some(library) = env::var_os(LIBRARY) else { return };
    let library = Library::at(Path::new(&library));
    println!("\ninit={}", library.init());
    println!("count={}", library.count().1);
    for device in 0..3 {
        println!("state={} {}", library.state(device).0, library.state(device).2);
    }
    println!("retain={}", library.retain(0).0);
    println!("release={} {}", library.release(0), library.release(0));
    println!("handle={}", library.handle(1));
    println!("newer={}", !library.address("cuCtxGetId").is_null());
    println!("visible={:?}", env::var_os("CUDA_VISIBLE_DEVICES"));
    if env::var_os("FORK").is_some() {
        in_forked_child(|| library.count().0);
    }
}

fn command(builder: Builder) -> ClientCommand {
    let mut command = builder.command(env::current_exe().unwrap());
    command.args(["--exact", "client_command::client", "--nocapture", "--test-threads=1"]);
    command.env(LIBRARY, "libcuda.so.1");
    command
}

/// The values that the client printed, and what the library wrote to standard error.
fn run(command: &mut Command) -> (Vec<String>, String) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let values = text.lines().filter_map(|line| Some(line.split_once('=')?.1.to_owned()));
    (values.collect(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_client_that_loads_by_name_finds_its_own_copy() {
    let in_this_process = Simulator::start(7);
    Library::of(&in_this_process).init();
    let mut client = command(Simulator::builder().devices(2));
    let (values, errors) = run(&mut client);
    assert_eq!(values[..4], ["0", "2", "0 0", "0 0"]);
    assert_eq!(values[5..], ["0", "0 201", "1000001", "true", "None"]);
    assert_eq!((errors.as_str(), in_this_process.total_calls()), ("", 1));
}

#[test]
fn without_a_setting_there_is_one_device_whose_handle_is_its_ordinal() {
    let library = write_library(&folder("plain"), None, &[]).unwrap();
    let mut client = command(Simulator::builder());
    for name in ["DEVICES", "KNOBS", "LOG"] {
        client.env_remove(format!("SIMULATED_CUDA_{name}"));
    }
    let (values, errors) = run(client.env(LIBRARY, library));
    assert_eq!([&*values[0], &values[1], &values[2], &values[7]], ["0", "1", "0 0", "1"]);
    assert_eq!(errors, "");
}

#[test]
fn all_settings_reach_it() {
    let mut client = command(
        Simulator::builder()
            .devices(4)
            .driver_version(11040)
            .visible_devices(Some("2,1,0"))
            .without(&["cuCtxGetFlags"])
            .knob(Knob::DeviceBytes, 1 << 30)
            .knob(Knob::HandlesAreOrdinals, 1),
    );
    client.retain_by_others(1, 2).retain_by_others(0, 1);
    client.inject(Fault::of("cuDevicePrimaryCtxRelease_v2", 1).device(0).code(700));
    client.inject(Fault::of("cuDeviceGetCount", 2).code(1).done_then_reported().from_then_on());
    let expected = ["0", "3", "0 1", "0 1", "0 0", "0", "700 0", "1", "false", "Some(\"2,1,0\")"];
    assert_eq!(run(&mut client).0, expected);
}

#[test]
fn its_calls_can_be_read_back_those_of_its_children_too() {
    let mut client = command(Simulator::builder().devices(1));
    assert_eq!(client.calls().unwrap(), [], "nothing has run yet");
    run(client.env("FORK", "1"));
    let calls = client.calls().unwrap();
    let seen: Vec<_> = calls.iter().map(|call| (call.function, call.device, call.code)).collect();
    assert_eq!(seen[..2], [("cuInit", None, 0), ("cuDeviceGetCount", None, 0)]);
    assert_eq!(seen[4], ("cuDevicePrimaryCtxGetState", Some(1), 101));
    assert_eq!(
        seen[10..],
        [("cuDevicePrimaryCtxRelease_v2", Some(0), 201), ("cuDeviceGetCount", None, 3)]
    );
    assert_ne!(calls[0].pid, calls[11].pid);
    assert_eq!(calls[0].tid, calls[10].tid);
    run(&mut client);
    assert_eq!(client.calls().unwrap().len(), 24, "of every process that it started");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let error = |builder: Builder| builder.try_start().unwrap_err().to_string();
    assert!(error(Simulator::builder().devices(4097)).contains("too great a number"));
    assert!(error(Simulator::builder().without(&["cuNothing"])).contains("cuNothing"));
}

#[test]
fn a_private_copy_ignores_the_variables() {
    if env::var_os(LIBRARY).is_some() {
        let simulator = Simulator::start(2);
        let library = Library::of(&simulator);
        println!("\nprivate={} {} {}", library.init(), library.count().1, library.state(0).2);
        return;
    }
    let this = "client_command::a_private_copy_ignores_the_variables";
    let mut client = Simulator::builder().command(env::current_exe().unwrap());
    client.args(["--exact", this, "--nocapture"]).env(LIBRARY, "").envs([
        ("SIMULATED_CUDA_DEVICES", "nonsense"),
        ("SIMULATED_CUDA_HELD_BY_OTHERS", "0:1"),
        ("SIMULATED_CUDA_FAULT", "any:1:999:refused:from_then_on"),
    ]);
    assert_eq!(run(&mut client).0, ["0 2 0"]);
}

/// A variable, an entry of it that is wrong, whether others come before and after it, and why.
const WRONG: &[(&str, &str, bool, &str)] = &[
    ("DEVICES", "", false, "a number is missing"),
    ("DEVICES", "-1", false, "not a number"),
    ("DEVICES", "4097", false, "too great a number"),
    ("HELD_BY_OTHERS", "0", true, "no colon"),
    ("HELD_BY_OTHERS", "0:", true, "a number is missing"),
    ("HELD_BY_OTHERS", "0:1:2", true, "not a number"),
    ("HELD_BY_OTHERS", "9999:1", true, "too great a number"),
    ("KNOBS", "nothing=1", true, "no knob of this name"),
    ("KNOBS", "device_bytes=-1", true, "not a number"),
    ("FAULT", "cuInit:1:700:refused", true, "a part is missing"),
    ("FAULT", "cuNothing:1:700:refused:once", true, "no function of this name"),
    ("FAULT", "cuInit:0:700:refused:once", true, "counted from 1"),
    ("FAULT", "cuInit:1:700:maybe:once", true, "neither"),
    ("FAULT", "cuInit:1:700:refused:twice", true, "neither"),
    ("FAULT", "cuInit:1:700:refused:once:x", true, "not a number"),
    ("LOG", "/nowhere/at/all", false, "No such file or directory"),
    ("MACHINE", "/nowhere/at/all", false, "No such file or directory"),
];

#[test]
fn a_variable_that_is_wrong_fails_init_with_the_entry_the_reason_and_what_is_accepted() {
    for &(name, entry, list, why) in WRONG {
        let right = match name {
            "HELD_BY_OTHERS" => "0:1",
            "KNOBS" => "device_bytes=1",
            _ => "cuCtxGetFlags:1:700:refused:once",
        };
        let value = if list { format!("{right},{entry},{right}") } else { entry.to_owned() };
        let name = format!("SIMULATED_CUDA_{name}");
        let (values, errors) = run(command(Simulator::builder()).env(&name, &value));
        assert_eq!((&*values[0], &values[2][..2]), ("1", "3 "), "{name}={value}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        let named = format!("the environment variable {name} is wrong in \"{entry}\": ");
        assert!(errors.contains(&named) && errors.contains(why), "{errors}");
        assert!(errors.contains("; it takes "), "{errors}");
    }
}

#[test]
fn a_device_that_is_not_there_and_a_misspelt_variable_fail_init() {
    for (name, value, complaint) in [
        ("HELD_BY_OTHERS", "0:1,3:1", "HELD_BY_OTHERS names device 3, and this process sees 1"),
        ("HELD_BY_OTHRES", "1", "no environment variable SIMULATED_CUDA_HELD_BY_OTHRES;"),
        ("DEVICES_", "1", "no environment variable SIMULATED_CUDA_DEVICES_;"),
    ] {
        let name = format!("SIMULATED_CUDA_{name}");
        let (values, errors) = run(command(Simulator::builder()).env(&name, value));
        assert_eq!(values[0], "1", "{name}");
        assert!(errors.contains(complaint) && errors.lines().count() == 1, "{errors}");
    }
}
