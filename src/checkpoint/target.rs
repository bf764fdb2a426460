//! The process that is suspended and resumed: its id, and whether it still is that process.

use crate::checkpoint::calls::{Calls, GET_STATE};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::identity::{Identity, pid_inside};
use crate::checkpoint::state::State;
use crate::driver::process::Process as Maker;
use crate::sys::CUresult;

pub(super) struct Target {
    pub(super) calls: Calls,
    pub(super) pid: u32,
    identity: Identity,
    /// The process that made the handle. In a child of it, the handle stands for nothing.
    maker: Maker,
}

impl Target {
    /// # Errors
    /// Those of [`Identity::of`].
    pub(super) fn new(calls: Calls, pid: u32) -> Result<Self, CheckpointError> {
        Ok(Self { calls, pid, identity: Identity::of(pid)?, maker: Maker::current() })
    }

    /// Whether the handle still stands for the process for which it was made.
    pub(super) fn check(&self) -> Result<(), CheckpointError> {
        let pid = self.pid;
        if !self.maker.is_this_one() {
            return Err(CheckpointError::ForkedController { pid });
        }
        if self.identity.is_still(pid) { Ok(()) } else { Err(CheckpointError::Ended { pid }) }
    }

    /// The result of a call as an error, or nothing.
    pub(super) fn checked(
        &self,
        call: &'static str,
        code: CUresult,
    ) -> Result<(), CheckpointError> {
        let pid = self.pid;
        if code.is_success() {
            return Ok(());
        }
        // The code does not show whether the process ended meanwhile.
        if self.check().is_err() {
            return Err(CheckpointError::Ended { pid });
        }
        Err(CheckpointError::Call { call, pid, code, state: None, pid_inside: pid_inside(pid) })
    }

    pub(super) fn state(&self) -> Result<State, CheckpointError> {
        self.check()?;
        let (code, state) = self.calls.get_state(self.pid);
        self.checked(GET_STATE, code)?;
        Ok(state.into())
    }
}
