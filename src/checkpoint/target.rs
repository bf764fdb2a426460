//! The process that is suspended and resumed: its id, and whether it still is that process.

use std::ffi::c_int;
use std::path::Path;

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::identity::{Identity, pid_inside};
use crate::driver::functions::CheckpointFunctions;
use crate::driver::library::Library;
use crate::driver::process::Process as Maker;
use crate::sys::CUresult;

pub(super) struct Target {
    pub(super) functions: CheckpointFunctions,
    pub(super) pid: u32,
    identity: Identity,
    /// The process that made the handle. In a child of it, the handle stands for nothing.
    maker: Maker,
}

impl Target {
    /// Finds the process and the driver's functions. Does not call `cuInit`.
    ///
    /// # Errors
    /// [`CheckpointError::Load`], and those of [`Identity::of`].
    pub(super) fn new(library: &Library, path: &Path, pid: u32) -> Result<Self, CheckpointError> {
        let functions = CheckpointFunctions::resolve(library, path)?;
        Ok(Self { functions, pid, identity: Identity::of(pid)?, maker: Maker::current() })
    }

    /// Whether the handle still stands for the process for which it was made.
    fn check(&self) -> Result<(), CheckpointError> {
        let pid = self.pid;
        if !self.maker.is_this_one() {
            return Err(CheckpointError::ForkedController { pid });
        }
        if self.identity.is_still(pid) { Ok(()) } else { Err(CheckpointError::Ended { pid }) }
    }

    /// Makes a call, if the handle still stands for the process, and returns its code.
    pub(super) fn call_for_code(
        &self,
        make: impl FnOnce(c_int) -> CUresult,
    ) -> Result<CUresult, CheckpointError> {
        self.check()?;
        Ok(make(self.pid as c_int))
    }

    /// Makes a call, if the handle still stands for the process.
    pub(super) fn call(
        &self,
        call: &'static str,
        make: impl FnOnce(c_int) -> CUresult,
    ) -> Result<(), CheckpointError> {
        let pid = self.pid;
        let code = self.call_for_code(make)?;
        if code.is_success() {
            return Ok(());
        }
        // The code does not show whether the process ended meanwhile.
        if self.check().is_err() {
            return Err(CheckpointError::Ended { pid });
        }
        Err(CheckpointError::Call { call, pid, code, state: None, pid_inside: pid_inside(pid) })
    }
}
