//! Who the devices are, and which of them the process sees.

use std::ops::Range;

use crate::driver::{Library, POISONED, out, started};
use simulated_libcuda::{Builder, Call, Fault, Knob, Simulator};

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
    let calls: Vec<_> = simulator.calls().iter().map(Call::to_string).collect();
    // 1 is nobody's handle.
    let expected = ["Retain@0", "Retain@2", "Release_v2@3", "Release_v2"];
    assert_eq!(calls, expected.map(|call| format!("cuDevicePrimaryCtx{call}")));
}

/// The physical indices that a value of the variable shows, on a machine of four devices.
fn visible(list: &str) -> Vec<usize> {
    visible_on(Simulator::builder().devices(4), list)
}

fn visible_on(machine: Builder, list: &str) -> Vec<usize> {
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
    let table: [(&str, &[usize]); 12] = [
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
        ("3,GPU-,1", &[3]),
    ];
    for (list, expected) in table {
        assert_eq!(visible(list), expected, "{list:?}");
    }
    let twice = Simulator::builder().devices(2).visible_devices(Some("1,1")).start();
    assert_eq!(Library::of(&twice).init(), 101, "a device named twice");
}

/// The unique id as NVIDIA's tools write it. `cuDeviceGetUuid_v2` returns that of a MIG instance.
fn id(library: Library, prefix: &str, function: &str, device: i32) -> String {
    let mut bytes = [0_u8; 16];
    assert_eq!(library.call(function, &[out(&mut bytes), library.device(device)]), 0);
    let hex = |range: Range<usize>| -> String {
        bytes[range].iter().map(|byte| format!("{byte:02x}")).collect()
    };
    [prefix.to_owned(), hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)].join("-")
}

#[test]
fn visible_devices_by_unique_id() {
    let (_simulator, library) = started(4);
    let gpu = |device| id(library, "GPU", "cuDeviceGetUuid", device);
    assert_eq!(visible(&format!("{}, {} ,0", gpu(3), gpu(1))), [3, 1, 0]);
    assert_eq!(visible(&gpu(2).to_uppercase()), [2], "in capitals");
    assert_eq!(visible(&gpu(1)[..16]), [1], "a prefix that one device has");
    assert_eq!(visible(&format!("{}0", gpu(1))), [0; 0], "longer than any");
    assert_eq!(visible(&gpu(0).replace("GPU", "MIG")), [0; 0], "no instances");

    let divided = Simulator::builder().devices(4).knob(Knob::MigInstances, 1);
    let simulator = divided.clone().visible_devices(None).start();
    let library = Library::of(&simulator);
    assert_eq!(library.init(), 0);
    let instance = id(library, "MIG", "cuDeviceGetUuid_v2", 2);
    assert_eq!(visible_on(divided.clone(), &format!("{instance},{}", gpu(1))), [2, 1]);
    assert_eq!(visible_on(divided, &instance.replace("MIG", "GPU")), [0; 0]);
}
