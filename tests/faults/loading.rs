//! Trials of loading a driver, each on one of its own: what is loaded once stays loaded.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cuda_primary_context::{Driver, Error};
use simulated_libcuda::{Knob, Simulator};

use super::benign::OF_INIT;
use super::complaint::{Complaints, Rule};
use super::injection::Injection;
use super::log::{Entry, entries};
use super::trial::Finding;

/// Calls of a load that succeeds: cuInit, the version, the count, and one for each device.
pub fn clean_calls(devices: u32) -> usize {
    3 + devices as usize
}

pub fn trial(devices: u32, fault: Option<Injection>) -> Finding {
    let builder = Simulator::builder().devices(devices).visible_devices(None);
    let simulator = builder.knob(Knob::SpoilOutputs, 1).start();
    let mut complaints = Complaints::default();
    simulator.record_calls(true);
    fault.into_iter().for_each(|fault| fault.arm(&simulator));
    let answer = catch_unwind(AssertUnwindSafe(|| Driver::load_from(simulator.path())));
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
    match Driver::load_from(simulator.path()) {
        Ok(driver) => {
            let calls = (simulator.total_calls() - before) as usize;
            let wanted = if matches!(answer, Ok(Ok(_))) { 0 } else { clean_calls(devices) };
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
    Finding { complaints, calls: entries.len(), fired }
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
    let handles = driver.devices().map(|device| device.as_raw() as u32);
    let holds = ordinals.iter().copied().eq(0..devices)
        && handles.eq(0..devices)
        && driver.device_count() == devices
        && driver.version() == 13000;
    complaints.unless(holds, Rule::Truth, || format!("{driver:?} with {ordinals:?}"));
    complaints.unless(simulator.total_calls() == before, Rule::AsDesigned, || "it called".into());
}
