//! Names, versions and addresses.

use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};

use cuda_primary_context::sys::{CUdriverProcAddressQueryResult, CUresult};

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::{Library, Returned, call};

/// Both generations are there, and are two functions.
pub fn generations(machine: &Machine, questions: &Questions) {
    let library = machine.load();
    for (bare, second) in [
        (c"cuDevicePrimaryCtxRelease", c"cuDevicePrimaryCtxRelease_v2"),
        (c"cuDevicePrimaryCtxReset", c"cuDevicePrimaryCtxReset_v2"),
        (c"cuDevicePrimaryCtxSetFlags", c"cuDevicePrimaryCtxSetFlags_v2"),
        (c"cuCtxDestroy", c"cuCtxDestroy_v2"),
    ] {
        let name = bare.to_string_lossy();
        let (bare, second) = (library.symbol(bare), library.symbol(second));
        questions.holds(format!("{name} is there"), bare.is_some());
        questions.holds(format!("{name}_v2 is there"), second.is_some());
        questions.holds(format!("{name} is not its _v2"), bare != second);
    }
    for (name, library_lacks) in [
        (c"cuNoSuchFunction", "no"),
        (c"cuDeviceGetUuid_v2", "yes"),
        (c"cuCtxGetId", "yes"),
        (c"cuGetProcAddress", "yes"),
        (c"cuGetProcAddress_v2", "yes"),
    ] {
        let there = if library.symbol(name).is_some() { "yes" } else { "no" };
        questions.ask(format!("{} is there", name.to_string_lossy()), library_lacks, there);
    }
}

const SENTINEL: *mut c_void = NonNull::dangling().as_ptr();

/// An address by what it is, and the code or status with it.
fn word(library: Library, address: *mut c_void) -> String {
    if address.is_null() {
        return "NULL".to_owned();
    }
    if address == SENTINEL {
        return "untouched".to_owned();
    }
    let names = [
        c"cuInit",
        c"cuDevicePrimaryCtxRelease",
        c"cuDevicePrimaryCtxRelease_v2",
        c"cuDevicePrimaryCtxSetFlags",
        c"cuDevicePrimaryCtxSetFlags_v2",
        c"cuCtxGetId",
    ];
    let found =
        names.iter().find(|name| library.symbol(name).map(NonNull::as_ptr) == Some(address));
    found.map_or("another function".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What the second generation of the look-up returns, or the first, which has no status.
fn look_up(library: Library, name: &CStr, version: i32, has_status: bool) -> String {
    let (mut address, mut status) = (SENTINEL, CUdriverProcAddressQueryResult(77));
    let name = name.as_ptr();
    let result = match has_status {
        true => {
            call!(library, cuGetProcAddress_v12000(name, &mut address, version, 0, &mut status))
        }
        false => call!(library, cuGetProcAddress_v11030(name, &mut address, version, 0)),
    };
    let found = word(library, address);
    match result {
        Returned::Code(CUresult(0)) if has_status => format!("{found}, status {}", status.0),
        Returned::Code(CUresult(0)) => found,
        refusal => format!("refused with {refusal}, {found}"),
    }
}

/// `cuGetProcAddress` of both generations, before `cuInit`.
pub fn versioned_look_up(machine: &Machine, questions: &Questions) {
    let library = machine.load();
    let has = |name| library.symbol(name).is_some();
    let (has_first, has_second) = (has(c"cuGetProcAddress"), has(c"cuGetProcAddress_v2"));
    questions.holds("there is a versioned look-up", has_first);
    let release = c"cuDevicePrimaryCtxRelease";
    let cases: [(&CStr, i32, &str, &str); 9] = [
        (c"cuInit", 3000, "cuInit, status 0", "cuInit"),
        (c"cuInit", 0, "NULL, status 2", "refused with 500, untouched"),
        (release, 10000, "cuDevicePrimaryCtxRelease, status 0", "cuDevicePrimaryCtxRelease"),
        (release, 11000, "cuDevicePrimaryCtxRelease_v2, status 0", "cuDevicePrimaryCtxRelease_v2"),
        (
            c"cuDevicePrimaryCtxSetFlags",
            10020,
            "cuDevicePrimaryCtxSetFlags, status 0",
            "cuDevicePrimaryCtxSetFlags",
        ),
        (c"cuDevicePrimaryCtxRelease_v2", 11000, "NULL, status 1", "refused with 500, untouched"),
        (c"cuNoSuchFunction", 11000, "NULL, status 1", "refused with 500, untouched"),
        (c"cuCtxGetId", 11000, "NULL, status 2", "refused with 500, untouched"),
        (release, 20000, "refused with 1, untouched", "refused with 1, untouched"),
    ];
    for (name, version, of_second, of_first) in cases {
        let question = format!("{} at {version}", name.to_string_lossy());
        if has_second {
            let result = look_up(library, name, version, true);
            questions.ask(format!("cuGetProcAddress_v2: {question}"), of_second, result);
        }
        if has_first {
            let result = look_up(library, name, version, false);
            questions.ask(format!("cuGetProcAddress: {question}"), of_first, result);
        }
    }
    if !has_second {
        return;
    }
    let mut address = SENTINEL;
    let result = call!(
        library,
        cuGetProcAddress_v12000(c"cuInit".as_ptr(), &mut address, 3000, 0, ptr::null_mut())
    );
    questions.ask("cuGetProcAddress_v2 without a status", "0", result);
}

/// The crate's table of names agrees with the driver's, for every code that the driver knows.
pub fn error_names(machine: &Machine, questions: &Questions) {
    let library = machine.load();
    let mut known = 0;
    let mut differing = Vec::new();
    for code in 0..2000 {
        let code = CUresult(code);
        let mut name = ptr::null();
        let result = call!(library, cuGetErrorName_v6000(code, &mut name));
        if result != Returned::Code(CUresult::CUDA_SUCCESS) {
            continue;
        }
        known += 1;
        // SAFETY: the driver knows the code, and gives a text of its own.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        if code.name() != Some(&name) {
            differing.push(format!("{} {name}", code.0));
        }
    }
    questions.holds("the driver knows most codes", known > 70);
    questions.ask("codes whose name differs", "", differing.join(", "));
}
