//! The feature `serde`: every variant of reports, plans, audits and errors as data.

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Error, PrimaryContext, PrimaryContextGuard, StrayRelease};
use serde_json::{Value, json, to_value};
use simulated_libcuda::{Builder, Fault, Simulator};

use crate::support::{
    GET_STATE, Machine, RELEASE, RETAIN, load, machine, machine_with, releases_up_to,
};

const UNKNOWN: u32 = 777_777;

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

/// Calls with their codes.
fn calls(calls: &[(&str, u32)]) -> Value {
    let call = |&(call, code): &(&str, u32)| {
        let name = CUresult(code).name();
        json!({ "call": call, "code": code, "name": name })
    };
    calls.iter().map(call).collect()
}

/// A failure with a code that no header has.
fn failed(call: &'static str, device: u32) -> Value {
    let error = Error::Driver { call, device: Some(device), code: CUresult(UNKNOWN) };
    json!({
        "kind": "driver",
        "call": call,
        "device": device,
        "code": UNKNOWN,
        "name": null,
        "message": error.to_string(),
    })
}

/// One object with the fields of all.
fn merged<const COUNT: usize>(parts: [Value; COUNT]) -> Value {
    parts.into_iter().flat_map(|part| part.as_object().unwrap().clone()).collect()
}

/// A line of a report: what is said of every device, and what belongs to the outcome.
fn line(
    machine: &Machine,
    ordinal: u32,
    outcome: &str,
    own: Value,
    of_calls: &[(&str, u32)],
) -> Value {
    let first = json!({ "ordinal": ordinal, "uuid": uuid(machine, ordinal), "outcome": outcome });
    let rest = json!({ "taken_before": 0, "calls": calls(of_calls), "holders": null });
    merged([first, own, rest])
}

#[test]
fn report_has_every_outcome() {
    let machine = machine_with(&[1, 0, 2, 1, 0, 1, 0, 0]);
    machine.simulator.add_green_context(7);
    let held = machine.retain(4);
    machine.refuse_for(3, RELEASE, UNKNOWN);
    machine.simulator.set_current(Some(0));
    let policy = StrayRelease::new().keep([machine.device(5)]);
    let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
    let queried = [(GET_STATE, 0), ("cuCtxGetCurrent", 0), ("cuCtxGetDevice", 0)];
    let released = [(RELEASE, 0), (GET_STATE, 0)];
    let first =
        [&queried[..], &[("cuCtxSetCurrent", 0)], &released, &[("cuCtxGetApiVersion", 201)]];
    // The thread is on another context now, and queried again.
    let third = [&queried[..], &released].concat();
    let fourth = [(GET_STATE, 0), (RELEASE, UNKNOWN), (GET_STATE, 0)];
    let own = json!({ "error": failed(RELEASE, 3), "releases": 0, "active": true });
    let expected = json!({
        "summary": guard.report().summary(),
        "driver": driver(&machine),
        "kept": kept(&machine),
        "current_context_switched": true,
        "current_context": { "change": "switched", "from": 0, "error": null },
        "devices": [
            line(&machine, 0, "released", json!({ "releases": 1 }), &first.concat()),
            line(&machine, 1, "kept", json!({}), &[(RETAIN, 0)]),
            line(&machine, 2, "still_active", json!({ "releases": 1 }), &third),
            line(&machine, 3, "failed", own, &fourth),
            line(&machine, 4, "held_here", json!({ "handles": 1 }), &queried[..1]),
            line(&machine, 5, "left_alone", json!({}), &[]),
            line(&machine, 6, "already_inactive", json!({}), &queried[..1]),
            line(&machine, 7, "held_by_green_context", json!({ "releases": 0 }),
                 &[(GET_STATE, 0), (RELEASE, 800), (GET_STATE, 0), (RETAIN, 0)]),
        ],
    });
    assert_eq!(to_value(guard.report()).unwrap(), expected);
    // The keys come in this order.
    let text = serde_json::to_string(guard.report()).unwrap();
    assert_eq!(text, expected.to_string());
    drop(held);
}

#[test]
fn report_of_a_run_and_of_a_context_that_was_not_restored() {
    let machine = machine_with(&[2, 0, 1]);
    let first = StrayRelease::new().run(machine.driver).unwrap();
    assert_eq!(to_value(&first).unwrap()["kept"], Value::Null);
    machine.stray(&[1, 0, 0]);
    machine.simulator.set_current(Some(0));
    machine.refuse("cuCtxPushCurrent_v2", UNKNOWN);
    machine.refuse_for(1, GET_STATE, UNKNOWN);
    let second = to_value(StrayRelease::new().run(machine.driver).unwrap()).unwrap();
    let error = failed("cuCtxPushCurrent_v2", 0);
    let expected = json!({ "change": "not_restored", "from": 0, "error": error });
    assert_eq!(second["current_context"], expected);
    let taken: Vec<_> = (0..3).map(|index| &second["devices"][index]["taken_before"]).collect();
    assert_eq!(taken, [1, 0, 0]);
    let device = &second["devices"][1];
    assert_eq!((&device["error"], &device["active"]), (&failed(GET_STATE, 1), &Value::Null));
}

#[test]
fn plan_has_every_variant() {
    let machine = machine_with(&[1, 0, 0, 1, 1, 1]);
    let held = machine.retain(4);
    machine.refuse_for(5, GET_STATE, UNKNOWN);
    let policy = releases_up_to(2).keep([machine.device(3)]);
    let with = |ordinal: u32, own: Value| {
        merged([json!({ "ordinal": ordinal, "uuid": uuid(&machine, ordinal) }), own])
    };
    let expected = json!({
        "driver": driver(&machine),
        "dry_run": true,
        "kept": kept(&machine),
        "devices": [
            with(0, json!({ "planned": "release", "at_most": 2 })),
            with(1, json!({ "planned": "keep" })),
            with(2, json!({ "planned": "already_inactive" })),
            with(3, json!({ "planned": "leave_alone" })),
            with(4, json!({ "planned": "held_here", "handles": 1 })),
            with(5, json!({ "planned": "failed", "error": failed(GET_STATE, 5) })),
        ],
    });
    assert_eq!(to_value(policy.plan_retain_only(machine.device(1)).unwrap()).unwrap(), expected);
    drop(held);
    let plan = to_value(releases_up_to(0).plan_run(machine.driver).unwrap()).unwrap();
    assert_eq!(plan["kept"], Value::Null);
    assert_eq!(plan["devices"][0], with(0, json!({ "planned": "leave_active" })));
}

#[test]
fn audit_is_a_list() {
    let machine = machine_with(&[1, 0]);
    machine.refuse_for(1, GET_STATE, UNKNOWN);
    let expected = json!([
        { "ordinal": 0, "uuid": uuid(&machine, 0), "active": true, "flags": 0 },
        { "ordinal": 1, "uuid": uuid(&machine, 1), "error": failed(GET_STATE, 1) },
    ]);
    assert_eq!(to_value(machine.driver.primary_contexts()).unwrap(), expected);
}

/// What loading this driver fails with.
fn of_loading(prepare: impl FnOnce(Builder) -> Builder) -> Error {
    let simulator = prepare(Simulator::builder().visible_devices(None)).start();
    load(simulator.path()).unwrap_err()
}

fn of_a_fork() -> Error {
    let simulator = Simulator::builder().visible_devices(None).start();
    simulator.inject(Fault::of("cuInit", 1).code(3).refused().once());
    load(simulator.path()).unwrap_err()
}

#[test]
fn every_error_has_the_same_keys() {
    let (machine, other) = (machine(1), machine(1));
    let device = machine.device(0);
    let context = PrimaryContext::retain(device).unwrap();
    let scope = context.make_current().unwrap();
    machine.create_context(0);
    let without = |symbol: &'static str| move |builder: Builder| builder.without(&[symbol]);
    let elsewhere = StrayRelease::new().keep([other.device(0)]);
    let errors = [
        (
            scope.leave().unwrap_err(),
            json!(["not_current", null, 0, null, null]),
            "The context of device 0 was not current when its scope ended.",
        ),
        (
            load("/nowhere/libcuda.so.1").unwrap_err(),
            json!(["library_not_found", null, null, null, null]),
            "(/nowhere/libcuda.so.1: cannot open shared object file",
        ),
        (
            load("libc.so.6").unwrap_err(),
            json!(["not_a_driver", null, null, null, null]),
            "libc.so.6 is not a CUDA driver: it has no cuInit.",
        ),
        (
            of_loading(|builder| without(RELEASE)(builder.driver_version(10_010))),
            json!(["driver_too_old", null, null, null, null]),
            "it supports CUDA 10.1, and the function came with CUDA 11.0. Install a newer driver.",
        ),
        // The very version that introduced the function should have it.
        (
            of_loading(|builder| without(RELEASE)(builder.driver_version(11_000))),
            json!(["function_missing", null, null, null, null]),
            "has no cuDevicePrimaryCtxRelease_v2, although it supports CUDA 11.0 and the function came \
             with CUDA 11.0.",
        ),
        (
            of_loading(|builder| builder.stub()),
            json!(["stub_library", "cuInit", null, 34, "CUDA_ERROR_STUB_LIBRARY"]),
            "this libcuda is the toolkit's stub, made for linking alone",
        ),
        (
            of_loading(|builder| builder.devices(0)),
            json!(["no_device", "cuInit", null, 100, "CUDA_ERROR_NO_DEVICE"]),
            "shows this process no device: check CUDA_VISIBLE_DEVICES",
        ),
        (
            of_a_fork(),
            json!(["forked_after_init", null, null, 3, "CUDA_ERROR_NOT_INITIALIZED"]),
            "initialised, so that every driver call fails",
        ),
        (
            machine.driver.device(7).unwrap_err(),
            json!(["no_such_device", null, 7, null, null]),
            "Device 7 does not exist: this process sees only device 0 (after CUDA_VISIBLE_DEVICES).",
        ),
        (
            machine.driver.device_from_raw(-7).unwrap_err(),
            json!(["unknown_device", null, null, null, null]),
            "No device with the handle -7: it is not among the 1 that this process sees",
        ),
        (
            elsewhere.plan_retain_only(device).unwrap_err(),
            json!(["other_driver", null, 0, null, null]),
            "Device 0, which the policy keeps, belongs to another driver library",
        ),
    ];
    for (error, expected, part) in errors {
        let message = error.to_string();
        assert!(message.contains(part), "{message}");
        let value = to_value(&error).unwrap();
        let object = value.as_object().unwrap();
        let keys: Vec<&String> = object.keys().collect();
        assert_eq!(keys, ["kind", "call", "device", "code", "name", "message"], "{error}");
        let values: Vec<&Value> = object.values().collect();
        assert_eq!(json!(values[..5]), expected, "{error}");
        assert_eq!(*values[5], message);
    }
}
