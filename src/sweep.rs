//! One walk over the devices that are not kept, releasing the stale ones.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::current_context::{self, Raw, ThreadContext};
use crate::device::Device;
use crate::driver::Driver;
use crate::error::Error;
use crate::line::{End, Line, Lines};
use crate::loaded::Ledger;
use crate::primary_context::{PrimaryContext, release_once};
use crate::report::{Report, ThreadChange};
use crate::stale_release::StaleRelease;
use crate::sys::CUresult;

/// The walk, under the lock for retains and releases.
pub(crate) struct Sweep<'a> {
    kept: Device,
    context: Raw,
    policy: &'a StaleRelease,
    ledger: &'a Ledger,
    report: &'a mut Report,
    /// What the calling thread has current; asked before the first release.
    thread: Option<ThreadContext>,
    /// The context that the calling thread was moved off, with its device.
    left: Option<(Device, Raw)>,
}

impl<'a> Sweep<'a> {
    #[inline]
    pub(crate) fn new(
        kept: &PrimaryContext,
        policy: &'a StaleRelease,
        ledger: &'a Ledger,
        report: &'a mut Report,
    ) -> Self {
        let (kept, context) = (kept.device(), kept.into());
        Self { kept, context, policy, ledger, report, thread: None, left: None }
    }

    /// Deals with every device, in the order of the ordinals: with one after the other, or first
    /// with the states of all and then with the stale ones on several threads.
    #[inline]
    pub(crate) fn run(mut self) {
        let Self { kept, policy, ledger, .. } = self;
        let threads = policy.release_threads();
        for device in kept.driver().devices() {
            if device.ordinal() == kept.ordinal() {
                continue;
            }
            // An inactive device needs no line.
            let Some(line) = assess(device, policy, ledger) else { continue };
            let line = match line.end() {
                End::Pending => self.release(device, threads),
                _ => line,
            };
            self.report.lines.add(device, line);
        }
        if threads > 1 {
            self.release_on_threads(threads);
        }
    }

    /// Releases one device, or leaves it pending for the threads that will.
    #[inline]
    fn release(&mut self, device: Device, threads: u32) -> Line {
        if !self.is_off(device) {
            if let Err(error) = self.leave(device) {
                self.report.failure = Some(error.into());
                return Line::asked(End::ThreadFailed);
            }
        }
        if threads > 1 {
            return Line::asked(End::Pending);
        }
        let line = drain(device, self.policy.releases());
        if self.left.is_some() {
            self.restore(device, line);
        }
        line
    }

    /// Releases the pending devices on at most this many threads, this one among them.
    #[cold]
    fn release_on_threads(&mut self, threads: u32) {
        let lines = &mut self.report.lines;
        drain_on_threads(self.kept.driver(), lines, threads, self.policy.releases());
        if let Some((device, _)) = self.left {
            self.restore(device, self.report.lines.of(device));
        }
    }

    /// Whether the calling thread is known to be on no context of this device.
    #[inline]
    fn is_off(&self, device: Device) -> bool {
        match self.thread {
            Some(ThreadContext::Nothing) => true,
            Some(ThreadContext::Of(handle, _)) => handle != device.as_raw(),
            Some(ThreadContext::Destroyed) | None => false,
        }
    }

    /// Sees to it that the calling thread is not on a context of this device.
    #[inline(never)]
    fn leave(&mut self, device: Device) -> Result<(), Error> {
        let thread = match (self.thread, &self.report.failure) {
            (Some(known), _) => known,
            (None, Some(failure)) => return Err((**failure).clone()),
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
        current_context::replace(self.kept, self.context)?;
        self.thread = Some(ThreadContext::Of(self.kept.as_raw(), self.context));
        self.left = left;
        self.report.change = ThreadChange::Switched { from: left.map(|(device, _)| device) };
        Ok(())
    }

    /// Makes the thread's context what it was, if its device was released and is still active.
    #[cold]
    fn restore(&mut self, device: Device, line: Line) {
        match self.left {
            Some((left, raw)) if left == device && line.end() == End::Active => {
                self.report.change = match current_context::replace(device, raw) {
                    Ok(()) => ThreadChange::Unchanged,
                    Err(error) => ThreadChange::NotRestored(error.into()),
                };
            }
            _ => {}
        }
    }
}

/// Decides about one device that is not the one to keep: nothing for an inactive one, a line that
/// says all, or a pending one for a device to release.
#[inline]
pub(crate) fn assess(device: Device, policy: &StaleRelease, ledger: &Ledger) -> Option<Line> {
    if policy.keeps(device) {
        return Some(Line::UNTOUCHED);
    }
    let (code, state) = device.query_state();
    if !code.is_success() {
        return Some(Line::asked(End::Failed(code)));
    }
    if !state.active {
        return None;
    }
    Some(Line::asked(match ledger[device.ordinal() as usize] {
        0 if policy.releases() == 0 => End::Active,
        0 => End::Pending,
        handles => End::Held(handles),
    }))
}

/// Releases one stale device, asking for its state after every release.
#[inline]
fn drain(device: Device, limit: u32) -> Line {
    // The state was asked for before.
    let mut calls = 1;
    loop {
        let code = release_once(device);
        calls += 1;
        if !code.is_success() {
            let end = match code {
                CUresult::CUDA_ERROR_INVALID_CONTEXT => End::Taken,
                code => End::Failed(code),
            };
            return Line::new(end, calls);
        }
        let (code, state) = device.query_state();
        calls += 1;
        let end = match () {
            () if !code.is_success() => End::Failed(code),
            () if !state.active => End::Inactive,
            () if calls / 2 == limit => End::Active,
            () => continue,
        };
        return Line::new(end, calls);
    }
}

/// Releases the pending devices on at most this many threads, this one among them.
fn drain_on_threads(driver: Driver, lines: &mut Lines, threads: u32, limit: u32) {
    let stale = u32::try_from(lines.pending(driver).count()).unwrap_or(u32::MAX);
    let queue = Mutex::new(lines.pending(driver));
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((device, line)) = next else { return };
            *line = drain(device, limit);
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
