//! What owns one reference: a handle, or a guard with its report.

use cuda_primary_context::{Error, PrimaryContext, PrimaryContextGuard};

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

    pub fn release(self) -> Result<(), (Error, Box<Self>)> {
        let back = |error, handle| (error, Box::new(handle));
        match self {
            Self::Plain(context) => {
                context.release().map_err(|(error, context)| back(error, Self::Plain(context)))
            }
            Self::Guard(guard) => {
                guard.release().map_err(|(error, guard)| back(error, Self::Guard(guard)))
            }
        }
    }
}
