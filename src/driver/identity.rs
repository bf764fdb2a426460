//! What identifies a device: its unique id and its PCI address.

use std::ffi::{CStr, c_char, c_int};

use crate::driver::calls::Call;
use crate::driver::functions::{Entry, Functions};
use crate::driver::uuid::Uuid;
use crate::error::Error;
use crate::sys::{self, CUresult};

/// Read once, when the driver is loaded, so that displaying a report calls nothing. A failure is kept,
/// too: a driver without an id for a device can release its strays all the same.
pub(super) struct Identity {
    pub(super) uuid: Result<Uuid, Error>,
    pub(super) pci_bus_id: Result<String, Error>,
}

/// `cuDeviceGetUuid` and `cuDeviceGetUuid_v2`.
type GetUuid = unsafe extern "C" fn(*mut sys::CUuuid, sys::CUdevice) -> CUresult;

/// `cuDeviceGetName` and `cuDeviceGetPCIBusId`.
type GetText = unsafe extern "C" fn(*mut c_char, c_int, sys::CUdevice) -> CUresult;

impl Identity {
    pub(super) fn read(functions: &Functions, device: sys::CUdevice, ordinal: u32) -> Self {
        let failed = |call: Call| call.error(Some(ordinal));
        Self {
            uuid: uuid(functions, device).map_err(failed),
            pci_bus_id: text(functions.device_get_pci_bus_id, device).map_err(failed),
        }
    }
}

/// The id of the GPU, or that of the MIG instance. As documented, `cuDeviceGetUuid` returns the GPU's id
/// for both, so that two different ids mean an instance.
fn uuid(functions: &Functions, device: sys::CUdevice) -> Result<Uuid, Call> {
    let of_the_gpu = uuid_by(functions.device_get_uuid, device)?;
    let Some(get_uuid_v2) = functions.device_get_uuid_v2 else {
        return Ok(Uuid::from_bytes(of_the_gpu));
    };
    let bytes = uuid_by(get_uuid_v2, device)?;
    Ok(match bytes == of_the_gpu {
        true => Uuid::from_bytes(bytes),
        false => Uuid::mig_from_bytes(bytes),
    })
}

fn uuid_by(get_uuid: Entry<GetUuid>, device: sys::CUdevice) -> Result<[u8; 16], Call> {
    let mut raw = sys::CUuuid { bytes: [0; 16] };
    // SAFETY: the out-parameter is a uuid of ours, and the device is the driver's own.
    let call = get_uuid.returned(unsafe { (get_uuid.function)(&mut raw, device) });
    call.result().map(|()| raw.bytes.map(|byte| byte as u8))
}

/// A text that the driver writes into a buffer.
pub(super) fn text(get_text: Entry<GetText>, device: sys::CUdevice) -> Result<String, Call> {
    const SIZE: usize = 256;
    let mut buffer = [0_u8; SIZE];
    // One byte less than there is, so that the text ends in NUL whatever the driver does.
    let size = SIZE as c_int - 1;
    // SAFETY: the buffer has room for the size given, and the device is the driver's own.
    let code = unsafe { (get_text.function)(buffer.as_mut_ptr().cast(), size, device) };
    get_text.returned(code).result()?;
    let text = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
    Ok(text.to_string_lossy().into_owned())
}
