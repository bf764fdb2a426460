//! What the types say of themselves: texts that people read in logs, word for word.

mod support;

use std::path::Path;

use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{
    Attempt, Driver, Error, Outcome, Planned, PrimaryContext, PrimaryContextGuard,
};
use support::{Machine, machine};

/// The device as it is shown inside others.
fn shown(machine: &Machine, ordinal: u32) -> String {
    format!("Device {{ ordinal: {ordinal}, driver: {:?} }}", machine.driver.path())
}

#[test]
fn handles_show_their_device_and_driver() {
    let machine = machine(2);
    let device = machine.device(1);
    let path = machine.driver.path();
    assert_eq!(
        format!("{:?}", machine.driver),
        format!("Driver {{ path: {path:?}, version: {}, devices: 2 }}", machine.driver.version())
    );
    let shown = shown(&machine, 1);
    assert_eq!(format!("{device:?}"), shown);
    let context = PrimaryContext::retain(device).unwrap();
    assert_eq!(format!("{context:?}"), format!("PrimaryContext {{ device: {shown}, .. }}"));
    let current = context.make_current().unwrap();
    assert_eq!(format!("{current:?}"), format!("CurrentContext({shown})"));
    drop(current);
    let guard = PrimaryContextGuard::retain_only(device).unwrap();
    assert_eq!(
        format!("{guard:?}"),
        format!("PrimaryContextGuard {{ context: {context:?}, report: {:?} }}", guard.report())
    );
    let function = cuda_primary_context::sys::functions::cuMemGetInfo_v3020;
    assert_eq!(
        format!("{function:?}"),
        "Function { symbol: \"cuMemGetInfo_v2\", introduced: 3020, .. }"
    );
}

#[test]
fn uuid_reads_as_its_bytes() {
    let machine = machine(2);
    for device in machine.driver.devices() {
        let uuid = device.uuid().unwrap();
        let digits: String = uuid.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(uuid.to_string().replace("GPU-", "").replace('-', ""), digits);
    }
}

#[test]
fn audit_says_how_many_devices_are_left() {
    let machine = machine(3);
    let mut audit = machine.driver.primary_contexts();
    for left in (0..3).rev() {
        assert_eq!(audit.size_hint(), (left + 1, Some(left + 1)));
        assert!(audit.next().is_some());
        assert_eq!(audit.len(), left);
    }
    assert!(audit.next().is_none() && audit.next().is_none());
    assert_eq!(audit.len(), 0);
}

#[test]
fn outcomes_and_plans_read_as_words() {
    let error = Error::NoSuchDevice { ordinal: 7, count: 2 };
    for (outcome, kind, text) in [
        (Outcome::Kept, "kept", "kept".to_owned()),
        (Outcome::AlreadyInactive, "already_inactive", "already inactive".to_owned()),
        (Outcome::Released { releases: 1 }, "released", "released".to_owned()),
        (Outcome::Released { releases: 2 }, "released", "released (2 times)".to_owned()),
        (Outcome::StillActive { releases: 1 }, "still_active", "still active (1 released)".into()),
        (Outcome::HeldHere { handles: 3 }, "held_here", "held here (3 handles)".to_owned()),
        (Outcome::Failed(error.clone()), "failed", format!("failed: {error}")),
    ] {
        assert_eq!((outcome.kind(), outcome.to_string()), (kind, text));
    }
    for (planned, kind, text) in [
        (Planned::Keep, "keep", "keep".to_owned()),
        (Planned::AlreadyInactive, "already_inactive", "already inactive".to_owned()),
        (Planned::Release { at_most: 1 }, "release", "release".to_owned()),
        (Planned::Release { at_most: 4 }, "release", "release (up to 4 times)".to_owned()),
        (Planned::HeldHere { handles: 1 }, "held_here", "held here (1 handles)".to_owned()),
        (Planned::Failed(error.clone()), "failed", format!("failed: {error}")),
    ] {
        assert_eq!((planned.kind(), planned.to_string()), (kind, text));
    }
}

/// An error's kind, C function, device and code.
type Told = (&'static str, Option<&'static str>, Option<u32>, Option<u32>);

/// What an error says of itself, in the order of its variants.
#[test]
fn errors_name_call_device_code_and_remedy() {
    let library: Box<Path> = Path::new("/opt/libcuda.so.1").into();
    let code = CUresult::CUDA_ERROR_INVALID_CONTEXT;
    let attempt = |library: &str, reason: &str| Attempt {
        library: library.into(),
        reason: reason.to_owned(),
    };
    let found = [
        Error::Driver { call: "cuDevicePrimaryCtxRelease_v2", device: Some(3), code },
        Error::Driver { call: "cuInit", device: None, code: CUresult(777_777) },
        Error::LibraryNotFound { tried: vec![attempt("/a/libcuda.so.1", "no such file")] },
        Error::NotADriver { library: library.clone(), missing: "cuInit".into() },
        Error::DriverTooOld {
            library: library.clone(),
            symbol: "cuX".into(),
            driver: 10010,
            introduced: 11040,
        },
        Error::FunctionMissing {
            library: library.clone(),
            symbol: "cuX".into(),
            driver: 12090,
            introduced: 11040,
        },
        Error::StubLibrary { library: library.clone() },
        Error::NoDevice { library: library.clone(), visible_devices: Some("7".into()) },
        Error::NoDevice { library, visible_devices: None },
        Error::ForkedAfterInit { initialised_in: Some(42) },
        Error::ForkedAfterInit { initialised_in: None },
        Error::NoSuchDevice { ordinal: 7, count: 2 },
        Error::OtherDriver { ordinal: 5 },
    ];
    let release = "cuDevicePrimaryCtxRelease_v2";
    let expected: [(Told, &str); 13] = [
        (
            ("driver", Some(release), Some(3), Some(201)),
            " on device 3 answered CUDA_ERROR_INVALID_C",
        ),
        (("driver", Some("cuInit"), None, Some(777_777)), "does not know (777777)"),
        (("library_not_found", None, None, None), "(/a/libcuda.so.1: no such file)"),
        (
            ("not_a_driver", None, None, None),
            "/opt/libcuda.so.1 is no CUDA driver: it has no cuInit",
        ),
        (
            ("driver_too_old", None, None, None),
            "is for CUDA 10.1, and the function came with CUDA 11.4",
        ),
        (("function_missing", None, None, None), "came with CUDA 11.4, although it says"),
        (("stub_library", Some("cuInit"), None, Some(34)), "take its folder off LD_LIBRARY_PATH"),
        (("no_device", Some("cuInit"), None, Some(100)), "(CUDA_VISIBLE_DEVICES=\"7\"); check"),
        (("no_device", Some("cuInit"), None, Some(100)), "no device; check CUDA_VISIBLE_DEVICES"),
        (("forked_after_init", None, None, Some(3)), "initialised (in process 42); the driver"),
        (("forked_after_init", None, None, Some(3)), "initialised; the driver refuses every call"),
        (("no_such_device", None, Some(7), None), "no device 7: the driver shows this process 2,"),
        (("other_driver", None, Some(5), None), "device 5 belongs to another driver"),
    ];
    assert_eq!(found.len(), expected.len());
    for (error, (expected, part)) in found.iter().zip(expected) {
        let told = (error.kind(), error.call(), error.device(), error.code().map(|code| code.0));
        assert_eq!(told, expected);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn codes_with_something_to_do_about_them_say_what() {
    let remedies = [
        (2, "some hundred MiB"),
        (3, "spawn or exec"),
        (4, "before main returns"),
        (34, "LD_LIBRARY_PATH"),
        (46, "exclusive compute mode"),
        (100, "CUDA_VISIBLE_DEVICES"),
        (201, "no reference left to release"),
        (304, "the operating system"),
        (708, "before the first retain"),
        (709, "make a live one current"),
        (800, "green context"),
        (802, "nvidia-fabricmanager"),
        (803, "reboot after a driver update"),
        (804, "forward-compatibility"),
    ];
    for (number, part) in remedies {
        let remedy = CUresult(number).remedy().unwrap();
        assert!(remedy.contains(part), "{number}: {remedy}");
        let error = Error::Driver { call: "cuInit", device: None, code: CUresult(number) };
        assert!(error.to_string().ends_with(remedy), "{error}");
    }
    let with_remedy = (0..2000).filter(|number| CUresult(*number).remedy().is_some());
    assert_eq!(with_remedy.count(), remedies.len());
}

/// The loader mostly begins its reason with the name that it was asked for; it is not said twice.
#[test]
fn every_library_that_was_tried_is_named_once() {
    let attempt = |library: &str, reason: &str| Attempt {
        library: library.into(),
        reason: reason.to_owned(),
    };
    let tried = vec![
        attempt("libcuda.so.1", "libcuda.so.1: cannot open shared object file"),
        attempt("/usr/lib/wsl/lib/libcuda.so.1", "wrong ELF class"),
    ];
    let text = Error::LibraryNotFound { tried }.to_string();
    let both = "(libcuda.so.1: cannot open shared object file; /usr/lib/wsl/lib/libcuda.so.1: \
                wrong ELF class)";
    assert!(text.contains(both), "{text}");
    assert!(text.contains("comes with NVIDIA's driver"), "{text}");
    let tried = vec![attempt("/home/me/libcuda.so.1", "no such file")];
    let text = Error::LibraryNotFound { tried }.to_string();
    assert!(!text.contains("comes with NVIDIA's driver"), "whoever names a file knows: {text}");
}

#[test]
fn simulated_driver_is_known_by_a_function_that_others_lack() {
    let machine = machine(1);
    assert!(machine.driver.is_simulated());
    // The same library without that function's name: as good as any other driver.
    let mut library = std::fs::read(machine.simulator.path()).unwrap();
    let name = b"\0simulated_cuda_version\0";
    let found = library.windows(name.len()).position(|window| window == name).unwrap();
    library[found + 1] = b'S';
    let folder = std::env::temp_dir().join(format!("other-driver-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("libcuda.so.1");
    std::fs::write(&path, library).unwrap();
    let driver = Driver::load_from(&path);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(!driver.unwrap().is_simulated());
}
