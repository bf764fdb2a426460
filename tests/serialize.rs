//! The feature `serde`: reports, plans, audits and errors as data.

mod support;

use cuda_primary_context::{PrimaryContext, PrimaryContextGuard, StrayRelease};
use serde_json::{Value, json, to_value};
use simulated_libcuda::Fault;
use support::{Machine, machine, releases_up_to};

fn uuid(machine: &Machine, ordinal: u32) -> Value {
    machine.device(ordinal).uuid().unwrap().to_string().into()
}

fn driver(machine: &Machine) -> Value {
    json!({ "path": machine.simulator.path(), "version": 13000 })
}

fn kept(machine: &Machine) -> Value {
    json!({
        "ordinal": 1,
        "uuid": uuid(machine, 1),
        "pci_bus_id": machine.device(1).pci_bus_id().unwrap(),
    })
}

const GET_STATE: &str = "cuDevicePrimaryCtxGetState";
const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";

fn call(function: &str, code: u32, name: Option<&str>) -> Value {
    json!({ "call": function, "code": code, "name": name })
}

fn done(function: &str) -> Value {
    call(function, 0, Some("CUDA_SUCCESS"))
}

fn failed(call: &str, device: u32) -> Value {
    json!({
        "kind": "driver",
        "call": call,
        "device": device,
        "code": 777_777,
        "name": null,
        "message": format!(
            "{call} on device {device} answered a result code that this crate does not know (777777)"
        ),
    })
}

#[test]
fn report_has_every_device_with_its_calls() {
    let machine = machine(5);
    machine.stray(&[1, 0, 2, 1, 0]);
    let held = PrimaryContext::retain(machine.device(4)).unwrap();
    let fault = Fault::of(RELEASE, 1).device(3).code(777_777).refused().once();
    machine.simulator.inject(fault);
    machine.simulator.set_current(Some(0));
    let guard = PrimaryContextGuard::retain_only(machine.device(1)).unwrap();
    let first = [
        done(GET_STATE),
        done("cuCtxGetCurrent"),
        done("cuCtxGetDevice"),
        done("cuCtxSetCurrent"),
        done(RELEASE),
        done(GET_STATE),
        call("cuCtxGetApiVersion", 201, Some("CUDA_ERROR_INVALID_CONTEXT")),
    ];
    // The thread is on another context now, and asked anew.
    let second = [
        done(GET_STATE),
        done("cuCtxGetCurrent"),
        done("cuCtxGetDevice"),
        done(RELEASE),
        done(GET_STATE),
    ];
    let expected = json!({
        "summary": "kept 1; released 0; still active 2; held here 4; failed 3",
        "driver": driver(&machine),
        "kept": kept(&machine),
        "current_context_switched": true,
        "current_context": { "change": "switched", "from": 0, "error": null },
        "devices": [
            { "ordinal": 0, "uuid": uuid(&machine, 0), "outcome": "released", "releases": 1, "taken_before": 0,
              "calls": first, "holders": null },
            { "ordinal": 1, "uuid": uuid(&machine, 1), "outcome": "kept", "taken_before": 0,
              "calls": [done("cuDevicePrimaryCtxRetain")], "holders": null },
            { "ordinal": 2, "uuid": uuid(&machine, 2), "outcome": "still_active", "releases": 1, "taken_before": 0,
              "calls": second, "holders": null },
            { "ordinal": 3, "uuid": uuid(&machine, 3), "outcome": "failed",
              "error": failed(RELEASE, 3), "releases": 0, "active": true, "taken_before": 0,
              "calls": [done(GET_STATE), call(RELEASE, 777_777, None), done(GET_STATE)], "holders": null },
            { "ordinal": 4, "uuid": uuid(&machine, 4), "outcome": "held_here", "handles": 1, "taken_before": 0,
              "calls": [done(GET_STATE)], "holders": null },
        ],
    });
    assert_eq!(to_value(guard.report()).unwrap(), expected);
    drop(held);
}

#[test]
fn context_that_was_not_restored_is_there_with_its_error() {
    let machine = machine(3);
    machine.stray(&[2, 0, 0]);
    machine.simulator.set_current(Some(0));
    machine.simulator.inject(Fault::of("cuCtxSetCurrent", 2).code(777_777).refused().once());
    let policy = StrayRelease::new().keep([machine.device(2)]);
    let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
    let report = to_value(guard.report()).unwrap();
    let error = failed("cuCtxSetCurrent", 0);
    let expected = json!({ "change": "not_restored", "from": 0, "error": error });
    assert_eq!(report["current_context"], expected);
    assert_eq!(report["devices"][2]["outcome"], json!("left_alone"));
    assert_eq!(report["devices"][2]["calls"], json!([]));
}

#[test]
fn run_has_no_kept_device() {
    let machine = machine(1);
    machine.stray(&[1]);
    let report = to_value(StrayRelease::new().run(machine.driver).unwrap()).unwrap();
    assert_eq!((&report["kept"], &report["driver"]), (&Value::Null, &driver(&machine)));
    assert_eq!(report["devices"][0]["outcome"], "released");
}

#[test]
fn plan_says_what_it_is() {
    let machine = machine(3);
    machine.stray(&[1, 0, 0]);
    let policy = releases_up_to(2);
    let expected = json!({
        "driver": driver(&machine),
        "dry_run": true,
        "kept": kept(&machine),
        "devices": [
            { "ordinal": 0, "uuid": uuid(&machine, 0), "planned": "release", "at_most": 2 },
            { "ordinal": 1, "uuid": uuid(&machine, 1), "planned": "keep" },
            { "ordinal": 2, "uuid": uuid(&machine, 2), "planned": "already_inactive" },
        ],
    });
    assert_eq!(to_value(policy.plan(machine.device(1)).unwrap()).unwrap(), expected);
}

#[test]
fn audit_is_a_list() {
    let machine = machine(2);
    machine.stray(&[1, 0]);
    let fault = Fault::of(GET_STATE, 1).device(1).code(777_777).refused().once();
    machine.simulator.inject(fault);
    let expected = json!([
        { "ordinal": 0, "uuid": uuid(&machine, 0), "active": true, "flags": 0 },
        { "ordinal": 1, "uuid": uuid(&machine, 1), "error": failed(GET_STATE, 1) },
    ]);
    assert_eq!(to_value(machine.driver.primary_contexts()).unwrap(), expected);
}
