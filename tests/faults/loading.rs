//! Trials of loading a driver, each on one of its own: what is loaded once stays loaded.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cuda_primary_context::sys::{CUuuid, functions};
use cuda_primary_context::{Driver, Error};
use simulated_libcuda::{Knob, Simulator};

use super::benign::OF_INIT;
use super::complaint::{Complaints, Rule};
use super::injection::Injection;
use super::log::{Entry, entries};
use super::trial::Finding;
use crate::support::load;

/// The calls of a load that succeeds.
pub fn clean_calls(devices: u32) -> Vec<&'static str> {
    let each = (0..devices).map(|_| "cuDeviceGet");
    ["cuInit", "cuDriverGetVersion", "cuDeviceGetCount"].into_iter().chain(each).collect()
}

pub fn trial(devices: u32, fault: Option<Injection>) -> Finding {
    let builder = Simulator::builder().devices(devices).visible_devices(None);
    let simulator = builder.knob(Knob::SpoilOutputs, 1).start();
    let mut complaints = Complaints::default();
    simulator.record_calls(true);
    fault.into_iter().for_each(|fault| fault.arm(&simulator));
    let answer = catch_unwind(AssertUnwindSafe(|| load(simulator.path())));
    let fired = simulator.faults_fired();
    simulator.clear_faults();
    simulator.record_calls(false);
    let faults: Vec<Injection> = fault.into_iter().collect();
    let entries = entries(&simulator.calls(), &faults);
    match &answer {
        Err(_) => complaints.unless(false, Rule::NoPanic, || "loading panicked".into()),
        Ok(answer) => told(answer, &entries, &mut complaints),
    }
    // A failure is not kept, and a second load of a loaded driver calls nothing.
    let before = simulator.total_calls();
    match load(simulator.path()) {
        Ok(driver) => {
            let calls = (simulator.total_calls() - before) as usize;
            let wanted = if matches!(answer, Ok(Ok(_))) { 0 } else { clean_calls(devices).len() };
            complaints.unless(calls == wanted, Rule::AsDesigned, || format!("{calls} calls"));
            enumerated(driver, devices, &simulator, &mut complaints);
        }
        Err(error) => {
            complaints.unless(false, Rule::SucceedsAfterwards, || error.to_string());
        }
    }
    let references: u32 = (0..devices).map(|device| simulator.references(device)).sum();
    complaints.unless(references == 0, Rule::Balance, || "loading retained something".into());
    complaints.unless(simulator.stack().is_empty(), Rule::Thread, || "something is current".into());
    let calls = entries.iter().map(|entry| entry.function).collect();
    Finding { complaints, calls, fired }
}

/// The first failure is the answer, and nothing is called after it.
pub fn told<T: Debug>(answer: &Result<T, Error>, entries: &[Entry], complaints: &mut Complaints) {
    let failed = entries.iter().position(Entry::failed);
    let holds = match (failed, answer) {
        (None, Ok(_)) => true,
        (Some(failed), Err(error)) => {
            failed + 1 == entries.len() && is_told(error, &entries[failed])
        }
        _ => false,
    };
    complaints.unless(holds, Rule::EveryFailureIsTold, || format!("{answer:?} of {entries:?}"));
}

fn is_told(error: &Error, entry: &Entry) -> bool {
    let own = OF_INIT.iter().find(|(code, _)| entry.is("cuInit") && *code == entry.code);
    match own {
        None => *error == entry.error(),
        Some((code, kind)) => {
            error.kind() == *kind && error.code().is_some_and(|told| told.0 == *code)
        }
    }
}

/// The devices are those of the driver, and having them calls nothing.
fn enumerated(driver: Driver, devices: u32, simulator: &Simulator, complaints: &mut Complaints) {
    let before = simulator.total_calls();
    let ordinals: Vec<u32> = driver.devices().map(|device| device.ordinal()).collect();
    let handles: Vec<i32> = driver.devices().map(|device| device.as_raw()).collect();
    let holds = ordinals.iter().copied().eq(0..devices)
        && driver.device_count() == devices
        && driver.version().raw() == 13000;
    complaints.unless(holds, Rule::Truth, || format!("{driver:?} with {ordinals:?}"));
    complaints.unless(simulator.total_calls() == before, Rule::AsDesigned, || "it called".into());
    complaints.unless(handles == handles_of(driver, devices), Rule::Truth, || {
        format!("the handles are {handles:?}")
    });
    let truths = uuids_of(driver);
    for device in driver.devices() {
        let by_handle = driver.device_from_raw(device.as_raw());
        complaints.unless(by_handle == Ok(device), Rule::Truth, || format!("it is {by_handle:?}"));
        let uuid = device.uuid().map(|uuid| *uuid.as_bytes());
        let truth = truths[device.ordinal() as usize];
        complaints.unless(uuid == Ok(truth), Rule::Truth, || format!("{uuid:?} is not {truth:?}"));
    }
}

/// What `cuDeviceGet` gives.
fn handles_of(driver: Driver, devices: u32) -> Vec<i32> {
    let device_get = driver.function(functions::cuDeviceGet_v2000).unwrap();
    let handle = |ordinal: u32| {
        let mut handle = -1;
        // SAFETY: the out-parameter is ours.
        let code = unsafe { device_get(&mut handle, ordinal as i32) };
        assert!(code.is_success(), "cuDeviceGet answers {code}");
        handle
    };
    (0..devices).map(handle).collect()
}

/// What `cuDeviceGetUuid` gives for each device; the simulated devices are no MIG instances.
pub fn uuids_of(driver: Driver) -> Vec<[u8; 16]> {
    let get_uuid = driver.function(functions::cuDeviceGetUuid_v9020).unwrap();
    let uuid = |handle: i32| {
        let mut uuid = CUuuid { bytes: [0; 16] };
        // SAFETY: the out-parameter is ours, the handle is the driver's own.
        let code = unsafe { get_uuid(&mut uuid, handle) };
        assert!(code.is_success(), "cuDeviceGetUuid answers {code}");
        uuid.bytes.map(|byte| byte as u8)
    };
    driver.devices().map(|device| uuid(device.as_raw())).collect()
}
