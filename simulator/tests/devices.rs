//! Who the devices are, and which of them the process sees.

mod driver;

use std::collections::HashSet;
use std::ffi::CString;
use std::fmt::Write;

use driver::{Library, POISONED, out, started};
use simulated_libcuda::{Fault, Knob, Simulator};

fn attribute(library: Library, number: usize, device: i32) -> (u32, i32) {
    let mut value = i32::MIN;
    (
        library.call("cuDeviceGetAttribute", &[out(&mut value), number, library.device(device)]),
        value,
    )
}

fn pci_bus_id(library: Library, device: i32) -> String {
    let mut text = [0_u8; 32];
    assert_eq!(
        library.call("cuDeviceGetPCIBusId", &[out(&mut text), 32, library.device(device)]),
        0
    );
    let end = text.iter().position(|&byte| byte == 0).unwrap();
    String::from_utf8(text[..end].to_vec()).unwrap()
}

fn uuid_text(library: Library, device: i32) -> String {
    let mut text = "GPU-".to_owned();
    for (index, byte) in library.uuid(device).iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(text, "{dash}{byte:02x}").unwrap();
    }
    text
}

#[test]
fn two_thousand_devices_are_all_different() {
    let (_simulator, library) = started(2000);
    assert_eq!(library.count(), (0, 2000));
    let uuids: HashSet<_> = (0..2000).map(|device| library.uuid(device)).collect();
    let ids: HashSet<_> = (0..2000).map(|device| pci_bus_id(library, device)).collect();
    assert_eq!((uuids.len(), ids.len()), (2000, 2000));
    let handles: HashSet<_> = (0..2000).map(|device| library.retain(device).1).collect();
    assert_eq!(handles.len(), 2000);
}

#[test]
fn a_handle_is_not_the_ordinal_unless_the_knob_says_so() {
    let (simulator, library) = started(3);
    for ordinals in [false, true] {
        simulator.set_knob(Knob::HandlesAreOrdinals, ordinals.into());
        for ordinal in 0..3 {
            let mut handle = -7_i32;
            assert_eq!(library.call("cuDeviceGet", &[out(&mut handle), ordinal as usize]), 0);
            assert_eq!(handle == ordinal, ordinals);
            assert_eq!(handle, simulator.device_handle(ordinal as u32));
            let words = [handle as usize, 0, 0];
            assert_eq!(library.call("cuDevicePrimaryCtxGetState", &words), 1, "null pointers");
            let answer = library.call("cuDevicePrimaryCtxRelease_v2", &[ordinal as usize]);
            assert_eq!(answer, if ordinals { 201 } else { 101 });
        }
        let mut handle = -7_i32;
        for ordinal in [-1, 3, 1_000_000, i32::MIN, i32::MAX] {
            let words = [out(&mut handle), ordinal as usize];
            assert_eq!((library.call("cuDeviceGet", &words), handle), (101, -7));
        }
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

#[test]
fn there_is_a_limit_and_it_is_an_error() {
    assert!(Simulator::try_start(4096).is_ok());
    assert!(Simulator::try_start(4097).is_err());
}

#[test]
fn identities_are_the_same_in_every_instance() {
    let (_first, one) = started(3);
    let (_second, two) = started(3);
    for device in 0..3 {
        assert_eq!(one.uuid(device), two.uuid(device));
        assert_eq!(pci_bus_id(one, device), pci_bus_id(two, device));
    }
}

#[test]
fn both_generations_of_uuid_agree() {
    let (_simulator, library) = started(2);
    let mut first = [0_u8; 16];
    assert_eq!(library.call("cuDeviceGetUuid", &[out(&mut first), library.device(1)]), 0);
    assert_eq!(first, library.uuid(1));
}

#[test]
fn a_pci_bus_id_leads_back_to_its_device_in_every_spelling() {
    let (_simulator, library) = started(300);
    let find = |text: &str| {
        let text = CString::new(text).unwrap();
        let mut device = -7_i32;
        let code =
            library.call("cuDeviceGetByPCIBusId", &[out(&mut device), text.as_ptr() as usize]);
        (code, device)
    };
    for device in [0, 1, 254, 255, 299] {
        let id = pci_bus_id(library, device);
        let found = (0, library.handle(device));
        assert_eq!(find(&id), found, "{id}");
        assert_eq!(find(&id.to_lowercase()), found);
        assert_eq!(find(&format!("0000{id}")), found, "eight digits of domain");
        assert_eq!(find(id.strip_suffix(".0").unwrap()), found, "no function");
    }
    assert_eq!(find("02:00.0"), (0, library.handle(1)), "no domain");
    assert_eq!(find("00FF:01:00.0"), (101, -7));
    for nonsense in ["", "GPU-0", "0000", "0000:01", "0000:01:00.0x", "0000:01:07.0", "zz:00.0"] {
        assert_eq!(find(nonsense), (1, -7), "{nonsense}");
    }
}

#[test]
fn names_and_ids_fit_their_buffers_or_are_refused() {
    let (_simulator, library) = started(1);
    for length in 1..40_usize {
        let mut text = [0xaa_u8; 40];
        assert_eq!(
            library.call("cuDeviceGetName", &[out(&mut text), length, library.device(0)]),
            0
        );
        assert!(text[..length].contains(&0));
        assert!(text[length..].iter().all(|&byte| byte == 0xaa));
        let mut text = [0xaa_u8; 40];
        let code =
            library.call("cuDeviceGetPCIBusId", &[out(&mut text), length, library.device(0)]);
        assert_eq!(code, u32::from(length <= "0000:01:00.0".len()));
        assert!(text[length..].iter().all(|&byte| byte == 0xaa));
    }
    let mut text = [0xaa_u8; 4];
    for length in [0, -1_i32 as usize] {
        assert_eq!(
            library.call("cuDeviceGetName", &[out(&mut text), length, library.device(0)]),
            1
        );
        assert_eq!(
            library.call("cuDeviceGetPCIBusId", &[out(&mut text), length, library.device(0)]),
            1
        );
    }
    assert_eq!(text, [0xaa; 4]);
}

#[test]
fn attributes_are_plausible_and_unknown_ones_refused() {
    let (simulator, library) = started(2);
    let (mut major, mut minor) = (0_i32, 0_i32);
    let words = [out(&mut major), out(&mut minor), library.device(0)];
    assert_eq!(library.call("cuDeviceComputeCapability", &words), 0);
    assert_eq!((attribute(library, 75, 0), attribute(library, 76, 0)), ((0, major), (0, minor)));
    assert_eq!(attribute(library, 10, 0), (0, 32), "threads in a warp");
    assert!(attribute(library, 16, 0).1 > 0, "multiprocessors");
    assert_eq!(pci_bus_id(library, 1), format!("0000:{:02X}:00.0", attribute(library, 33, 1).1));
    simulator.set_knob(Knob::ComputeMode, 3);
    assert_eq!(attribute(library, 20, 0), (0, 3));
    for known in 1..=161 {
        assert_eq!(attribute(library, known, 0).0, 0, "{known}");
    }
    for unknown in [0, 162, 10_000, usize::MAX] {
        assert_eq!(attribute(library, unknown, 0), (1, i32::MIN));
    }
}

#[test]
fn total_memory_in_both_generations() {
    let (simulator, library) = started(1);
    let (mut wide, mut narrow) = (0_usize, 0_u32);
    assert_eq!(library.call("cuDeviceTotalMem_v2", &[out(&mut wide), library.device(0)]), 0);
    assert_eq!(library.call("cuDeviceTotalMem", &[out(&mut narrow), library.device(0)]), 0);
    assert_eq!((wide, narrow), (80 << 30, u32::MAX));
    simulator.set_knob(Knob::DeviceBytes, 1 << 20);
    assert_eq!(library.call("cuDeviceTotalMem", &[out(&mut narrow), library.device(0)]), 0);
    assert_eq!(narrow, 1 << 20);
}

/// The physical indices that a value of the variable shows, on a machine of four devices.
fn visible(list: &str) -> Vec<usize> {
    let (_all, everything) = started(4);
    let simulator = Simulator::builder().devices(4).visible_devices(Some(list)).start();
    let library = Library::of(&simulator);
    match library.init() {
        0 => {}
        100 => {
            assert_eq!(library.count(), (3, POISONED));
            return Vec::new();
        }
        other => panic!("cuInit answers {other}"),
    }
    let physical = |uuid| (0..4).position(|device| everything.uuid(device) == uuid).unwrap();
    let count = i32::try_from(library.count().1).unwrap();
    (0..count).map(|device| physical(library.uuid(device))).collect()
}

#[test]
fn visible_devices_by_ordinal() {
    let table: [(&str, &[usize]); 13] = [
        ("0", &[0]),
        ("3,1", &[3, 1]),
        ("0,1,2,3", &[0, 1, 2, 3]),
        ("1,9,2", &[1]),
        ("9", &[]),
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
        assert_eq!(visible(list), expected, "{list:?}");
    }
}

#[test]
fn visible_devices_by_uuid() {
    let (_simulator, library) = started(4);
    let uuid = |device| uuid_text(library, device);
    assert_eq!(visible(&uuid(2)), [2]);
    assert_eq!(visible(&format!("{},{},0", uuid(3), uuid(1))), [3, 1, 0]);
    assert_eq!(visible(&uuid(2).to_uppercase()), [2], "in capitals");
    assert_eq!(visible(&uuid(1)[..16]), [1], "a prefix that one device has");
    assert_eq!(visible("GPU-"), [0; 0], "a prefix that several devices have");
    assert_eq!(visible(&format!("{}0", uuid(1))), [0; 0], "longer than any");
    assert_eq!(visible("MIG-0"), [0; 0]);
}

#[test]
fn a_device_named_twice_is_refused() {
    let twice = Simulator::builder().devices(2).visible_devices(Some("1,1"));
    assert_eq!(Library::of(&twice.clone().start()).init(), 101);
    let simulator = twice.knob(Knob::DuplicateVisibleDevice, 0).start();
    let library = Library::of(&simulator);
    assert_eq!((library.init(), library.count()), (0, (0, 1)));
}

#[test]
fn a_long_name_is_cut() {
    let simulator =
        Simulator::builder().visible_devices(None).knob(Knob::DeviceNameBytes, 300).start();
    let library = Library::of(&simulator);
    assert_eq!(library.init(), 0);
    let mut name = [1_u8; 12];
    assert_eq!(library.call("cuDeviceGetName", &[out(&mut name), 10, library.device(0)]), 0);
    assert_eq!(&name, b"000000000\0\x01\x01");
}

#[test]
fn all_devices_can_be_asked_for() {
    let simulator = Simulator::builder().devices(3).visible_devices(None).start();
    let library = Library::of(&simulator);
    assert_eq!((library.init(), library.count()), (0, (0, 3)));
}
