//! `CUDA_HEADER_DIR`: that header, or an error that says why it cannot be used.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::machine::{Folders, bindings};
use crate::header::{OLDEST, dotted};
use crate::toolkit_search::REQUIRED;

fn assert_refused(machine: &Folders, words: &[&str]) {
    let refusal = machine.choose().unwrap_err();
    for word in words {
        assert!(refusal.contains(word), "{word:?} is not in {refusal:?}");
    }
}

#[test]
fn required_header_is_used() {
    let machine = Folders::new("required").names(REQUIRED, "h").names("CUDA_HOME", "t");
    machine.headers("h", 13_050);
    machine.headers("t/include", 13_060);
    assert_eq!(machine.chosen().as_deref(), Some("h"));
    let choice = machine.choose().unwrap();
    assert_eq!(choice.source, "generated from cuda.h 13.5");
    assert_eq!(choice.generated.unwrap().bindings, bindings(13_050));
}

#[test]
fn required_header_may_be_older_than_the_checked_in_bindings_but_not_too_old() {
    let machine = Folders::new("required-old").names(REQUIRED, "h");
    machine.headers("h", OLDEST);
    assert_eq!(machine.source(), format!("generated from cuda.h {}", dotted(OLDEST)));
    machine.headers("h", OLDEST - 10);
    let oldest = format!("{} is the oldest", dotted(OLDEST));
    assert_refused(&machine, &[&machine.path("h"), &dotted(OLDEST - 10), &oldest, "unset"]);
}

#[test]
fn missing_header_is_an_error_whatever_else_is_found() {
    let machine = Folders::new("required-missing").names(REQUIRED, "h").names("CUDA_HOME", "t");
    machine.headers("t/include", 13_050);
    assert_refused(&machine, &[REQUIRED, &machine.path("h/cuda.h"), "unset"]);
    machine.file("h/cuda.h", "#define CUDA_VERSION 13050\n");
    assert_refused(&machine, &[&machine.path("h/cudaTypedefs.h")]);
}

#[test]
fn toolkit_in_place_of_its_header_folder_is_an_error_that_names_the_folder() {
    let machine = Folders::new("required-toolkit").names(REQUIRED, "t");
    machine.headers("t/include", 13_050);
    let inside = format!("{}, which is the one to name", machine.path("t/include"));
    assert_refused(&machine, &[&machine.path("t/cuda.h"), &inside]);
}

#[test]
fn header_that_cannot_be_read_is_an_error() {
    let machine = Folders::new("required-unreadable").names(REQUIRED, "h");
    machine.headers("h", 13_050);
    let refusal = machine.choose_by(Some(&|_| Err("no libclang".to_owned()))).unwrap_err();
    assert!(refusal.contains(&machine.path("h")) && refusal.contains("no libclang"), "{refusal}");
    machine.file("h/cuda.h", "int cuInit(unsigned);\n");
    assert_refused(&machine, &["defines no CUDA_VERSION"]);
}

#[test]
fn relative_path_starts_in_the_package() {
    let machine = Folders::new("required-relative").sets(REQUIRED, "h");
    let as_set = format!("{REQUIRED} is set to h (relative to the package's folder, ");
    assert_refused(&machine, &[&as_set, &machine.path("package/h/cuda.h")]);
    machine.headers("package/h", 13_050);
    assert_eq!(machine.chosen().as_deref(), Some("package/h"));
}

#[test]
fn empty_variable_is_not_set_and_one_that_cargo_cannot_read_is_an_error() {
    let machine = Folders::new("required-empty").sets(REQUIRED, "");
    assert_eq!(machine.source(), "checked in: no cuda.h was found");
    for path in [b"a\nb".to_vec(), b"a\xFF".to_vec()] {
        let machine = Folders::new("required-bytes").sets(REQUIRED, OsString::from_vec(path));
        assert_refused(&machine, &[REQUIRED, "one line of UTF-8"]);
    }
}

#[test]
fn without_the_feature_a_required_header_is_an_error() {
    let machine = Folders::new("required-off").names(REQUIRED, "h");
    machine.headers("h", 13_050);
    let refusal = machine.choose_by(None).unwrap_err();
    assert!(refusal.contains(REQUIRED) && refusal.contains("`bindgen`"), "{refusal}");
}
