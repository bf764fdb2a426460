//! Flags of a context: put together with `|`, and displayed.

use std::fmt;
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

/// The names of the flags, such as `CU_CTX_SCHED_SPIN | CU_CTX_MAP_HOST`; `0` if there is none.
impl fmt::Display for CUctx_flags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut texts = Vec::new();
        let mut rest = self.0;
        for (flag, name) in [
            (Self::CU_CTX_SCHED_SPIN, "CU_CTX_SCHED_SPIN"),
            (Self::CU_CTX_SCHED_YIELD, "CU_CTX_SCHED_YIELD"),
            (Self::CU_CTX_SCHED_BLOCKING_SYNC, "CU_CTX_SCHED_BLOCKING_SYNC"),
            (Self::CU_CTX_MAP_HOST, "CU_CTX_MAP_HOST"),
            (Self::CU_CTX_LMEM_RESIZE_TO_MAX, "CU_CTX_LMEM_RESIZE_TO_MAX"),
            (Self::CU_CTX_COREDUMP_ENABLE, "CU_CTX_COREDUMP_ENABLE"),
            (Self::CU_CTX_USER_COREDUMP_ENABLE, "CU_CTX_USER_COREDUMP_ENABLE"),
            (Self::CU_CTX_SYNC_MEMOPS, "CU_CTX_SYNC_MEMOPS"),
        ] {
            if rest & flag.0 != 0 {
                rest &= !flag.0;
                texts.push(name.to_owned());
            }
        }
        if rest != 0 || texts.is_empty() {
            texts.push(rest.to_string());
        }
        formatter.write_str(&texts.join(" | "))
    }
}
