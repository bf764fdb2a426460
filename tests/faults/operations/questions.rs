//! Operations that ask and set, and make no handle.

use cuda_primary_context::sys::{CUctx_flags, CUdevice_attribute};
use cuda_primary_context::{Error, Planned, StrayRelease};

use super::{Operation, machine};
use crate::faults::log::{GET_BY_ADDRESS, GET_STATE, RESET, SET_FLAGS};
use crate::faults::recorder::Recorder;
use crate::faults::stage::Stage;
use crate::support::{Machine, gpu_id};

pub const OPERATIONS: [Operation; 11] = [
    Operation {
        name: "state",
        calls: |_| vec![GET_STATE],
        body: |recorder, ordinal| {
            let Machine { simulator, .. } = machine(recorder);
            let device = machine(recorder).device(ordinal);
            let truth = (simulator.is_active(ordinal), simulator.flags(ordinal));
            if let Some(state) = recorder.ask(|| device.primary_context_state()) {
                recorder.truth((state.active, state.flags.0) == truth, "the state is the state");
            }
        },
    },
    Operation {
        name: "audit",
        calls: |given| vec![GET_STATE; given.devices as usize],
        body: |recorder, _| {
            let Machine { simulator, driver } = machine(recorder);
            let mut contexts = driver.primary_contexts();
            for ordinal in 0..driver.device_count() {
                let Some((device, state)) = contexts.next() else { panic!("a device is missing") };
                recorder.truth(device.ordinal() == ordinal, "devices come in their order");
                if let Some(state) = recorder.ask(|| state) {
                    recorder.truth(state.active == simulator.is_active(ordinal), "the state is so");
                }
            }
            recorder.truth(contexts.next().is_none(), "there are as many as devices");
        },
    },
    Operation {
        name: "plan",
        calls: |given| vec![GET_STATE; given.devices as usize - 1],
        body: |recorder, ordinal| plan(recorder, Some(ordinal)),
    },
    Operation {
        name: "plan_run",
        calls: |given| vec![GET_STATE; given.devices as usize],
        body: |recorder, _| plan(recorder, None),
    },
    Operation {
        name: "set_primary_context_flags",
        calls: |_| vec![SET_FLAGS; 2],
        body: |recorder, ordinal| {
            let Machine { simulator, .. } = machine(recorder);
            let device = machine(recorder).device(ordinal);
            for flags in [CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC, CUctx_flags(0)] {
                if recorder.ask(|| device.set_primary_context_flags(flags)).is_some() {
                    recorder.truth(simulator.flags(ordinal) == flags.0, "the flags are set");
                }
            }
        },
    },
    Operation {
        name: "reset_primary_context",
        calls: |_| vec![RESET],
        body: |recorder, ordinal| {
            let Machine { simulator, .. } = machine(recorder);
            let device = machine(recorder).device(ordinal);
            // SAFETY: nothing uses the simulated context.
            if recorder.ask(|| unsafe { device.reset_primary_context() }).is_some() {
                recorder.truth(!simulator.is_active(ordinal), "the context is gone");
            }
            // The count stays, and the next reference makes the context anew.
            recorder.others_retain(ordinal);
            recorder.others_release(ordinal);
        },
    },
    Operation {
        name: "name",
        calls: |_| vec!["cuDeviceGetName"],
        body: |recorder, ordinal| {
            let device = machine(recorder).device(ordinal);
            if let Some(name) = recorder.ask(|| device.name()) {
                recorder.truth(name.contains("Simulated"), "the name is the device's");
            }
        },
    },
    Operation {
        name: "pci_bus_id",
        calls: |_| vec!["cuDeviceGetPCIBusId"],
        body: |recorder, ordinal| {
            let device = machine(recorder).device(ordinal);
            if let Some(id) = recorder.ask(|| device.pci_bus_id()) {
                // The simulated machine has one device on each bus, from 1 on.
                let truth = format!("0000:{:02X}:00.0", ordinal + 1);
                recorder.truth(id == truth, "it is the device's address");
            }
        },
    },
    Operation {
        name: "device_by_pci_bus_id",
        calls: |_| vec![GET_BY_ADDRESS],
        body: |recorder, ordinal| {
            let Machine { driver, .. } = machine(recorder);
            let address = format!("0000:{:02X}:00.0", ordinal + 1);
            if let Some(device) = recorder.ask(|| driver.device_by_pci_bus_id(&address)) {
                recorder.truth(device.ordinal() == ordinal, "it is the device at that address");
            }
        },
    },
    Operation {
        name: "attribute",
        calls: |_| vec!["cuDeviceGetAttribute"],
        body: |recorder, ordinal| {
            let device = machine(recorder).device(ordinal);
            let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID;
            if let Some(value) = recorder.ask(|| device.attribute(attribute)) {
                recorder.truth(value == ordinal as i32 + 1, "it is the device's bus");
            }
        },
    },
    Operation {
        name: "state of every device",
        calls: |given| vec![GET_STATE; given.devices as usize],
        body: |recorder, _| {
            for device in machine(recorder).driver.devices() {
                recorder.ask(|| device.primary_context_state());
            }
        },
    },
];

fn plan(recorder: &mut Recorder<'_>, kept: Option<u32>) {
    let Machine { simulator, driver } = machine(recorder);
    let device = kept.map(|ordinal| machine(recorder).device(ordinal));
    let mut planned = Vec::new();
    recorder.ask_each(|| {
        let policy = StrayRelease::new();
        let plan = match device {
            Some(device) => policy.plan(device),
            None => policy.plan_run(*driver),
        };
        match plan {
            Ok(plan) => {
                let each = plan.devices().map(|(of, planned)| (of, planned.clone()));
                planned.extend(each);
                planned.iter().filter_map(|(_, planned)| failure(planned)).collect()
            }
            Err(error) => vec![error],
        }
    });
    for (other, planned) in planned {
        let active = simulator.is_active(other.ordinal());
        let is_kept = Some(other) == device;
        let truth = match planned {
            Planned::Keep => is_kept,
            Planned::AlreadyInactive => !active && !is_kept,
            Planned::Release { at_most: 1 } => active && !is_kept && other.handles() == Ok(0),
            Planned::HeldHere { handles } => active && !is_kept && other.handles() == Ok(handles),
            Planned::Failed(_) => !is_kept,
            _ => false,
        };
        recorder.truth(truth, "the plan is what would be done");
    }
}

fn failure(planned: &Planned) -> Option<Error> {
    match planned {
        Planned::Failed(error) => Some(error.clone()),
        _ => None,
    }
}

/// Asks the driver once for each device and keeps the answer, but not a failure.
pub fn uuid(recorder: &mut Recorder<'_>, ordinal: u32) {
    let device = machine(recorder).device(ordinal);
    if let Some(uuid) = recorder.ask(|| device.uuid()) {
        recorder.truth(device.uuid() == Ok(uuid), "it is the same the second time");
        let known = recorder.stage.uuids[ordinal as usize];
        recorder.truth(*uuid.as_bytes() == known && !uuid.is_mig(), "it is the device's");
    }
}

/// Finds the device by its id: those before it have been asked for theirs.
pub fn device_by_uuid(recorder: &mut Recorder<'_>, ordinal: u32) {
    let driver = machine(recorder).driver;
    let known = gpu_id(recorder.stage.uuids[ordinal as usize]);
    if let Some(device) = recorder.ask(|| driver.device_by_uuid(known)) {
        recorder.truth(device.ordinal() == ordinal, "it is the device of that id");
    }
}

/// Something that is asked of a stage of three devices.
pub type Look = fn(&Stage);

/// What calls nothing, so that nothing in it can fail.
pub const CALL_NOTHING: [(&str, Look); 10] = [
    ("device", |stage| assert!(stage.machine.driver.device(0).is_ok())),
    ("devices", |stage| assert_eq!(stage.machine.driver.devices().count(), 3)),
    ("device_from_raw", |stage| {
        let device = stage.machine.device(2);
        assert_eq!(stage.machine.driver.device_from_raw(device.as_raw()), Ok(device));
    }),
    ("version", |stage| assert_eq!(stage.machine.driver.version().raw(), 13000)),
    ("path", |stage| assert!(stage.machine.driver.path().is_absolute())),
    ("forked_after_init", |_| assert!(!cuda_primary_context::fork::forked_after_init())),
    ("handles", |stage| assert_eq!(stage.machine.device(0).handles(), Ok(0))),
    ("unreleased", |stage| assert_eq!(stage.machine.driver.unreleased(), 0)),
    ("audit begun", |stage| assert_eq!(stage.machine.driver.primary_contexts().len(), 3)),
    ("no such device", |stage| {
        let error = stage.machine.driver.device(3).unwrap_err();
        assert_eq!(error, Error::NoSuchDevice { ordinal: 3, count: 3 });
    }),
];
