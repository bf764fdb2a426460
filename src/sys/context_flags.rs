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

#[cfg(test)]
mod tests {
    use crate::sys::CUctx_flags;

    #[test]
    fn flags_are_put_together() {
        let mut flags = CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC | CUctx_flags::CU_CTX_MAP_HOST;
        assert_eq!(flags.0, 12);
        flags |= CUctx_flags::CU_CTX_LMEM_RESIZE_TO_MAX;
        assert_eq!(flags.0, 28);
    }
}
