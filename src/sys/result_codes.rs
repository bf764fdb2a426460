//! Names of the driver's result codes, and what to do about some of them.
//!
//! The names come from the header that the bindings in use were made from, so that formatting an error never calls
//! the driver, which may be unloading or missing.

use std::fmt;

use crate::sys::debug::debug_as_displayed;
use crate::sys::{CUresult, RESULT_NAMES};

impl CUresult {
    /// Whether this is `CUDA_SUCCESS`.
    #[inline]
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }

    /// The constant's name in `cuda.h`, such as `CUDA_ERROR_INVALID_CONTEXT`; `None` for a number that the
    /// header in use does not have ([`sys::SOURCE`](crate::sys::SOURCE)). Makes no driver call, unlike
    /// `cuGetErrorName`.
    pub fn name(self) -> Option<&'static str> {
        let index = RESULT_NAMES.binary_search_by_key(&self.0, |(number, _)| *number);
        index.ok().map(|index| RESULT_NAMES[index].1)
    }

    /// Returns what can be done about this code of a call about primary contexts, if anything.
    pub fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::CUDA_ERROR_OUT_OF_MEMORY => {
                "a context needs several hundred MiB on the device, so check which processes use its \
                 memory (nvidia-smi)"
            }
            Self::CUDA_ERROR_NOT_INITIALIZED => {
                "every call returns this in a process that was forked after cuInit, so start it with \
                 spawn or exec, or fork before CUDA is used"
            }
            Self::CUDA_ERROR_DEINITIALIZED => {
                "the driver is shutting down with the process, so release contexts before main returns"
            }
            Self::CUDA_ERROR_STUB_LIBRARY => {
                "this libcuda is the toolkit's stub, made for linking alone, so take its folder off \
                 LD_LIBRARY_PATH and the driver's own libcuda.so.1 is found"
            }
            Self::CUDA_ERROR_DEVICE_UNAVAILABLE => {
                "another process may hold the device in an exclusive compute mode"
            }
            Self::CUDA_ERROR_NO_DEVICE => {
                "check CUDA_VISIBLE_DEVICES, and that nvidia-smi lists a device here"
            }
            Self::CUDA_ERROR_INVALID_CONTEXT => {
                "there was no reference left to release, because something else in this process released \
                 it (if the context is active all the same, that was a green context's reference, and \
                 one retain gives it back)"
            }
            Self::CUDA_ERROR_OPERATING_SYSTEM => {
                "the driver could not get what it needs from the operating system (drivers 550 and 555 \
                 also return this from cuInit in a child forked after a failed cuInit)"
            }
            Self::CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE => {
                "the primary context is already active, so set its flags before the first retain"
            }
            Self::CUDA_ERROR_CONTEXT_IS_DESTROYED => {
                "the thread's current context was destroyed, so make a live one current"
            }
            Self::CUDA_ERROR_NOT_PERMITTED => {
                "a driver with green contexts returns this from a release that took the reference of a \
                 green context, and one retain gives it back"
            }
            Self::CUDA_ERROR_SYSTEM_NOT_READY => {
                "the machine's GPU services are not running, so check nvidia-fabricmanager if the machine \
                 has it"
            }
            Self::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => {
                "libcuda and the kernel's driver have different versions, so reboot after a driver \
                 update, or mount the host's own libcuda into the container"
            }
            Self::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE => {
                "the forward-compatibility libcuda does not support this device, so use the driver's"
            }
            _ => return None,
        })
    }
}

/// `CUDA_ERROR_INVALID_CONTEXT (201)`; a number alone if the name is not known.
impl fmt::Display for CUresult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name().unwrap_or("a result code that this crate does not know");
        write!(formatter, "{name} ({})", self.0)
    }
}

debug_as_displayed!(CUresult);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_codes_keep_their_number() {
        let code = CUresult(777_777);
        assert_eq!(code.name(), None);
        assert_eq!(format!("{:?}", CUresult(3)), "CUDA_ERROR_NOT_INITIALIZED (3)");
        assert!(code.to_string().ends_with("(777777)"), "{code}");
        assert_eq!(CUresult(201).to_string(), "CUDA_ERROR_INVALID_CONTEXT (201)");
    }
}
