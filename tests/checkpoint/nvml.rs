//! What is read from NVML: without it, and from a stand-in that a C compiler makes.

use std::fs;
use std::process::Command;

use cuda_primary_context::checkpoint::nvml::{
    DeviceMemory, NvmlError, free, memory_of, processes as processes_on_gpus, room,
};
use cuda_primary_context::checkpoint::{DeviceRoom, GpuMap, GpuPair, Room};

use crate::support::libraries::build;
use crate::support::processes::{self, in_prepared_process};
use crate::support::skips;

/// Two GPUs. The second lists a process twice, as with two instances of a divided GPU.
const GPUS: &str = "2
0 41 1000 -1
0 42 -1 -1
1 41 200 1
1 40 7 1
1 41 100 2
free 0 5000
free 1 200
";

/// Runs a test in a process that finds the stand-in of cuda-contexts and no other NVML. It has these GPUs, and what
/// the line says.
fn with_library<F: FnOnce()>(line: &str, body: F) {
    let test = processes::test_of(&body);
    let Some(compiler) = skips::compiler(test) else { return };
    let prepare = |command: &mut Command| {
        let folder = processes::folder(test);
        build(&compiler, "../command/tests/ps/nvml.c", &folder.join("libnvidia-ml.so.1"), []);
        let listed = folder.join("listed");
        fs::write(&listed, format!("{GPUS}{line}")).expect("a file can be written");
        command.env("LD_LIBRARY_PATH", folder).env("NVML_STAND_IN", listed);
    };
    in_prepared_process(test, prepare, body);
}

fn memory(gpu: u32, mib: u64) -> DeviceMemory {
    let text = format!("GPU-{gpu:08x}-0000-0000-0000-000000000000");
    DeviceMemory { device: text.parse().unwrap(), bytes: mib << 20 }
}

#[test]
fn without_the_library_there_is_an_error_that_says_so() {
    let Err(error) = free() else {
        skips::skip("no-nvml", "without_the_library_there_is_an_error_that_says_so", "it is here");
        return;
    };
    assert!(matches!(error, NvmlError::LibraryNotFound { .. }), "{error:?}");
    assert_eq!(error.kind(), "nvml_not_found");
    let text = error.to_string();
    assert!(text.contains("libnvidia-ml.so.1"), "{text}");
    assert!(text.ends_with("NVIDIA's driver"), "callers put it into a sentence: {text}");
    assert_eq!(memory_of(1), Err(error.clone()));
    assert_eq!(room([], &GpuMap::same()), Err(error));
}

#[test]
fn memory_is_listed_by_device_and_process() {
    with_library("", || {
        assert_eq!(memory_of(41), Ok(vec![memory(1, 1000), memory(2, 300)]));
        assert_eq!(free(), Ok(vec![memory(1, 5000), memory(2, 200)]));
        let error = memory_of(43).unwrap_err();
        assert!(matches!(error, NvmlError::NotListed { pid: 43, .. }), "{error:?}");
        assert!(error.to_string().contains("container"), "{error}");
        let error = memory_of(42).unwrap_err();
        assert_eq!(error.kind(), "nvml_memory_unknown");
    });
}

#[test]
fn processes_are_listed_for_each_gpu() {
    with_library("", || {
        let gpus = processes_on_gpus().unwrap();
        let uuids: Vec<_> = gpus.iter().map(|gpu| (gpu.index, gpu.uuid)).collect();
        let uuid = |number| Some(memory(number, 0).device);
        assert_eq!(uuids, [(0, uuid(1)), (1, uuid(2))]);
        let listed = |index: usize| {
            let listed = gpus[index].processes.as_ref().unwrap().iter();
            let mib = |bytes: Option<u64>| bytes.map(|bytes| bytes >> 20);
            listed.map(|each| (each.pid, mib(each.bytes), each.mig_instance)).collect::<Vec<_>>()
        };
        assert_eq!(listed(0), [(41, Some(1000), None), (42, None, None)]);
        let instances =
            [(41, Some(200), Some(1)), (40, Some(7), Some(1)), (41, Some(100), Some(2))];
        assert_eq!(listed(1), instances);
    });
}

/// The room for a restore is computed from this: memory that is not counted must be an error.
#[test]
fn memory_is_an_error_if_one_gpu_has_no_uuid() {
    with_library("fail nvmlDeviceGetUUID 1 999", || {
        let error = memory_of(41).unwrap_err();
        assert!(matches!(error, NvmlError::Call { call: "nvmlDeviceGetUUID", .. }), "{error:?}");
        let gpus = processes_on_gpus().unwrap();
        assert!(gpus[0].uuid.is_some() && gpus[0].processes.is_ok(), "{gpus:?}");
        assert_eq!((gpus[1].uuid, &gpus[1].processes), (None, &Err(error)));
    });
}

#[test]
fn rooms_are_summed_where_the_map_brings_them() {
    with_library("", || {
        let needed = [memory(1, 1000), memory(2, 300), memory(1, 50)];
        let at = |gpu, needed, free| {
            let (needed, free) = (memory(gpu, needed), memory(gpu, free));
            DeviceRoom { device: needed.device, needed: needed.bytes, free: free.bytes }
        };
        let same = room(needed, &GpuMap::same()).unwrap();
        assert_eq!(same, Room::Looked(vec![at(1, 1050, 5000), at(2, 300, 200)]));
        assert_eq!(same.check().unwrap_err().kind(), "no_room");
        let gpu = |number| memory(number, 0).device;
        let pair = |old, new| GpuPair { old: gpu(old), new: gpu(new) };
        let swapped = GpuMap::new([pair(1, 2), pair(2, 1)], &[gpu(1), gpu(2)]).unwrap();
        let looked = room(needed, &swapped).unwrap();
        assert_eq!(looked, Room::Looked(vec![at(2, 1050, 200), at(1, 300, 5000)]));
        // Each of two processes would find room, and both together do not.
        let together = room([memory(1, 3000), memory(1, 3000)], &GpuMap::same()).unwrap();
        assert_eq!(together.check().unwrap_err().kind(), "no_room");
        room([memory(1, 3000)], &GpuMap::same()).unwrap().check().unwrap();
        let error = room([memory(7, 1)], &GpuMap::same()).unwrap_err();
        assert_eq!(error.kind(), "nvml_no_such_device");
        assert_eq!(serde_json::json!(&error)["kind"], "nvml_no_such_device");
    });
}

#[test]
fn calls_that_fail_are_named() {
    with_library("fail nvmlInit_v2 0 9", || {
        let error = free().unwrap_err();
        assert!(matches!(error, NvmlError::Call { call: "nvmlInit_v2", .. }), "{error:?}");
    });
}
