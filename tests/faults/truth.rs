//! What is so, call by call: the references, the states and the thread's stack as the driver was
//! measured to treat them. It goes by what reached the driver, never by an answer.

use simulated_libcuda::StackEntry;

use super::log::{Entry, INVALID_CONTEXT, NOT_PERMITTED, RELEASE, RETAIN};
use super::stage::View;

/// One device's primary context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Primary {
    pub references: u32,
    /// Living green contexts, each of which took one of the references when it was made.
    pub greens: u32,
    pub active: bool,
}

/// A context on the thread's stack. One that is not primary lives throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    pub device: u32,
    pub primary: bool,
}

impl From<&StackEntry> for Context {
    fn from(entry: &StackEntry) -> Self {
        Self { device: entry.device, primary: entry.is_primary }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    pub primaries: Vec<Primary>,
    /// The bottom first.
    pub stack: Vec<Context>,
    /// Releases that found no reference.
    pub underflows: u64,
}

impl Truth {
    pub fn of(view: &View) -> Self {
        Self {
            primaries: view.primaries.clone(),
            stack: view.stack.iter().map(Context::from).collect(),
            underflows: view.underflows,
        }
    }

    pub fn primary(&self, device: u32) -> Primary {
        self.primaries[device as usize]
    }

    pub fn is_alive(&self, context: Context) -> bool {
        !context.primary || self.primary(context.device).active
    }

    pub fn retain(&mut self, device: u32) {
        let primary = &mut self.primaries[device as usize];
        primary.references += 1;
        primary.active = true;
    }

    /// A release, and what the driver answers to it: one that takes the last reference while a green
    /// context lives answers 800 and leaves the context active.
    pub fn release(&mut self, device: u32) -> u32 {
        let primary = &mut self.primaries[device as usize];
        if primary.references == 0 {
            self.underflows += 1;
            return INVALID_CONTEXT;
        }
        primary.references -= 1;
        if primary.references > 0 || !primary.active {
            return 0;
        }
        primary.active = primary.greens > 0;
        if primary.active { NOT_PERMITTED } else { 0 }
    }

    /// What retains and releases leave. The thread's calls change nothing here.
    pub fn replay(&mut self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.reached) {
            match (entry.function, entry.device) {
                (RETAIN, Some(device)) => self.retain(device),
                (RELEASE, Some(device)) => {
                    self.release(device);
                }
                _ => {}
            }
        }
    }

    /// As `cuCtxSetCurrent`.
    pub fn set_current(&mut self, context: Context) {
        let _ = self.stack.pop();
        self.stack.push(context);
    }
}
