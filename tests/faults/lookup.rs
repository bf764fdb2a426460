//! Trials of looking a function up, each on a driver of its own: nothing is kept of a look-up.

use cuda_primary_context::sys::functions::cuCtxGetId_v12000 as FUNCTION;
use cuda_primary_context::{Driver, Error};
use simulated_libcuda::{Builder, Knob, Simulator};

use super::complaint::{Complaints, Rule};
use super::injection::Injection;
use super::log::{Entry, entries};
use super::trial::Finding;

/// Calls of a look-up that succeeds.
pub const CLEAN_CALLS: usize = 1;

/// What the first generation of the look-up answers for a function that the driver lacks.
pub const NOT_FOUND: u32 = 500;

pub fn trial(builder: Builder, fault: Option<Injection>) -> Finding {
    let simulator = builder.visible_devices(None).knob(Knob::SpoilOutputs, 1).start();
    let driver = Driver::load_from(simulator.path()).expect("the simulator loads");
    let mut complaints = Complaints::default();
    simulator.record_calls(true);
    fault.into_iter().for_each(|fault| fault.arm(&simulator));
    let error = driver.function(FUNCTION).err();
    let fired = simulator.faults_fired();
    simulator.clear_faults();
    simulator.record_calls(false);
    let faults: Vec<Injection> = fault.into_iter().collect();
    let entries = entries(&simulator.calls(), &faults);

    let failed = entries.iter().find(|entry| entry.failed());
    complaints.unless(is_told(error.as_ref(), failed), Rule::EveryFailureIsTold, || {
        format!("{error:?} of {entries:?}")
    });
    again(driver, &simulator, &mut complaints);
    Finding { complaints, calls: entries.len(), fired }
}

fn is_told(error: Option<&Error>, failed: Option<&Entry>) -> bool {
    match (error, failed) {
        (None, None) => true,
        (Some(error), Some(entry)) if entry.code == NOT_FOUND => error.kind() == "function_missing",
        (Some(error), Some(entry)) => *error == entry.error(),
        _ => false,
    }
}

/// The driver is asked again, whatever it answered.
fn again(driver: Driver, simulator: &Simulator, complaints: &mut Complaints) {
    let before = simulator.total_calls();
    let answer = driver.function(FUNCTION);
    complaints.unless(answer.is_ok(), Rule::SucceedsAfterwards, || format!("{:?}", answer.err()));
    let calls = (simulator.total_calls() - before) as usize;
    complaints.unless(calls == CLEAN_CALLS, Rule::AsDesigned, || format!("{calls} calls"));
}
