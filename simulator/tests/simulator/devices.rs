//! Who the devices are, and which of them the process sees.

use crate::driver::{Library, POISONED, out, started};
use simulated_libcuda::{Fault, Knob, Simulator};

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
fn visible(list: &str) -> Vec<usize> {
    let machine = Simulator::builder().devices(4);
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
