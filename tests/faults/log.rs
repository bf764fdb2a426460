//! The driver's log of an operation: every call, its answer, and whether it reached the driver.

use cuda_primary_context::Error;
use cuda_primary_context::sys::CUresult;
use simulated_libcuda::Call;

use super::injection::Injection;

pub const RETAIN: &str = "cuDevicePrimaryCtxRetain";
pub const RELEASE: &str = "cuDevicePrimaryCtxRelease_v2";
pub const GET_STATE: &str = "cuDevicePrimaryCtxGetState";
pub const SET_FLAGS: &str = "cuDevicePrimaryCtxSetFlags_v2";
pub const RESET: &str = "cuDevicePrimaryCtxReset_v2";
pub const GET_BY_ADDRESS: &str = "cuDeviceGetByPCIBusId";
pub const GET_CURRENT: &str = "cuCtxGetCurrent";
pub const GET_DEVICE: &str = "cuCtxGetDevice";
pub const GET_API_VERSION: &str = "cuCtxGetApiVersion";
pub const SET_CURRENT: &str = "cuCtxSetCurrent";
pub const PUSH: &str = "cuCtxPushCurrent_v2";
pub const POP: &str = "cuCtxPopCurrent_v2";

/// What a release answers that took the reference of a green context.
pub const NOT_PERMITTED: u32 = 800;
/// What a release answers that found no reference.
pub const INVALID_CONTEXT: u32 = 201;
/// What is answered about a context that is destroyed.
pub const DESTROYED: [u32; 2] = [INVALID_CONTEXT, 709];

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub function: &'static str,
    /// The device that the driver says it was about.
    pub device: Option<u32>,
    pub code: u32,
    /// A fault decided its answer.
    pub hit: bool,
    /// No fault kept it from the driver, which did with it what it does.
    pub reached: bool,
}

impl Entry {
    pub fn is(&self, function: &str) -> bool {
        self.function == function
    }

    /// This function, for this device.
    pub fn is_for(&self, function: &str, device: u32) -> bool {
        self.is(function) && self.device == Some(device)
    }

    pub fn failed(&self) -> bool {
        self.code != 0
    }

    /// The error that names this call, and the device that the driver says it was about.
    pub fn error(&self) -> Error {
        Error::Driver { call: self.function, device: self.device, code: CUresult(self.code) }
    }

    /// The error that names this call, made for this device.
    pub fn error_for(&self, device: u32) -> Error {
        Error::Driver { call: self.function, device: Some(device), code: CUresult(self.code) }
    }
}

/// The calls with what these faults, armed in this order, made of them.
pub fn entries(calls: &[Call], faults: &[Injection]) -> Vec<Entry> {
    let entry = |(index, call): (usize, &Call)| {
        let hit = faults.iter().find(|fault| fault.hits(index));
        Entry {
            function: call.function,
            device: call.device,
            code: call.code,
            hit: hit.is_some(),
            reached: hit.is_none_or(|fault| fault.kind.done),
        }
    };
    calls.iter().enumerate().map(entry).collect()
}
