//! How devices are found: by ordinal, unique id, PCI address and raw handle.

#![allow(clippy::mutable_key_type, reason = "a device is hashed by its address alone")]

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::support::{machine, machine_from};
use cuda_primary_context::{StrayRelease, Uuid};
use serde_json::{json, to_value};
use simulated_libcuda::{Fault, Knob, Simulator};

#[test]
fn every_name_of_a_device_leads_to_it() {
    let mut hashes = HashSet::new();
    for count in [1, 17, 1024] {
        let machine = machine(count);
        let mut seen = HashSet::new();
        for ordinal in [0, count / 2, count - 1] {
            let device = machine.device(ordinal);
            assert_eq!(device.ordinal(), ordinal);
            assert_eq!(device.as_raw(), machine.simulator.device_handle(ordinal));
            let uuid = device.uuid().unwrap();
            assert_eq!(machine.driver.device_by_uuid(uuid), Ok(device));
            assert!(!uuid.is_mig());
            assert_eq!(uuid.to_string().parse(), Ok(uuid));
            let address = device.pci_bus_id().unwrap();
            assert_eq!(machine.driver.device_by_pci_bus_id(&address), Ok(device));
            assert_eq!(machine.driver.device_from_raw(device.as_raw()), Ok(device));
            seen.insert((device, machine.driver));
            hashes.insert(hash_of(device));
        }
        hashes.insert(hash_of(machine.driver));
        let different: HashSet<u32> = [0, count / 2, count - 1].into();
        assert_eq!(seen.len(), different.len(), "equal devices have one hash");
    }
    assert_eq!(hashes.len(), 3 + 7, "that of each driver and each device");
}

fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The buffer has 256 bytes: one for the end, and one beyond the size that the driver gets.
#[test]
fn a_name_that_is_too_long_is_cut() {
    let machine =
        machine_from(Simulator::builder().visible_devices(None).knob(Knob::DeviceNameBytes, 300));
    let name = machine.device(0).name().unwrap();
    assert_eq!(name, "0".repeat(254));
}

#[test]
fn what_is_no_device_is_named() {
    let machine = machine(2);
    let elsewhere = Uuid::from_bytes([7; 16]);
    let error = machine.driver.device_by_uuid(elsewhere).unwrap_err();
    assert_eq!((error.kind(), error.code()), ("unknown_device", None));
    let expected = format!("No device {elsewhere}: it is not among the 2 that this process sees");
    assert!(error.to_string().starts_with(&expected), "{error}");
    for address in ["0000:ff:1f.0", "x", "", "a\0b"] {
        let error = machine.driver.device_by_pci_bus_id(address).unwrap_err();
        assert_eq!(error.kind(), "unknown_device", "{address:?}");
    }
}

#[test]
fn failures_to_identify_a_device_are_errors() {
    for function in ["cuDeviceGetUuid", "cuDeviceGetUuid_v2", "cuDeviceGetPCIBusId"] {
        let simulator = Simulator::builder().devices(2).visible_devices(None).start();
        simulator.inject(Fault::of(function, 1).device(0).code(999).refused().once());
        let driver = crate::support::load(simulator.path()).unwrap();
        let [zero, one] = [0, 1].map(|ordinal| driver.device(ordinal).unwrap());
        assert_eq!(driver.device_by_uuid(one.uuid().unwrap()), Ok(one), "the other is found");
        let unknown = Uuid::from_bytes([7; 16]);
        let (error, by_uuid) = match function {
            "cuDeviceGetPCIBusId" => (zero.pci_bus_id().unwrap_err(), "unknown_device"),
            _ => (zero.uuid().unwrap_err(), "driver"),
        };
        assert_eq!((error.call(), error.device()), (Some(function), Some(0)));
        assert_eq!(driver.device_by_uuid(unknown).unwrap_err().kind(), by_uuid);
    }
    let machine = machine(2);
    machine.refuse("cuDeviceGetByPCIBusId", 999);
    let error = machine.driver.device_by_pci_bus_id("0000:00:00.0").unwrap_err();
    assert_eq!((error.kind(), error.call()), ("driver", Some("cuDeviceGetByPCIBusId")));
}

#[test]
fn mig_instance_has_an_id_of_its_own() {
    let builder = Simulator::builder().devices(2).visible_devices(None);
    let machine = machine_from(builder.knob(Knob::MigInstances, 1));
    for device in machine.driver.devices() {
        let uuid = device.uuid().unwrap();
        assert!(uuid.is_mig() && uuid.to_string().starts_with("MIG-"), "{uuid}");
        assert_ne!(uuid.as_bytes(), &machine.simulator.machine_uuid(device.ordinal()));
        assert_eq!(machine.driver.device_by_uuid(uuid.to_string().parse().unwrap()), Ok(device));
        let of_a_gpu = Uuid::from_bytes(*uuid.as_bytes());
        assert_eq!(machine.driver.device_by_uuid(of_a_gpu).unwrap_err().kind(), "unknown_device");
        let report = StrayRelease::new().run(machine.driver).unwrap();
        let line = &to_value(&report).unwrap()["devices"][device.ordinal() as usize];
        assert_eq!(line["uuid"], json!(uuid.to_string()), "{line}");
        assert!(report.to_string().contains(&uuid.to_string()), "{report}");
    }
}
