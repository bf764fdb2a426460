//! Whether a context still lives, as `cuCtxGetApiVersion` tells, and what ordinary contexts outlive.

mod driver;

use std::ffi::c_void;

use driver::{Library, POISON, POISONED, out, started};

/// The answer, and the version.
fn api_version(library: Library, context: *mut c_void) -> (u32, u32) {
    let mut version = POISONED;
    (library.call("cuCtxGetApiVersion", &[context as usize, out(&mut version)]), version)
}

fn create(library: Library, device: i32) -> *mut c_void {
    let mut context = POISON;
    let words = [out(&mut context), 0, library.device(device)];
    assert_eq!(library.call("cuCtxCreate_v2", &words), 0);
    context
}

#[test]
fn the_api_version_tells_the_living_from_the_dead() {
    let (simulator, library) = started(2);
    let (_, primary) = library.retain(0);
    let ordinary = create(library, 1);
    for context in [primary, ordinary] {
        assert_eq!(api_version(library, context), (0, 3020));
    }
    library.release(0);
    assert_eq!(library.call("cuCtxDestroy_v2", &[ordinary as usize]), 0);
    for context in [primary, ordinary] {
        assert_eq!(api_version(library, context), (201, POISONED));
    }
    library.retain(0);
    assert_eq!(api_version(library, primary), (0, 3020), "the handle is the device's for good");
    assert_eq!(api_version(library, ordinary), (201, POISONED));
    simulator.set_current(Some(0));
    library.call("cuDevicePrimaryCtxReset_v2", &[library.device(0)]);
    assert_eq!(api_version(library, primary).0, 201, "a reset kills it, too");
}

#[test]
fn asking_changes_nothing() {
    let (simulator, library) = started(2);
    let (_, primary) = library.retain(0);
    let ordinary = create(library, 1);
    let look = || {
        let devices = [0, 1].map(|device| {
            let memory = simulator.memory(device);
            let references = simulator.references(device);
            (references, simulator.generation(device), simulator.is_active(device), memory)
        });
        (devices, simulator.stack(), simulator.underflows(), simulator.would_be_crashes())
    };
    let before = look();
    api_version(library, primary);
    api_version(library, ordinary);
    assert_eq!(look(), before);
    library.release(0);
    let before = look();
    api_version(library, primary);
    assert_eq!(look(), before);
}

#[test]
fn an_ordinary_context_outlives_the_primary_context_of_its_device() {
    let (simulator, library) = started(1);
    let (_, primary) = library.retain(0);
    let ordinary = create(library, 0);
    assert_ne!(ordinary, primary);
    let (code, address) = library.allocate(4096);
    assert_eq!(code, 0);
    assert_eq!(library.release(0), 0);
    assert_eq!(library.state(0), (0, 0, 0));
    assert_eq!(api_version(library, ordinary).0, 0);
    assert_eq!(library.current(), (0, ordinary));
    assert_eq!(library.call("cuCtxSynchronize", &[]), 0);
    assert_eq!(library.call("cuMemsetD8_v2", &[address, 7, 4096]), 0, "its memory is there");
    assert_eq!(library.allocate(4096).0, 0);
    assert_eq!(simulator.memory(0).ordinary_bytes, 8192);
}
