//! Faults to inject.

use crate::library;

/// One fault: which call it hits, and what that call returns.
///
/// The default is to hit once, on any device, and to refuse with 999 (`CUDA_ERROR_UNKNOWN`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    pub(crate) function: Option<String>,
    pub(crate) nth: u64,
    pub(crate) device: Option<u32>,
    pub(crate) code: u32,
    pub(crate) done_then_reported: bool,
    pub(crate) from_then_on: bool,
}

impl Fault {
    /// The `k`-th driver call of any function, counted from 1 and from the moment the fault is
    /// injected.
    pub fn at_call(k: u64) -> Self {
        Self {
            function: None,
            nth: k,
            device: None,
            code: 999,
            done_then_reported: false,
            from_then_on: false,
        }
    }

    /// The `n`-th call of one exported function, counted the same way.
    pub fn of(function: &str, n: u64) -> Self {
        Self { function: Some(function.to_owned()), ..Self::at_call(n) }
    }

    /// Panics for a fault that cannot be.
    #[track_caller]
    pub(crate) fn check(&self) {
        if let Some(function) = &self.function {
            library::index_of(function);
        }
        assert!(self.nth != 0, "calls are counted from 1, so none is number 0");
    }

    /// As `SIMULATED_CUDA_FAULT` says it.
    pub(crate) fn as_setting(&self) -> String {
        let Self { function, nth, device, code, .. } = self;
        let function = function.as_deref().unwrap_or("any");
        let effect = if self.done_then_reported { "done" } else { "refused" };
        let persistence = if self.from_then_on { "from_then_on" } else { "once" };
        let device = device.map_or_else(String::new, |device| format!(":{device}"));
        format!("{function}:{nth}:{code}:{effect}:{persistence}{device}")
    }

    /// Only calls that are about this device match, and only they are counted.
    pub fn device(self, device: u32) -> Self {
        Self { device: Some(device), ..self }
    }

    /// The `CUresult` to return; any number, known to a header or not.
    pub fn code(self, code: u32) -> Self {
        Self { code, ..self }
    }

    /// Nothing is done, and outputs stay as the caller left them.
    pub fn refused(self) -> Self {
        Self { done_then_reported: false, ..self }
    }

    /// The call acts, and then returns the code: CUDA functions may return errors of earlier,
    /// asynchronous work.
    pub fn done_then_reported(self) -> Self {
        Self { done_then_reported: true, ..self }
    }

    /// Hits one call.
    pub fn once(self) -> Self {
        Self { from_then_on: false, ..self }
    }

    /// Hits every matching call from the `n`-th on, like an error that sticks to the process.
    pub fn from_then_on(self) -> Self {
        Self { from_then_on: true, ..self }
    }
}
