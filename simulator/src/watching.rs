//! Faults in the calls of clients, and what can be seen of the calls.

use crate::call::{Call, UNKNOWN_FUNCTION};
use crate::control::{Counters, RawCall};
use crate::fault::Fault;
use crate::library;
use crate::simulator::Simulator;

impl Simulator {
    /// Arms a fault, beside those already armed. The first armed that is due decides what a call returns.
    ///
    /// # Panics
    ///
    /// When the fault names a function that the simulated driver does not export, or call number 0.
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
        self.counters().faults_fired
    }

    /// Starts or stops keeping a list of the calls. Off at first.
    pub fn record_calls(&self, on: bool) {
        (self.controls.record_calls)(on.into())
    }

    /// The calls recorded so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let mut raw = Vec::new();
        loop {
            // SAFETY: the pointer is to as many entries of the C layout as the count says.
            let count = unsafe { (self.controls.calls)(raw.as_mut_ptr(), raw.len() as u64) };
            let count = usize::try_from(count).expect("calls that fit in memory");
            if count <= raw.len() {
                raw.truncate(count);
                return raw.iter().map(call).collect();
            }
            raw.resize(count, RawCall::default());
        }
    }

    /// Forgets the calls recorded so far.
    pub fn clear_calls(&self) {
        (self.controls.clear_calls)()
    }

    /// How often an exported function was called, whatever it returned.
    ///
    /// # Panics
    ///
    /// When the simulated driver exports no such function.
    #[must_use]
    #[track_caller]
    pub fn count(&self, function: &str) -> u64 {
        let index = library::index_of(function);
        (self.controls.count)(u32::try_from(index).expect("a small table"))
    }

    /// How many calls were made in all, whatever they returned.
    #[must_use]
    pub fn total_calls(&self) -> u64 {
        self.counters().total_calls
    }

    /// How many releases found no reference left, by anybody and through either generation.
    #[must_use]
    pub fn underflows(&self) -> u64 {
        self.counters().underflows
    }

    fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        // SAFETY: the pointer is to counters of the C layout.
        unsafe { (self.controls.counters)(&raw mut counters) };
        counters
    }
}

fn call(raw: &RawCall) -> Call {
    Call {
        function: library::entry_points()
            .nth(raw.function as usize)
            .map_or(UNKNOWN_FUNCTION, |entry| entry.symbol),
        device: u32::try_from(raw.device).ok(),
        code: raw.code,
        pid: raw.pid,
        tid: raw.tid,
    }
}
