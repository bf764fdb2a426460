//! What can be read of a device without a context.

use std::ffi::c_int;
use std::ptr;

use cuda_primary_context::sys::{CUdevice_attribute, CUuuid};

use super::machine::Machine;
use super::questions::Questions;
use crate::support::driver_library::call;

pub fn enumeration(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let count = library.device_count();
    questions.holds("there is a device", count > 0);
    let mut device = -1;
    for (name, ordinal) in [("-1", -1), ("the count", count), ("the greatest", c_int::MAX)] {
        let result = call!(library, cuDeviceGet_v2000(&mut device, ordinal));
        questions.ask(format!("cuDeviceGet of {name}"), 101, result);
    }
    let driver = machine.driver();
    questions.ask("devices of the crate", count, driver.device_count());
    let raw: Vec<c_int> = (0..count).map(|ordinal| library.device(ordinal)).collect();
    let devices = driver.devices().map(|device| device.as_raw());
    questions.holds("their handles are the driver's", devices.eq(raw));
}

pub fn identity(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let raw = library.device(0);
    let (mut first, mut second) = (CUuuid { bytes: [0; 16] }, CUuuid { bytes: [0; 16] });
    let result = call!(library, cuDeviceGetUuid_v9020(&mut first, raw));
    questions.ask("cuDeviceGetUuid", 0, result);
    let result = call!(library, cuDeviceGetUuid_v11040(&mut second, raw));
    questions.ask("cuDeviceGetUuid_v2", 0, result);
    questions.holds("the uuid is one", first.bytes != [0; 16]);
    let device = machine.driver().device(0).expect("there is a device");
    let uuid = device.uuid().expect("a uuid");
    questions
        .holds("it differs for a MIG instance", uuid.is_mig() == (first.bytes != second.bytes));
    questions.holds("the crate's uuid reads like one", uuid.to_string().len() == 40);
    let (major, _) = device.compute_capability().expect("a capability");
    questions.holds("the capability is one", (1..100).contains(&major));
    let unknown = device.attribute(CUdevice_attribute(100_000));
    questions.ask("an unknown attribute", 1, unknown.expect_err("no attribute").code().unwrap().0);
    let pci = device.pci_bus_id().expect("a PCI address");
    let lengths: Vec<usize> = pci.split(':').map(str::len).collect();
    questions.ask("the PCI address", "[4, 2, 4]", format!("{lengths:?}"));
    questions.holds("the name is one", !device.name().expect("a name").is_empty());
}

pub fn unknown_devices(machine: &Machine, questions: &Questions) {
    let library = machine.initialised();
    let mut context = ptr::null_mut();
    let (mut flags, mut active) = (0, 0);
    for device in [-1, 999] {
        let ask = |call: &str, result| questions.ask(format!("{call} of {device}"), 101, result);
        ask("retain", call!(library, cuDevicePrimaryCtxRetain_v7000(&mut context, device)));
        ask("release", call!(library, cuDevicePrimaryCtxRelease_v11000(device)));
        ask("bare release", call!(library, bare cuDevicePrimaryCtxRelease_v11000(device)));
        ask("reset", call!(library, cuDevicePrimaryCtxReset_v11000(device)));
        ask("flags", call!(library, cuDevicePrimaryCtxSetFlags_v11000(device, 0)));
        ask(
            "state",
            call!(library, cuDevicePrimaryCtxGetState_v7000(device, &mut flags, &mut active)),
        );
    }
}

/// Every way of looking leaves every primary context as it was.
pub fn looking_creates_nothing(machine: &Machine, questions: &Questions) {
    let driver = machine.driver();
    let library = machine.load();
    for device in driver.devices() {
        device.name().expect("a name");
        let plan =
            cuda_primary_context::StrayRelease::new().plan_retain_only(device).expect("a plan");
        assert_eq!(plan.devices().len(), driver.device_count() as usize);
        assert!(driver.primary_contexts().all(|(_, state)| state.is_ok_and(|state| !state.active)));
    }
    let states = driver.devices().map(|device| library.state(device.as_raw()));
    questions.ask("active devices", 0, states.filter(|state| state != "0/0").count());
    questions.holds("nothing is current", library.current().is_null());
}
