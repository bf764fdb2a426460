//! Scopes in which a handle's context is current, in their order and out of it.

use cuda_primary_context::Error;
use cuda_primary_context::sys::CUresult;

use super::model::{Context, End};
use super::operation::Operation;
use super::world::{Disagreement, World, agree, unexpected};

impl World {
    /// A scope around other steps; how many there were.
    pub(super) fn scope(
        &mut self,
        handle: usize,
        leave: bool,
        inside: &[Operation],
    ) -> Result<usize, Disagreement> {
        let Some((device, handle)) = self.take(handle) else { return Ok(0) };
        let scope = handle.make_current().map_err(unexpected)?;
        self.model.push(Context::Primary(device));
        self.compare()?;
        let steps = self.steps(inside)?;
        let expected = self.model.end_scope(device);
        match leave {
            true => agree!(ended(scope.leave()), expected, "leaving the scope"),
            false => drop(scope),
        }
        self.handles.push(handle);
        Ok(steps)
    }

    /// Two scopes, the first of which ends first.
    pub(super) fn crossed(
        &mut self,
        first: usize,
        second: usize,
        between: &[Operation],
    ) -> Result<usize, Disagreement> {
        let Some((one, first)) = self.take(first) else { return Ok(0) };
        let Some((two, second)) = self.take(second) else {
            self.handles.push(first);
            return Ok(0);
        };
        let outer = first.make_current().map_err(unexpected)?;
        let inner = second.make_current().map_err(unexpected)?;
        self.model.push(Context::Primary(one));
        self.model.push(Context::Primary(two));
        self.compare()?;
        let expected = self.model.end_scope(one);
        agree!(ended(outer.leave()), expected, "leaving the outer scope first");
        self.compare()?;
        let steps = self.steps(between)?;
        let expected = self.model.end_scope(two);
        agree!(ended(inner.leave()), expected, "leaving the inner scope last");
        self.handles.extend([first, second]);
        Ok(steps)
    }
}

fn ended(result: Result<(), Error>) -> End {
    match result {
        Ok(()) => End::Left,
        Err(Error::NotCurrent { .. }) => End::NotCurrent,
        Err(Error::Driver { call, code: CUresult::CUDA_ERROR_INVALID_CONTEXT, .. }) => {
            End::Refused(call)
        }
        Err(other) => panic!("no scope ends so: {other}"),
    }
}
