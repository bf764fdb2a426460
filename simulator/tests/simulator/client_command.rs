//! Commands that run on a copy of their own. The client is this very test binary, started again for its
//! first test, and loads the driver by its name.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::driver::{Library, in_forked_child};
use simulated_libcuda::{ClientCommand, Fault, Knob, Simulator};

/// Set for the client.
const CLIENT: &str = "CLIENT_OF_A_COMMAND";

#[test]
fn client() {
    if env::var_os(CLIENT).is_none() {
        return;
    }
    let library = Library::at(Path::new("libcuda.so.1"));
    println!("\ninit={}", library.init());
    println!("count={}", library.count().1);
    for device in 0..2 {
        println!("active={}", library.state(device).2);
        println!("release={}", library.release(device));
    }
    println!("newer={}", !library.address("cuCtxGetId").is_null());
    println!("visible={:?}", env::var_os("CUDA_VISIBLE_DEVICES"));
    if env::var_os("FORK").is_some() {
        in_forked_child(|| library.count().0);
    }
}

fn command(builder: simulated_libcuda::Builder) -> ClientCommand {
    let mut command = builder.command(env::current_exe().unwrap());
    command
        .args(["--exact", "client_command::client", "--nocapture", "--test-threads=1"])
        .env(CLIENT, "1");
    command
}

/// The values that the client printed.
fn answers(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| Some(line.split_once('=')?.1.to_owned())).collect()
}

#[test]
fn a_client_that_loads_by_name_finds_its_own_copy() {
    let in_this_process = Simulator::start(7);
    Library::of(&in_this_process).init();
    let mut client = command(Simulator::builder().devices(2));
    assert_eq!(answers(&mut client), ["0", "2", "0", "201", "0", "201", "true", "None"]);
    assert!(client.path().exists());
    assert_eq!(in_this_process.total_calls(), 1);
}

#[test]
fn all_settings_reach_it() {
    let mut client = command(
        Simulator::builder()
            .devices(3)
            .driver_version(11040)
            .visible_devices(Some("2,1"))
            .without(&["cuCtxGetFlags"])
            .knob(Knob::ContextBytes, 1)
            .knob(Knob::HandlesAreOrdinals, 1),
    );
    client.retain_by_others(1, 2).retain_by_others(0, 1);
    client.inject(Fault::of("cuDevicePrimaryCtxRelease_v2", 1).device(1).code(700));
    client.inject(Fault::of("cuDeviceGetCount", 2).code(1).done_then_reported().from_then_on());
    let told = answers(&mut client);
    assert_eq!(told, ["0", "2", "1", "0", "1", "700", "false", "Some(\"2,1\")"]);
}

#[test]
fn its_calls_can_be_read_back_those_of_its_children_too() {
    let mut client = command(Simulator::builder().devices(1));
    assert_eq!(client.calls().unwrap(), [], "nothing has run yet");
    client.env("FORK", "1");
    answers(&mut client);
    let calls = client.calls().unwrap();
    let told: Vec<_> = calls.iter().map(|call| (call.function, call.device, call.code)).collect();
    let (state, release) = ("cuDevicePrimaryCtxGetState", "cuDevicePrimaryCtxRelease_v2");
    let expected = [
        ("cuInit", None, 0),
        ("cuDeviceGetCount", None, 0),
        (state, Some(0), 0),
        (release, Some(0), 201),
        (state, Some(1), 101),
        (release, Some(1), 101),
        ("cuDeviceGetCount", None, 3),
    ];
    assert_eq!(told, expected);
    assert_ne!(calls[0].pid, calls[6].pid);
    assert_eq!(calls[0].tid, calls[5].tid);
    answers(&mut client);
    assert_eq!(client.calls().unwrap().len(), 14, "of every process that it started");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let error = |builder: simulated_libcuda::Builder| builder.try_command("true").unwrap_err();
    assert!(error(Simulator::builder().devices(4097)).to_string().contains("more devices"));
    let without = Simulator::builder().without(&["cuNothing"]);
    assert!(error(without).to_string().contains("cuNothing"));
}
