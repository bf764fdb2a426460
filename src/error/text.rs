//! What the errors' texts are made of.

use std::path::Path;

use crate::error::Attempt;
use crate::sys::CUresult;

pub(super) fn on(device: Option<u32>) -> String {
    device.map_or_else(String::new, |ordinal| format!(" on device {ordinal}"))
}

pub(super) fn advice(call: &str, code: CUresult) -> String {
    let remedy = match (call, code) {
        ("cuInit", CUresult::CUDA_ERROR_UNKNOWN) => Some(
            "check that the kernel modules nvidia and nvidia_uvm are loaded and, in a container, that \
             the device files /dev/nvidia* exist (dmesg may have details)",
        ),
        ("cuDevicePrimaryCtxRetain", CUresult::CUDA_ERROR_NOT_PERMITTED) => {
            Some("cuda-contexts trace --deny refuses contexts outside the allowed devices with it")
        }
        // Its remedy is about releases.
        (call, CUresult::CUDA_ERROR_INVALID_CONTEXT) if call != "cuDevicePrimaryCtxRelease_v2" => {
            None
        }
        (_, code) => code.remedy(),
    };
    remedy.map_or_else(String::new, |remedy| format!(": {remedy}"))
}

pub(super) fn attempts(tried: &[Attempt]) -> String {
    let lines = tried.iter().map(|Attempt { library, reason }| {
        let library = library.display().to_string();
        // The loader usually begins with the name itself.
        match reason.starts_with(&library) {
            true => reason.clone(),
            false => format!("{library}: {reason}"),
        }
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// Where the driver comes from, for callers who did not name a file of their own.
pub(super) fn origin(tried: &[Attempt]) -> &'static str {
    let was_tried = |name| tried.iter().any(|attempt| attempt.library == Path::new(name));
    if was_tried("libcuda.so.1") {
        " libcuda.so.1 comes with NVIDIA's driver, not with the CUDA toolkit: install the driver, or \
         give the container a GPU (for example docker run --gpus all). To test without a GPU, use \
         simulated-libcuda."
    } else if was_tried("nvcuda.dll") {
        " nvcuda.dll comes with NVIDIA's driver, not with the CUDA toolkit: install the driver."
    } else {
        ""
    }
}

pub(super) fn visibility(visible_devices: Option<&str>) -> String {
    visible_devices.map_or_else(String::new, |value| format!(" (CUDA_VISIBLE_DEVICES={value:?})"))
}

/// `4 devices, 0 to 3`, or `only device 0`.
pub(super) fn visible(count: u32) -> String {
    match count {
        1 => "only device 0".to_owned(),
        count => format!("{count} devices, 0 to {}", count.saturating_sub(1)),
    }
}

pub(super) fn parent(process: Option<u32>) -> String {
    process.map_or_else(String::new, |process| format!(" (in process {process})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn texts_name_the_values_and_the_remedy() {
        let library = Path::new("libcuda.so.1");
        let no_device = |visible_devices: Option<&str>| Error::NoDevice {
            library: library.into(),
            visible_devices: visible_devices.map(Into::into),
        };
        let code = CUresult::CUDA_ERROR_UNKNOWN;
        let failed_to_start = || Error::Driver { call: "cuInit", device: None, code };
        for (error, part) in [
            (no_device(Some("7")), "no device (CUDA_VISIBLE_DEVICES=\"7\"): "),
            (no_device(None), "no device: "),
            (Error::ForkedAfterInit { initialised_in: Some(42) }, "initialised (in process 42), "),
            (Error::NoSuchDevice { ordinal: 7, count: 4 }, "this process sees 4 devices, 0 to 3 ("),
            (failed_to_start(), "the kernel modules nvidia and nvidia_uvm are loaded"),
            (failed_to_start(), "the device files /dev/nvidia* exist"),
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn advice_on_releases_is_given_of_nothing_else() {
        let text = |call, code| Error::Driver { call, device: Some(0), code }.to_string();
        let text_of = text("cuCtxPopCurrent_v2", CUresult::CUDA_ERROR_INVALID_CONTEXT);
        assert!(text_of.ends_with("CUDA_ERROR_INVALID_CONTEXT (201)"), "{text_of}");
        let text_of = text("cuDevicePrimaryCtxRetain", CUresult::CUDA_ERROR_NOT_PERMITTED);
        assert!(text_of.contains(": cuda-contexts trace --deny refuses"), "{text_of}");
        assert!(!text_of.contains("green context"), "{text_of}");
    }
}
