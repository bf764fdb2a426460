//! Names and texts of result codes.

mod driver;

use std::collections::HashSet;

use driver::{Library, POISON, out};
use simulated_libcuda::Simulator;

#[test]
fn known_codes_have_a_name_and_a_text_and_the_others_neither() {
    let simulator = Simulator::builder().driver_version(14000).start();
    let library = Library::of(&simulator);
    let mut names = HashSet::new();
    for code in (0..2000).chain([777_777, u32::MAX, 1 << 31]) {
        let (answer, name) = library.error_name(code);
        let (text_answer, text) = library.error_text("cuGetErrorString", code);
        assert_eq!(answer, text_answer, "{code}");
        assert_eq!(name.is_some(), text.is_some(), "{code}");
        match name {
            Some(name) => {
                assert_eq!(answer, 0);
                assert!(name == "CUDA_SUCCESS" || name.starts_with("CUDA_ERROR_"), "{name}");
                assert!(names.insert(name), "{code}");
                assert!(!text.unwrap().is_empty());
            }
            None => assert_eq!(answer, 1, "{code}"),
        }
    }
    assert_eq!(names.len(), 106);
}

#[test]
fn a_driver_does_not_know_what_came_after_it() {
    let simulator = Simulator::builder().driver_version(13000).start();
    let library = Library::of(&simulator);
    for code in [47, 227, 917, 918, 919] {
        assert_eq!(library.error_name(code), (1, None), "as measured");
    }
}

#[test]
fn the_numbers_that_this_project_speaks_of() {
    let simulator = Simulator::start(1);
    let library = Library::of(&simulator);
    for (code, name) in [
        (0, "CUDA_SUCCESS"),
        (3, "CUDA_ERROR_NOT_INITIALIZED"),
        (4, "CUDA_ERROR_DEINITIALIZED"),
        (34, "CUDA_ERROR_STUB_LIBRARY"),
        (100, "CUDA_ERROR_NO_DEVICE"),
        (101, "CUDA_ERROR_INVALID_DEVICE"),
        (201, "CUDA_ERROR_INVALID_CONTEXT"),
        (304, "CUDA_ERROR_OPERATING_SYSTEM"),
        (708, "CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE"),
        (709, "CUDA_ERROR_CONTEXT_IS_DESTROYED"),
        (999, "CUDA_ERROR_UNKNOWN"),
    ] {
        assert_eq!(library.error_name(code), (0, Some(name.to_owned())));
    }
}

#[test]
fn an_unknown_code_clears_the_pointer_and_a_null_pointer_is_refused() {
    let simulator = Simulator::start(1);
    let library = Library::of(&simulator);
    for function in ["cuGetErrorName", "cuGetErrorString"] {
        let mut text = POISON;
        assert_eq!(library.call(function, &[12345, out(&mut text)]), 1);
        assert!(text.is_null());
        assert_eq!(library.call(function, &[0, 0]), 1);
    }
}
