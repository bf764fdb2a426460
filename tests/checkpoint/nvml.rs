//! What is read from NVML: without it, and with a library of that name that a C compiler makes.

use std::fs;
use std::path::Path;
use std::process::Command;

use cuda_primary_context::checkpoint::nvml::{
    DeviceMemory, NvmlError, free, memory_of, processes as processes_on_gpus, room,
};
use cuda_primary_context::checkpoint::{DeviceRoom, GpuMap, GpuPair, Room};

use crate::support::processes::{self, in_prepared_process};
use crate::support::skips;

/// Two GPUs: process 41 has 1000 bytes on the first and 300 on the second, where it is listed twice, as
/// with two instances of a divided GPU; 42 has an unknown amount; 5000 and 200 bytes are free.
const LIBRARY: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct device *nvmlDevice_t;
struct process { unsigned int pid; unsigned long long bytes; unsigned int instance, compute; };
struct memory { unsigned int version; unsigned long long total, reserved, free, used; };
static unsigned long long number(nvmlDevice_t device) { return (unsigned long long)device - 1; }
int nvmlInit_v2(void) { const char *code = getenv("FAKE_NVML_INIT"); return code ? atoi(code) : 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { (void)code; return "an error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned int length) { snprintf(text, length, "580.0"); return 0; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    *device = (nvmlDevice_t)(unsigned long long)(index + 1);
    return 0;
}
int nvmlDeviceGetUUID(nvmlDevice_t device, char *text, unsigned int length)
{
    int digit = (int)number(device) + 1;
    const char *without = getenv("FAKE_NVML_WITHOUT_UUID");
    if (without && atoi(without) == digit)
        return 999;
    snprintf(text, length, "GPU-0%d000000-0000-0000-0000-00000000000%d", digit, digit);
    return 0;
}
int nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, struct memory *memory)
{
    memory->total = 10000;
    memory->free = number(device) ? 200 : 5000;
    memory->used = memory->total - memory->free;
    return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, struct process *out)
{
    struct process first[] = { { 41, 1000, ~0u, ~0u }, { 42, ~0ull, ~0u, ~0u } };
    struct process second[] = { { 41, 200, 1, 0 }, { 40, 7, 1, 0 }, { 41, 100, 2, 0 } };
    unsigned int room = *count;
    *count = number(device) ? 3 : 2;
    if (room < *count || !out)
        return 7;
    if (number(device))
        memcpy(out, second, sizeof second);
    else
        memcpy(out, first, sizeof first);
    return 0;
}
"#;

/// Makes such a library in this folder.
fn compile(compiler: &Path, folder: &Path) {
    fs::write(folder.join("nvml.c"), LIBRARY).unwrap();
    let status = Command::new(compiler)
        .args(["-shared", "-fPIC", "-o", "libnvidia-ml.so.1", "nvml.c"])
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(status.success());
}

/// Runs a test in a process that finds this library and no other.
fn with_library(test: &str, settings: &[(&str, &str)], body: impl FnOnce()) {
    let Some(compiler) = skips::compiler(test) else { return };
    let prepare = |command: &mut Command| {
        let folder = processes::folder(test);
        compile(&compiler, &folder);
        command.env("LD_LIBRARY_PATH", folder).envs(settings.iter().copied());
    };
    in_prepared_process(test, prepare, body);
}

fn memory(gpu: u32, bytes: u64) -> DeviceMemory {
    let text = format!("GPU-0{gpu}000000-0000-0000-0000-00000000000{gpu}");
    DeviceMemory { device: text.parse().unwrap(), bytes }
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
    with_library("nvml::memory_is_listed_by_device_and_process", &[], || {
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
    with_library("nvml::processes_are_listed_for_each_gpu", &[], || {
        let gpus = processes_on_gpus().unwrap();
        let uuids: Vec<_> = gpus.iter().map(|gpu| (gpu.index, gpu.uuid)).collect();
        let uuid = |number| Some(memory(number, 0).device);
        assert_eq!(uuids, [(0, uuid(1)), (1, uuid(2))]);
        let listed = |index: usize| {
            let listed = gpus[index].processes.as_ref().unwrap().iter();
            listed.map(|each| (each.pid, each.bytes, each.mig_instance)).collect::<Vec<_>>()
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
    let test = "nvml::memory_is_an_error_if_one_gpu_has_no_uuid";
    with_library(test, &[("FAKE_NVML_WITHOUT_UUID", "2")], || {
        let error = memory_of(41).unwrap_err();
        assert!(matches!(error, NvmlError::Call { call: "nvmlDeviceGetUUID", .. }), "{error:?}");
        let gpus = processes_on_gpus().unwrap();
        assert!(gpus[0].uuid.is_some() && gpus[0].processes.is_ok(), "{gpus:?}");
        assert_eq!((gpus[1].uuid, &gpus[1].processes), (None, &Err(error)));
    });
}

#[test]
fn rooms_are_summed_where_the_map_brings_them() {
    with_library("nvml::rooms_are_summed_where_the_map_brings_them", &[], || {
        let needed = [memory(1, 1000), memory(2, 300), memory(1, 50)];
        let at = |gpu, needed, free| DeviceRoom { device: memory(gpu, 0).device, needed, free };
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
    with_library("nvml::calls_that_fail_are_named", &[("FAKE_NVML_INIT", "9")], || {
        let error = free().unwrap_err();
        assert!(matches!(error, NvmlError::Call { call: "nvmlInit_v2", .. }), "{error:?}");
    });
}
