//! Scopes in which a handle's context is current, in their order and out of it.

use cuda_primary_context::Error;
use cuda_primary_context::sys::CUresult;

use super::model::{Context, Model};
use super::operation::Operation;
use super::world::{Disagreement, World, agree, unexpected};

/// How a scope ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Left,
    /// Another context was on top, and is again.
    NotCurrent {
        device: u32,
    },
    /// This call was refused.
    Refused {
        call: &'static str,
        device: Option<u32>,
    },
}

impl From<Result<(), Error>> for End {
    fn from(answer: Result<(), Error>) -> Self {
        match answer {
            Ok(()) => Self::Left,
            Err(Error::NotCurrent { device, .. }) => Self::NotCurrent { device },
            Err(Error::Driver {
                call, device, code: CUresult::CUDA_ERROR_INVALID_CONTEXT, ..
            }) => Self::Refused { call, device },
            Err(other) => panic!("no scope ends so: {other}"),
        }
    }
}

impl Model {
    /// The end of a scope on this device: what is on top is popped, and put back if it is another.
    fn end_scope(&mut self, device: usize) -> End {
        let refused = |call| End::Refused { call, device: Some(device as u32) };
        let Some(top) = self.stack.pop() else { return refused("cuCtxPopCurrent_v2") };
        match top {
            Context::Primary(popped) if popped == device => End::Left,
            top if self.push(top) => End::NotCurrent { device: device as u32 },
            _ => refused("cuCtxPushCurrent_v2"),
        }
    }
}

impl World {
    /// A scope around other steps; how many there were.
    pub(super) fn scope(
        &mut self,
        handle: usize,
        leave: bool,
        inside: &[Operation],
    ) -> Result<usize, Disagreement> {
        let Some((device, handle)) = self.take(handle) else { return Ok(0) };
        let scope = handle.context().make_current().map_err(unexpected)?;
        self.model.push(Context::Primary(device));
        self.compare()?;
        let steps = self.steps(inside)?;
        let expected = self.model.end_scope(device);
        match leave {
            true => agree!(End::from(scope.leave()), expected, "leaving the scope"),
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
        let outer = first.context().make_current().map_err(unexpected)?;
        let inner = second.context().make_current().map_err(unexpected)?;
        self.model.push(Context::Primary(one));
        self.model.push(Context::Primary(two));
        self.compare()?;
        let expected = self.model.end_scope(one);
        agree!(End::from(outer.leave()), expected, "leaving the outer scope first");
        self.compare()?;
        let steps = self.steps(between)?;
        let expected = self.model.end_scope(two);
        agree!(End::from(inner.leave()), expected, "leaving the inner scope last");
        self.handles.extend([first, second]);
        Ok(steps)
    }
}
