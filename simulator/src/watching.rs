//! Faults in the calls of clients, and what can be seen of the calls.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::call::{Call, LOG_NAME};
use crate::control::Number;
use crate::fault::Fault;
use crate::library;
use crate::simulator::Simulator;

impl Simulator {
    /// Arms a fault, beside those already armed. The first armed that is due decides what a call returns.
    #[track_caller]
    pub fn inject(&self, fault: Fault) {
        fault.check();
        let setting = fault.as_setting();
        let armed = self.controls.set("SIMULATED_CUDA_FAULT", setting.as_ref());
        assert!(armed.is_ok(), "the fault {setting}: {armed:?}");
    }

    /// Disarms every fault and forgets how many fired.
    pub fn clear_faults(&self) {
        (self.controls.clear_faults)()
    }

    /// How many calls the armed faults have hit.
    #[must_use]
    pub fn faults_fired(&self) -> u64 {
        self.number(Number::FaultsFired, 0)
    }

    /// Starts or stops logging the calls. Off at first.
    #[track_caller]
    pub fn record_calls(&self, on: bool) {
        let file = if on { self.log().into_os_string() } else { OsString::new() };
        let set = self.controls.set("SIMULATED_CUDA_LOG", &file);
        assert!(set.is_ok(), "the log {file:?}: {set:?}");
    }

    /// The calls logged so far, oldest first, those of forked children too.
    #[must_use]
    #[track_caller]
    pub fn calls(&self) -> Vec<Call> {
        Call::read_log(&self.log()).expect("a log that can be read")
    }

    /// Forgets the calls logged so far.
    #[track_caller]
    pub fn clear_calls(&self) {
        let emptied = fs::write(self.log(), "");
        assert!(emptied.is_ok(), "the log cannot be emptied: {emptied:?}");
    }

    fn log(&self) -> PathBuf {
        self.path().with_file_name(LOG_NAME)
    }

    /// How often an exported function was called, whatever it returned.
    #[must_use]
    #[track_caller]
    pub fn count(&self, function: &str) -> u64 {
        self.number(Number::Calls, library::index_of(function) as u32)
    }

    /// How many calls were made in all, whatever they returned.
    #[must_use]
    pub fn total_calls(&self) -> u64 {
        self.number(Number::TotalCalls, 0)
    }

    /// How many releases found no reference left, by anybody and through either generation.
    #[must_use]
    pub fn underflows(&self) -> u64 {
        self.number(Number::Underflows, 0)
    }
}
