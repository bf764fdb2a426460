//! What the types say of themselves: texts that people read in logs, word for word.

use crate::support::{GET_STATE, Machine, RELEASE, machine, machine_with, releases_up_to};
use cuda_primary_context::sys::CUresult;
use cuda_primary_context::{Attempt, Error, Outcome, Planned, PrimaryContext, PrimaryContextGuard};
use simulated_libcuda::Fault;

#[test]
fn handles_show_their_device_and_driver() {
    let machine = machine(2);
    let (driver, device) = (machine.driver, machine.device(1));
    let (path, version) = (driver.path(), driver.version());
    let shown = format!("Driver {{ path: {path:?}, version: {version}, devices: 2 }}");
    assert_eq!(format!("{driver:?}"), shown);
    let shown = "Device(1)";
    assert_eq!((format!("{device:?}").as_str(), device.to_string().as_str()), (shown, "1"));
    let context = PrimaryContext::retain(device).unwrap();
    assert_eq!(format!("{context:?}"), format!("PrimaryContext {{ device: {shown}, .. }}"));
    let current = context.make_current().unwrap();
    assert_eq!(format!("{current:?}"), format!("CurrentContext({shown})"));
    let guard = PrimaryContextGuard::retain_only(device).unwrap();
    let report = guard.report();
    let expected = format!("PrimaryContextGuard {{ context: {context:?}, report: {report:?} }}");
    assert_eq!(format!("{guard:?}"), expected);
    let function = cuda_primary_context::sys::functions::cuMemGetInfo_v3020;
    let expected = "Function { symbol: \"cuMemGetInfo_v2\", introduced: 3.2, .. }";
    assert_eq!(format!("{function:?}"), expected);
}

/// The text without the devices' ids, which are the machine's.
fn without_ids(machine: &Machine, text: &str) -> String {
    machine.driver.devices().fold(text.to_owned(), |text, device| {
        text.replace(&device.uuid().unwrap().to_string(), &format!("GPU-{}", device.ordinal()))
    })
}

#[test]
fn report_reads_as_a_table() {
    let machine = machine_with(&[1, 0, 3, 0]);
    machine.simulator.set_current(Some(0));
    let fault = Fault::of(RELEASE, 2).device(2).code(719).refused().once();
    machine.simulator.inject(fault);
    let policy = releases_up_to(2).keep([machine.device(3)]);
    let guard = PrimaryContextGuard::retain_only_with(machine.device(1), &policy).unwrap();
    let report = without_ids(&machine, &format!("{:#}", guard.report()));
    let report: Vec<String> = report.lines().map(squeezed).collect();
    let ok = "CUDA_SUCCESS (0)";
    let expected = [
        "kept 1; released 0; left alone 3; failed 2".to_owned(),
        "device UUID outcome driver calls".to_owned(),
        format!("0 GPU-0 released cuDevicePrimaryCtxGetState: {ok}"),
        format!("cuCtxGetCurrent: {ok}"),
        format!("cuCtxGetDevice: {ok}"),
        format!("cuCtxSetCurrent: {ok}"),
        format!("cuDevicePrimaryCtxRelease_v2: {ok}"),
        format!("cuDevicePrimaryCtxGetState: {ok}"),
        "cuCtxGetApiVersion: CUDA_ERROR_INVALID_CONTEXT (201)".to_owned(),
        format!("1 GPU-1 kept cuDevicePrimaryCtxRetain: {ok}"),
        format!("2 GPU-2 failed (1 released), active now cuDevicePrimaryCtxGetState: {ok}"),
        format!("cuCtxGetCurrent: {ok}"),
        format!("cuCtxGetDevice: {ok}"),
        format!("cuDevicePrimaryCtxRelease_v2: {ok}"),
        format!("cuDevicePrimaryCtxGetState: {ok}"),
        "cuDevicePrimaryCtxRelease_v2: CUDA_ERROR_LAUNCH_FAILED (719)".to_owned(),
        format!("cuDevicePrimaryCtxGetState: {ok}"),
        "3 GPU-3 left alone".to_owned(),
        "this thread's current context was switched: that of device 0 is destroyed".to_owned(),
        "device 2 failed: cuDevicePrimaryCtxRelease_v2 on device 2 returned \
         CUDA_ERROR_LAUNCH_FAILED (719)"
            .to_owned(),
    ];
    assert_eq!(report, expected);
    assert_eq!(format!("{:?}", guard.report()), guard.report().to_string());
    let change = guard.report().current_context();
    assert_eq!(format!("{change:?}"), change.to_string());
    let line = guard.report().devices().nth(1).unwrap();
    assert_eq!(line.to_string(), format!("device 1: kept (cuDevicePrimaryCtxRetain: {ok})"));
    assert_eq!(format!("{line:?}"), line.to_string());
    let untouched = guard.report().devices().nth(3).unwrap();
    assert_eq!(untouched.to_string(), "device 3: left alone");
}

/// A line with one space wherever there are more.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn plan_reads_as_a_table() {
    let machine = machine_with(&[1, 0, 1]);
    machine.refuse_for(2, GET_STATE, 719);
    let plan = releases_up_to(2).plan_retain_only(machine.device(1)).unwrap();
    let text = without_ids(&machine, &plan.to_string());
    let lines: Vec<String> = text.lines().map(squeezed).collect();
    let expected = [
        "device UUID planned (dry run)",
        "0 GPU-0 release (up to 2 times)",
        "1 GPU-1 keep",
        "2 GPU-2 failed",
        "device 2 failed: cuDevicePrimaryCtxGetState on device 2 returned \
         CUDA_ERROR_LAUNCH_FAILED (719)",
    ];
    assert_eq!(lines, expected);
    assert_eq!(format!("{plan:?}"), plan.to_string());
}

#[test]
fn outcomes_and_plans_read_as_words() {
    let error = Error::NoSuchDevice { ordinal: 7, count: 2 };
    for (outcome, text) in [
        (Outcome::AlreadyInactive, "already inactive"),
        (Outcome::Released { releases: 2 }, "released (2 times)"),
        (Outcome::StillActive { releases: 1 }, "still active (1 released)"),
        (Outcome::HeldHere { handles: 1 }, "held here (1 handle)"),
        (Outcome::HeldHere { handles: 3 }, "held here (3 handles)"),
        (Outcome::HeldByGreenContext { releases: 0 }, "held by a green context"),
        (Outcome::HeldByGreenContext { releases: 2 }, "held by a green context (2 released)"),
    ] {
        assert_eq!(outcome.to_string(), text);
    }
    for (releases, active, text) in [
        (0, Some(true), "failed, active now"),
        (2, Some(false), "failed (2 released), inactive now"),
        (0, None, "failed, its state not known"),
    ] {
        let failed = Outcome::Failed { error: error.clone(), releases, active };
        assert_eq!(failed.to_string(), format!("{text}: {error}"));
    }
    for (planned, text) in [
        (Planned::LeaveAlone, "leave alone (policy)"),
        (Planned::AlreadyInactive, "already inactive"),
        (Planned::Release { at_most: 1 }, "release"),
        (Planned::Release { at_most: 4 }, "release (up to 4 times)"),
        (Planned::HeldHere { handles: 1 }, "held here (1 handle)"),
        (Planned::LeaveActive, "leave active (no release allowed)"),
        (Planned::Failed(error.clone()), &format!("failed: {error}")),
    ] {
        assert_eq!(planned.to_string(), text);
    }
}

#[test]
fn codes_with_something_to_do_about_them_say_what() {
    let remedies = [
        (2, "several hundred MiB"),
        (3, "spawn or exec"),
        (4, "before main returns"),
        (34, "LD_LIBRARY_PATH"),
        (46, "exclusive compute mode"),
        (100, "CUDA_VISIBLE_DEVICES"),
        (201, "no reference left"),
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
        let error = Error::Driver { call: RELEASE, device: None, code: CUresult(number) };
        assert!(error.to_string().ends_with(remedy), "{error}");
    }
    let with_remedy = (0..2000).filter(|number| CUresult(*number).remedy().is_some());
    assert_eq!(with_remedy.count(), remedies.len());
}

/// The loader mostly begins its reason with the name, which is not repeated then.
#[test]
fn every_library_that_was_tried_is_named_once() {
    let attempt = |library: &str, reason: &str| Attempt::new(library, reason);
    let tried = vec![
        attempt("libcuda.so.1", "libcuda.so.1: cannot open shared object file"),
        attempt("/usr/lib/wsl/lib/libcuda.so.1", "wrong ELF class"),
    ];
    let error = Error::LibraryNotFound { tried };
    let text = error.to_string();
    assert_eq!(format!("{error:?}"), text, "what a main function that returns it prints");
    let both = "(libcuda.so.1: cannot open shared object file; /usr/lib/wsl/lib/libcuda.so.1: \
                wrong ELF class)";
    assert!(text.contains(both), "{text}");
    assert!(text.contains("comes with NVIDIA's driver"), "{text}");
    assert!(text.ends_with("To test without a GPU, use simulated-libcuda."), "{text}");
}
