//! What owns one reference: a handle, or a guard with its report.

use cuda_primary_context::{PrimaryContext, PrimaryContextGuard, ReleaseError};

pub enum Handle {
    Plain(PrimaryContext),
    Guard(PrimaryContextGuard),
}

impl Handle {
    pub fn context(&self) -> &PrimaryContext {
        match self {
            Self::Plain(context) => context,
            Self::Guard(guard) => guard.context(),
        }
    }

    pub fn into_context(self) -> PrimaryContext {
        match self {
            Self::Plain(context) => context,
            Self::Guard(guard) => guard.into_context(),
        }
    }

    pub fn release(self) -> Result<(), ReleaseError> {
        match self {
            Self::Plain(context) => context.release(),
            Self::Guard(guard) => guard.release(),
        }
    }
}
