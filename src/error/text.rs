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
         give the container a GPU (for example docker run --gpus all)."
    } else if was_tried("nvcuda.dll") {
        " nvcuda.dll comes with NVIDIA's driver, not with the CUDA toolkit: install the driver."
    } else {
        ""
    }
}

pub(super) fn visibility(visible_devices: Option<&str>) -> String {
    visible_devices.map_or_else(String::new, |value| format!(" (CUDA_VISIBLE_DEVICES={value:?})"))
}

/// `4 devices, 0 to 3`.
pub(super) fn visible(count: u32) -> String {
    match count {
        1 => "1 device, 0".to_owned(),
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
    use crate::sys::CudaVersion;

    /// Each error, and a part of its text. tests/simulated/serialize.rs has the other facts.
    #[test]
    fn errors_say_what_failed_and_what_to_do() {
        let library: Box<Path> = Path::new("/opt/libcuda.so.1").into();
        let code = CUresult::CUDA_ERROR_INVALID_CONTEXT;
        let (symbol, introduced) = ("cuX", CudaVersion::from_raw(11040));
        let init = |code| Error::Driver { call: "cuInit", device: None, code };
        let no_device = |visible: Option<&str>| Error::NoDevice {
            library: library.clone(),
            visible_devices: visible.map(Into::into),
        };
        for (error, part) in [
            (
                Error::Driver { call: "cuDevicePrimaryCtxRelease_v2", device: Some(3), code },
                "cuDevicePrimaryCtxRelease_v2 on device 3 returned CUDA_ERROR_INVALID_CONTEXT (201)",
            ),
            (init(CUresult(777_777)), "does not know (777777)"),
            (init(CUresult::CUDA_ERROR_UNKNOWN), "device files /dev/nvidia* exist"),
            (
                Error::LibraryNotFound { tried: vec![Attempt::new("/a/libcuda.so.1", "no file")] },
                "(/a/libcuda.so.1: no file)",
            ),
            (
                Error::NotADriver { library: library.clone(), missing: "cuInit".into() },
                "/opt/libcuda.so.1 is not a CUDA driver: it has no cuInit.",
            ),
            (
                Error::DriverTooOld {
                    library: library.clone(),
                    symbol: symbol.into(),
                    driver: CudaVersion::from_raw(10010),
                    introduced,
                },
                "has no cuX: it supports CUDA 10.1, and the function came with CUDA 11.4.",
            ),
            (
                Error::FunctionMissing {
                    library: library.clone(),
                    symbol: symbol.into(),
                    driver: CudaVersion::from_raw(12090),
                    introduced,
                },
                "although it supports CUDA 12.9 and the function came with CUDA 11.4.",
            ),
            (
                Error::StubLibrary { library: library.clone() },
                "take its folder off LD_LIBRARY_PATH",
            ),
            (no_device(Some("7")), "(CUDA_VISIBLE_DEVICES=\"7\"): check"),
            (no_device(None), "no device: check CUDA_VISIBLE_DEVICES"),
            (
                Error::ForkedAfterInit { initialised_in: Some(42) },
                "initialised (in process 42), so that",
            ),
            (
                Error::ForkedAfterInit { initialised_in: None },
                "initialised, so that every driver call fails",
            ),
            (
                Error::NoSuchDevice { ordinal: 7, count: 2 },
                "Device 7 does not exist: this process sees 2 devices, 0 to 1 (after",
            ),
            (
                Error::OtherDriver { ordinal: 5 },
                "Device 5, which the policy keeps, belongs to another driver",
            ),
            (
                Error::UnknownDevice { identity: "GPU-0".into(), count: 2 },
                "No device GPU-0: it is not among the 2 that this process sees",
            ),
            (Error::NotCurrent { device: 3 }, "of device 3 was not current when its scope"),
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    /// A main function that returns this error prints its Debug.
    #[test]
    fn debug_is_the_sentence() {
        let error = Error::LibraryNotFound { tried: vec![Attempt::new("libcuda.so.1", "gone")] };
        assert!(error.to_string().contains("install the driver"), "{error}");
        assert_eq!(format!("{error:?}"), error.to_string());
    }

    #[test]
    fn advice_on_releases_is_given_of_releases() {
        let text = |call, code| Error::Driver { call, device: Some(0), code }.to_string();
        let (release, retain) = ("cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRetain");
        let text_of = text(release, CUresult::CUDA_ERROR_INVALID_CONTEXT);
        assert!(text_of.contains(": there was no reference left"), "{text_of}");
        let text_of = text("cuCtxPopCurrent_v2", CUresult::CUDA_ERROR_INVALID_CONTEXT);
        assert!(text_of.ends_with("CUDA_ERROR_INVALID_CONTEXT (201)"), "{text_of}");
        let text_of = text(release, CUresult::CUDA_ERROR_NOT_PERMITTED);
        assert!(text_of.contains("green context"), "{text_of}");
        let text_of = text(retain, CUresult::CUDA_ERROR_NOT_PERMITTED);
        assert!(text_of.contains(": cuda-contexts trace --deny refuses"), "{text_of}");
        assert!(!text_of.contains("green context"), "{text_of}");
    }

    #[test]
    fn stub_is_named_once() {
        let text = Error::StubLibrary { library: Path::new("/a/libcuda.so").into() }.to_string();
        assert_eq!(text.matches("stub").count(), 1, "{text}");
        assert!(text.starts_with("/a/libcuda.so: this libcuda is the toolkit's stub"), "{text}");
    }
}
