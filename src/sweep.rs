//! One walk over the devices that are not kept, releasing the stale ones.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::current_context::{self, Raw, ThreadContext};
use crate::device::Device;
use crate::error::Error;
use crate::line::Line;
use crate::loaded::Ledger;
use crate::primary_context::{PrimaryContext, release_once};
use crate::report::{CurrentContextChange, Report};
use crate::stale_release::StaleRelease;
use crate::sys::CUresult;

/// The walk, under the lock for retains and releases.
pub(crate) struct Sweep<'a> {
    kept: &'a PrimaryContext,
    policy: &'a StaleRelease,
    ledger: &'a Ledger,
    /// What the calling thread has current; asked before the first release.
    thread: Option<ThreadContext>,
    /// The context that the calling thread was moved off, with its device.
    left: Option<(Device, Raw)>,
    pub(crate) change: CurrentContextChange,
    /// Why the thread could not be moved off a context.
    pub(crate) failure: Option<Error>,
}

impl<'a> Sweep<'a> {
    pub(crate) fn new(
        kept: &'a PrimaryContext,
        policy: &'a StaleRelease,
        ledger: &'a Ledger,
    ) -> Self {
        let change = CurrentContextChange::Unchanged;
        Self { kept, policy, ledger, thread: None, left: None, change, failure: None }
    }

    /// Deals with one device after the other.
    #[inline]
    pub(crate) fn one_by_one(&mut self, report: &mut Report) {
        for device in self.kept.device().driver().devices() {
            let mut line = self.assess(device);
            if line.is_pending() {
                line = drain(device, line, self.policy.releases());
                self.restore(device, line);
            }
            report.push(line);
        }
    }

    /// Assesses every device, then releases the stale ones on several threads, this one among them.
    pub(crate) fn all_at_once(&mut self, report: &mut Report, threads: u32) {
        let driver = self.kept.device().driver();
        for device in driver.devices() {
            report.push(self.assess(device));
        }
        drain_on_threads(report, threads, self.policy.releases());
        if let Some((device, _)) = self.left {
            self.restore(device, report.line(device));
        }
    }

    /// Decides about one device, and makes sure of the calling thread where it is to be released.
    #[inline]
    fn assess(&mut self, device: Device) -> Line {
        if device == self.kept.device() {
            return Line::RETAINED;
        }
        let line = assess(device, self.policy, self.ledger);
        if !line.is_pending() {
            return line;
        }
        match self.leave(device) {
            Ok(()) => line,
            Err(error) => {
                self.failure = Some(error);
                line.thread_failed()
            }
        }
    }

    /// Sees to it that the calling thread is not on a context of this device.
    fn leave(&mut self, device: Device) -> Result<(), Error> {
        let thread = match (self.thread, &self.failure) {
            (Some(known), _) => known,
            (None, Some(failure)) => return Err(failure.clone()),
            (None, None) => ThreadContext::query(device.loaded())?,
        };
        let left = match thread {
            ThreadContext::Of(handle, raw) if handle == device.as_raw() => Some((device, raw)),
            ThreadContext::Destroyed => None,
            ThreadContext::Nothing | ThreadContext::Of(..) => {
                self.thread = Some(thread);
                return Ok(());
            }
        };
        // Should it not be possible to leave this device's context, others may still be released;
        // a thread on a context of nobody knows which device cannot be helped at all.
        self.thread = left.map(|_| thread);
        let (kept, context) = (self.kept.device(), self.kept.into());
        current_context::replace(kept, context)?;
        self.thread = Some(ThreadContext::Of(kept.as_raw(), context));
        self.left = left;
        self.change = CurrentContextChange::Switched { from: left.map(|(device, _)| device) };
        Ok(())
    }

    /// Makes the thread's context what it was, if its device was released and is still active.
    fn restore(&mut self, device: Device, line: Line) {
        match self.left {
            Some((left, raw)) if left == device && line.is_still_active() => {
                self.change = match current_context::replace(device, raw) {
                    Ok(()) => CurrentContextChange::Unchanged,
                    Err(error) => CurrentContextChange::NotRestored(error),
                };
            }
            _ => {}
        }
    }
}

/// Decides about one device that is not the one to keep: a line that says all, or a pending one for
/// a device to release.
#[inline]
pub(crate) fn assess(device: Device, policy: &StaleRelease, ledger: &Ledger) -> Line {
    if policy.keeps(device) {
        return Line::UNTOUCHED;
    }
    let mut line = Line::PENDING;
    match device.query_state() {
        Err(code) => {
            line.record(code);
            return line.failed();
        }
        Ok(state) => {
            line.record(CUresult::CUDA_SUCCESS);
            if !state.active {
                return line.inactive();
            }
        }
    }
    match ledger[device.ordinal() as usize] {
        0 if policy.releases() == 0 => line.still_active(),
        0 => line,
        handles => line.held(handles),
    }
}

/// Releases one stale device, asking for its state after every release.
fn drain(device: Device, mut line: Line, limit: u32) -> Line {
    loop {
        if !line.record_release(release_once(device)) {
            return match line.last() {
                // Somebody else released the last reference since the state was read.
                CUresult::CUDA_ERROR_INVALID_CONTEXT => line.inactive(),
                _ => line.failed(),
            };
        }
        match device.query_state() {
            Err(code) => {
                line.record(code);
                return line.failed();
            }
            Ok(state) => {
                line.record(CUresult::CUDA_SUCCESS);
                if !state.active {
                    return line.inactive();
                }
            }
        }
        if line.number() == limit {
            return line.still_active();
        }
    }
}

/// Releases the pending devices of a report on at most this many threads, this one among them.
fn drain_on_threads(report: &mut Report, threads: u32, limit: u32) {
    let pending = report.lines_mut().filter(|(_, line)| line.is_pending());
    let stale = u32::try_from(pending.count()).unwrap_or(u32::MAX);
    let queue = Mutex::new(report.lines_mut().filter(|(_, line)| line.is_pending()));
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((device, line)) = next else { return };
            *line = drain(device, *line, limit);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(stale) {
            // A thread that cannot be had is one fewer; this one does what is left.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}
