//! What a driver returns before `cuInit`, and if there is no device.

use std::ffi::CStr;
use std::ptr;

use cuda_primary_context::sys::CUresult;

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::{Library, Returned, call};

const UNTOUCHED: i32 = -77;

/// Every call but a few is refused with 3, and writes nothing.
pub fn calls(machine: &Machine, questions: &Questions) {
    refused(machine.load(), questions);
}

/// The calls that need cuInit are refused with 3.
pub fn refused(library: Library, questions: &Questions) {
    let ask = |call: &str, result: Returned| questions.ask(call, 3, result);
    let (mut count, mut device) = (UNTOUCHED, UNTOUCHED);
    let (mut flags, mut active) = (UNTOUCHED as u32, UNTOUCHED);
    let sentinel = ptr::dangling_mut();
    let (mut retained, mut current, mut popped) = (sentinel, sentinel, sentinel);
    ask("cuDeviceGetCount", call!(library, cuDeviceGetCount_v2000(&mut count)));
    ask("cuDeviceGet", call!(library, cuDeviceGet_v2000(&mut device, 0)));
    ask(
        "cuDevicePrimaryCtxGetState",
        call!(library, cuDevicePrimaryCtxGetState_v7000(0, &mut flags, &mut active)),
    );
    ask(
        "cuDevicePrimaryCtxRetain",
        call!(library, cuDevicePrimaryCtxRetain_v7000(&mut retained, 0)),
    );
    ask("cuDevicePrimaryCtxRelease", call!(library, bare cuDevicePrimaryCtxRelease_v11000(0)));
    ask("cuDevicePrimaryCtxRelease_v2", call!(library, cuDevicePrimaryCtxRelease_v11000(0)));
    ask("cuDevicePrimaryCtxReset_v2", call!(library, cuDevicePrimaryCtxReset_v11000(0)));
    ask("cuDevicePrimaryCtxSetFlags_v2", call!(library, cuDevicePrimaryCtxSetFlags_v11000(0, 4)));
    ask("cuCtxGetCurrent", call!(library, cuCtxGetCurrent_v4000(&mut current)));
    ask("cuCtxSetCurrent", call!(library, cuCtxSetCurrent_v4000(ptr::null_mut())));
    ask("cuCtxPopCurrent_v2", call!(library, cuCtxPopCurrent_v4000(&mut popped)));
    ask("cuCtxGetDevice", call!(library, cuCtxGetDevice_v2000(&mut device)));
    ask("cuCtxSynchronize", call!(library, cuCtxSynchronize_v2000()));
    let untouched =
        (count, device, active, flags as i32) == (UNTOUCHED, UNTOUCHED, UNTOUCHED, UNTOUCHED);
    questions.holds("numbers are untouched", untouched);
    questions.holds("handles are untouched", [retained, current, popped] == [sentinel; 3]);
}

/// These need no cuInit, whatever its result was.
pub fn versions_and_error_texts(machine: &Machine, questions: &Questions) {
    let library = machine.load();
    versions_and_texts(library, questions);
    library.init();
    versions_and_texts(library, &questions.of("after cuInit"));
}

/// The version and the error texts can be had.
pub fn versions_and_texts(library: Library, questions: &Questions) {
    let mut version = 0;
    questions.ask("cuDriverGetVersion", 0, call!(library, cuDriverGetVersion_v2020(&mut version)));
    questions.holds("the version is one", (8000..100_000).contains(&version));
    questions.ask(
        "a null pointer for the version",
        1,
        call!(library, cuDriverGetVersion_v2020(ptr::null_mut())),
    );
    for (code, name) in [(0, "CUDA_SUCCESS"), (201, "CUDA_ERROR_INVALID_CONTEXT"), (12345, "NULL")]
    {
        let mut text = c"untouched".as_ptr();
        let result = call!(library, cuGetErrorName_v6000(CUresult(code), &mut text));
        questions.ask(
            format!("cuGetErrorName of {code}"),
            if name == "NULL" { 1 } else { 0 },
            result,
        );
        let text = match text.is_null() {
            true => "NULL".into(),
            // SAFETY: a text of the driver's, or the one above.
            false => unsafe { CStr::from_ptr(text) }.to_string_lossy(),
        };
        questions.ask(format!("the name of {code}"), name, text);
    }
}

/// cuInit takes no flags, and may be called again.
pub fn init(machine: &Machine, questions: &Questions) {
    let library = machine.load();
    questions.ask("cuInit with flags", 1, call!(library, cuInit_v2000(1)));
    let first = library.init();
    let devices = matches!(first, Returned::Code(CUresult::CUDA_SUCCESS));
    questions.holds("cuInit returns 0 or 100", devices || first == NO_DEVICE);
    questions.ask("cuInit again", first, library.init());
    questions.ask("cuInit with flags afterwards", 1, call!(library, cuInit_v2000(1)));
}

const NO_DEVICE: Returned = Returned::Code(CUresult::CUDA_ERROR_NO_DEVICE);

/// Shows the driver that is loaded next no device, on any machine.
pub fn hide_devices() {
    // SAFETY: the process of a check has one thread until it starts others.
    unsafe { std::env::set_var("CUDA_VISIBLE_DEVICES", "") };
}

/// If no device is visible, cuInit returns 100 every time, and everything else goes on as before.
pub fn no_visible_device(machine: &Machine, questions: &Questions) {
    hide_devices();
    let library = machine.load();
    questions.ask("cuInit", 100, library.init());
    questions.ask("cuInit again", 100, library.init());
    refused(library, &questions.of("afterwards"));
    questions.ask("cuInit once more", 100, library.init());
}
