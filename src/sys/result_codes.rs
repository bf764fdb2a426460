//! Names of the driver's result codes, and what to do about some of them.
//!
//! The table is the crate's own, so that formatting an error never calls the driver, which may be unloading or
//! missing. A test compares it with every `CUDA_ERROR_` constant of the bindings.

use std::fmt;

use crate::sys::CUresult;

impl CUresult {
    /// Whether this is `CUDA_SUCCESS`.
    #[inline]
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }

    /// The constant's name in `cuda.h`, such as `CUDA_ERROR_INVALID_CONTEXT`; `None` for a number
    /// that no header known to this crate has. Makes no driver call, unlike `cuGetErrorName`.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let index = NAMES.binary_search_by_key(&self.0, |(number, _)| *number);
        index.ok().map(|index| NAMES[index].1)
    }

    /// Returns what can be done about this code of a call about primary contexts, if anything.
    #[must_use]
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

/// As [`Display`](fmt::Display): a number says nothing to people.
impl fmt::Debug for CUresult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Every code of the newest header, in the order of its number.
#[rustfmt::skip]
const NAMES: &[(u32, &str)] = &[
    (0, "CUDA_SUCCESS"),
    (1, "CUDA_ERROR_INVALID_VALUE"),
    (2, "CUDA_ERROR_OUT_OF_MEMORY"),
    (3, "CUDA_ERROR_NOT_INITIALIZED"),
    (4, "CUDA_ERROR_DEINITIALIZED"),
    (5, "CUDA_ERROR_PROFILER_DISABLED"),
    (6, "CUDA_ERROR_PROFILER_NOT_INITIALIZED"),
    (7, "CUDA_ERROR_PROFILER_ALREADY_STARTED"),
    (8, "CUDA_ERROR_PROFILER_ALREADY_STOPPED"),
    (34, "CUDA_ERROR_STUB_LIBRARY"),
    (36, "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER"),
    (46, "CUDA_ERROR_DEVICE_UNAVAILABLE"),
    (47, "CUDA_ERROR_MULTICAST_RESOURCE_FULL"),
    (100, "CUDA_ERROR_NO_DEVICE"),
    (101, "CUDA_ERROR_INVALID_DEVICE"),
    (102, "CUDA_ERROR_DEVICE_NOT_LICENSED"),
    (200, "CUDA_ERROR_INVALID_IMAGE"),
    (201, "CUDA_ERROR_INVALID_CONTEXT"),
    (202, "CUDA_ERROR_CONTEXT_ALREADY_CURRENT"),
    (205, "CUDA_ERROR_MAP_FAILED"),
    (206, "CUDA_ERROR_UNMAP_FAILED"),
    (207, "CUDA_ERROR_ARRAY_IS_MAPPED"),
    (208, "CUDA_ERROR_ALREADY_MAPPED"),
    (209, "CUDA_ERROR_NO_BINARY_FOR_GPU"),
    (210, "CUDA_ERROR_ALREADY_ACQUIRED"),
    (211, "CUDA_ERROR_NOT_MAPPED"),
    (212, "CUDA_ERROR_NOT_MAPPED_AS_ARRAY"),
    (213, "CUDA_ERROR_NOT_MAPPED_AS_POINTER"),
    (214, "CUDA_ERROR_ECC_UNCORRECTABLE"),
    (215, "CUDA_ERROR_UNSUPPORTED_LIMIT"),
    (216, "CUDA_ERROR_CONTEXT_ALREADY_IN_USE"),
    (217, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED"),
    (218, "CUDA_ERROR_INVALID_PTX"),
    (219, "CUDA_ERROR_INVALID_GRAPHICS_CONTEXT"),
    (220, "CUDA_ERROR_NVLINK_UNCORRECTABLE"),
    (221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND"),
    (222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"),
    (223, "CUDA_ERROR_JIT_COMPILATION_DISABLED"),
    (224, "CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY"),
    (225, "CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC"),
    (226, "CUDA_ERROR_CONTAINED"),
    (227, "CUDA_ERROR_INSUFFICIENT_LOADER_VERSION"),
    (300, "CUDA_ERROR_INVALID_SOURCE"),
    (301, "CUDA_ERROR_FILE_NOT_FOUND"),
    (302, "CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND"),
    (303, "CUDA_ERROR_SHARED_OBJECT_INIT_FAILED"),
    (304, "CUDA_ERROR_OPERATING_SYSTEM"),
    (400, "CUDA_ERROR_INVALID_HANDLE"),
    (401, "CUDA_ERROR_ILLEGAL_STATE"),
    (402, "CUDA_ERROR_LOSSY_QUERY"),
    (500, "CUDA_ERROR_NOT_FOUND"),
    (600, "CUDA_ERROR_NOT_READY"),
    (700, "CUDA_ERROR_ILLEGAL_ADDRESS"),
    (701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
    (702, "CUDA_ERROR_LAUNCH_TIMEOUT"),
    (703, "CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING"),
    (704, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED"),
    (705, "CUDA_ERROR_PEER_ACCESS_NOT_ENABLED"),
    (708, "CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE"),
    (709, "CUDA_ERROR_CONTEXT_IS_DESTROYED"),
    (710, "CUDA_ERROR_ASSERT"),
    (711, "CUDA_ERROR_TOO_MANY_PEERS"),
    (712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED"),
    (713, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED"),
    (714, "CUDA_ERROR_HARDWARE_STACK_ERROR"),
    (715, "CUDA_ERROR_ILLEGAL_INSTRUCTION"),
    (716, "CUDA_ERROR_MISALIGNED_ADDRESS"),
    (717, "CUDA_ERROR_INVALID_ADDRESS_SPACE"),
    (718, "CUDA_ERROR_INVALID_PC"),
    (719, "CUDA_ERROR_LAUNCH_FAILED"),
    (720, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE"),
    (721, "CUDA_ERROR_TENSOR_MEMORY_LEAK"),
    (800, "CUDA_ERROR_NOT_PERMITTED"),
    (801, "CUDA_ERROR_NOT_SUPPORTED"),
    (802, "CUDA_ERROR_SYSTEM_NOT_READY"),
    (803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
    (804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"),
    (805, "CUDA_ERROR_MPS_CONNECTION_FAILED"),
    (806, "CUDA_ERROR_MPS_RPC_FAILURE"),
    (807, "CUDA_ERROR_MPS_SERVER_NOT_READY"),
    (808, "CUDA_ERROR_MPS_MAX_CLIENTS_REACHED"),
    (809, "CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED"),
    (810, "CUDA_ERROR_MPS_CLIENT_TERMINATED"),
    (811, "CUDA_ERROR_CDP_NOT_SUPPORTED"),
    (812, "CUDA_ERROR_CDP_VERSION_MISMATCH"),
    (900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"),
    (901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"),
    (902, "CUDA_ERROR_STREAM_CAPTURE_MERGE"),
    (903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED"),
    (904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED"),
    (905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION"),
    (906, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"),
    (907, "CUDA_ERROR_CAPTURED_EVENT"),
    (908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD"),
    (909, "CUDA_ERROR_TIMEOUT"),
    (910, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE"),
    (911, "CUDA_ERROR_EXTERNAL_DEVICE"),
    (912, "CUDA_ERROR_INVALID_CLUSTER_SIZE"),
    (913, "CUDA_ERROR_FUNCTION_NOT_LOADED"),
    (914, "CUDA_ERROR_INVALID_RESOURCE_TYPE"),
    (915, "CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION"),
    (916, "CUDA_ERROR_KEY_ROTATION"),
    (917, "CUDA_ERROR_STREAM_DETACHED"),
    (918, "CUDA_ERROR_GRAPH_RECAPTURE_FAILURE"),
    (919, "CUDA_ERROR_FABRIC_NOT_READY"),
    (999, "CUDA_ERROR_UNKNOWN"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The constants of a bindings file, as `(number, name)`.
    fn constants(bindings: &str) -> Vec<(u32, &str)> {
        let mut found = Vec::new();
        for item in bindings.split("pub const ").skip(1) {
            let Some((name, rest)) = item.split_once(": cudaError_enum") else {
                continue;
            };
            let digits = |character: char| character.is_ascii_digit();
            let start = rest.find(digits).expect("a constant has a value");
            let end = rest[start..].find(|c| !digits(c)).expect("it ends with a bracket") + start;
            found.push((rest[start..end].parse().expect("it is a number"), name));
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn table_is_that_of_the_newest_header() {
        assert_eq!(constants(include_str!("bindings.rs")), NAMES);
    }

    #[cfg(cuda_header)]
    #[test]
    fn table_has_every_code_of_the_header_in_use() {
        let bindings = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));
        for code in constants(bindings) {
            assert!(NAMES.contains(&code), "{code:?} is not in the table");
        }
    }

    #[test]
    fn unknown_codes_keep_their_number() {
        let code = CUresult(777_777);
        assert_eq!(code.name(), None);
        assert_eq!(format!("{:?}", CUresult(3)), "CUDA_ERROR_NOT_INITIALIZED (3)");
        assert!(code.to_string().ends_with("(777777)"), "{code}");
        assert_eq!(CUresult(201).to_string(), "CUDA_ERROR_INVALID_CONTEXT (201)");
    }
}
