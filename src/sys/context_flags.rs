//! Flags of a context, put together with `|`.

use std::ops::{BitOr, BitOrAssign};

use crate::sys::CUctx_flags;

impl BitOr for CUctx_flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for CUctx_flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
