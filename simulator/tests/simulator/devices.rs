//! Who the devices are, and which of them the process sees.

use std::fmt::Write;

use crate::driver::{Library, POISONED, out, started};
use simulated_libcuda::{Builder, Fault, Knob, Simulator};

fn uuid(library: Library, function: &str, device: i32) -> [u8; 16] {
    let mut uuid = [0; 16];
    assert_eq!(library.call(function, &[out(&mut uuid), library.device(device)]), 0);
    uuid
}

fn in_words(prefix: &str, uuid: [u8; 16]) -> String {
    let mut text = prefix.to_owned();
    for (index, byte) in uuid.iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(text, "{dash}{byte:02x}").unwrap();
    }
    text
}

#[test]
fn a_handle_is_the_ordinal_if_the_knob_says_so() {
    let (simulator, library) = started(3);
    for ordinals in [false, true] {
        simulator.set_knob(Knob::HandlesAreOrdinals, ordinals.into());
        let mut handle = -7_i32;
        assert_eq!(library.call("cuDeviceGet", &[out(&mut handle), 2]), 0);
        assert_eq!((handle == 2, handle), (ordinals, simulator.device_handle(2)));
    }
}

#[test]
fn the_log_and_faults_know_ordinals() {
    let (simulator, library) = started(3);
    simulator.record_calls(true);
    simulator.inject(Fault::of("cuDevicePrimaryCtxRetain", 1).device(2).code(46));
    assert_eq!([0, 2].map(|device| library.retain(device).0), [0, 46]);
    library.release(3);
    library.call("cuDevicePrimaryCtxRelease_v2", &[1]);
    let devices: Vec<_> = simulator.calls().iter().map(|call| call.device).collect();
    assert_eq!(devices, [Some(0), Some(2), Some(3), None], "1 is nobody's handle");
}

/// The physical indices that a value of the variable shows, on a machine of four devices.
fn visible(list: &str, adjust: impl Fn(Builder) -> Builder) -> Vec<usize> {
    let machine = adjust(Simulator::builder().devices(4));
    let whole = machine.clone().visible_devices(None).start();
    let everything = Library::of(&whole);
    assert_eq!(everything.init(), 0);
    let simulator = machine.visible_devices(Some(list)).start();
    let library = Library::of(&simulator);
    match library.init() {
        0 => {}
        100 => {
            assert_eq!(library.count(), (3, POISONED));
            return Vec::new();
        }
        other => panic!("cuInit returns {other}"),
    }
    let physical = |uuid| (0..4).position(|device| everything.uuid(device) == uuid).unwrap();
    let count = i32::try_from(library.count().1).unwrap();
    (0..count).map(|device| physical(library.uuid(device))).collect()
}

#[test]
fn visible_devices_by_ordinal() {
    let table: [(&str, &[usize]); 11] = [
        ("3,1", &[3, 1]),
        ("0,1,2,3", &[0, 1, 2, 3]),
        ("1,9,2", &[1]),
        ("2,-1,0", &[2]),
        ("-1", &[]),
        ("", &[]),
        ("NoDevFiles", &[]),
        (" 2 , 0 ", &[2, 0]),
        ("1,,2", &[1]),
        ("1x,2", &[]),
        ("99999999999999999999", &[]),
    ];
    for (list, expected) in table {
        assert_eq!(visible(list, |machine| machine), expected, "{list:?}");
    }
    let twice = Simulator::builder().devices(2).visible_devices(Some("1,1")).start();
    assert_eq!(Library::of(&twice).init(), 101, "a device named twice");
}

#[test]
fn visible_devices_by_uuid() {
    let (_simulator, library) = started(4);
    let uuid = |device| in_words("GPU-", library.uuid(device));
    let visible = |list: &str| visible(list, |machine| machine);
    assert_eq!(visible(&format!("{},{},0", uuid(3), uuid(1))), [3, 1, 0]);
    assert_eq!(visible(&uuid(2).to_uppercase()), [2], "in capitals");
    assert_eq!(visible(&uuid(1)[..16]), [1], "a prefix that one device has");
    assert_eq!(visible("GPU-"), [0; 0], "a prefix that several devices have");
    assert_eq!(visible(&format!("{}0", uuid(1))), [0; 0], "longer than any");
    assert_eq!(visible(&in_words("MIG-", library.uuid(0))), [0; 0], "no instances");
}

#[test]
fn an_instance_is_visible_by_the_id_that_the_driver_gives() {
    let divided = |machine: Builder| machine.knob(Knob::MigInstances, 1);
    let simulator = divided(Simulator::builder().devices(4)).visible_devices(None).start();
    let library = Library::of(&simulator);
    assert_eq!(library.init(), 0);
    for device in 0..4 {
        let gpu = uuid(library, "cuDeviceGetUuid", device);
        let instance = uuid(library, "cuDeviceGetUuid_v2", device);
        let same = gpu.iter().zip(instance).filter(|(gpu, instance)| **gpu == *instance).count();
        assert!(same < 4, "{gpu:?} {instance:?}");
        let expected = [device as usize];
        assert_eq!(visible(&in_words("MIG-", instance), divided), expected);
        assert_eq!(visible(&in_words("GPU-", gpu), divided), expected);
        assert_eq!(visible(&in_words("GPU-", instance), divided), [0; 0]);
    }
}
