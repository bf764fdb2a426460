//! `CUDA_HEADER_DIR`: that header, or an error that says why not.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::header::{OLDEST, dotted};
use crate::machine::{Folders, bindings};
use crate::toolkit_search::DEMAND;

fn says(refusal: &str, words: &[&str]) {
    for word in words {
        assert!(refusal.contains(word), "{word:?} is not in {refusal:?}");
    }
}

#[test]
fn demanded_header_is_used_and_nothing_else_is_looked_at() {
    let machine = Folders::new("demand").names(DEMAND, "h").names("CUDA_HOME", "t");
    machine.headers("h", 13_050);
    machine.headers("t/include", 13_050);
    assert_eq!(machine.chosen().as_deref(), Some("h"));
    let (choice, watched) = machine.choose();
    let choice = choice.unwrap();
    assert_eq!(choice.source, "generated from cuda.h 13.5");
    assert_eq!(choice.generated.unwrap().bindings, bindings(13_050));
    assert_eq!(Vec::from_iter(&watched.variables), [&DEMAND]);
    let files = ["h/cuda.h", "h/cudaTypedefs.h"].map(|path| machine.root.join(path));
    assert!(watched.present.iter().eq(&files), "{watched:?}");
    assert!(watched.absent.is_empty(), "{watched:?}");
}

#[test]
fn demanded_header_may_be_older_than_the_checked_in_bindings() {
    let machine = Folders::new("demand-older").names(DEMAND, "h");
    machine.headers("h", OLDEST);
    assert_eq!(machine.source(), format!("generated from cuda.h {}", dotted(OLDEST)));
}

#[test]
fn demanded_header_that_lacks_what_the_safe_layer_needs_is_refused_in_one_sentence() {
    let machine = Folders::new("demand-oldest").names(DEMAND, "h");
    machine.headers("h", 11_080);
    let place = machine.path("h");
    let oldest = format!("{} is the oldest", dotted(OLDEST));
    says(&machine.refusal(), &[&place, "11.8", &oldest, "unset"]);
}

#[test]
fn unmet_demand_is_no_reason_to_look_elsewhere() {
    let machine = Folders::new("demand-unmet").names(DEMAND, "h").names("CUDA_HOME", "t");
    machine.headers("t/include", 13_050);
    says(&machine.refusal(), &[DEMAND, &machine.path("h/cuda.h"), "unset"]);
}

#[test]
fn demand_for_a_toolkit_names_the_folder_inside() {
    let machine = Folders::new("demand-toolkit").names(DEMAND, "t");
    machine.headers("t/include", 13_050);
    let inside = format!("{}, which is the one to name", machine.path("t/include"));
    says(&machine.refusal(), &[&machine.path("t/cuda.h"), &inside]);
}

#[test]
fn demand_needs_both_headers() {
    let machine = Folders::new("demand-both").names(DEMAND, "h");
    machine.file("h/cuda.h", "#define CUDA_VERSION 13050\n");
    says(&machine.refusal(), &[&machine.path("h/cudaTypedefs.h")]);
}

#[test]
fn header_without_a_version_is_refused() {
    let machine = Folders::new("demand-version").names(DEMAND, "h");
    machine.headers("h", 13_050);
    machine.file("h/cuda.h", "int cuInit(unsigned);\n");
    says(&machine.refusal(), &["defines no CUDA_VERSION"]);
}

#[test]
fn header_that_cannot_be_read_is_refused_with_the_reason() {
    let machine = Folders::new("demand-unreadable").names(DEMAND, "h");
    machine.headers("h", 13_050);
    let (choice, _) = machine.choose_by(Some(&|_| Err("bindgen needs libclang".to_owned())));
    says(&choice.unwrap_err(), &[&machine.path("h"), "bindgen needs libclang", "unset"]);
}

#[test]
fn relative_path_is_the_packages() {
    let machine = Folders::new("demand-relative").sets(DEMAND, "h");
    let package = machine.path("package");
    let relative = format!(
        "h (relative to the package's folder, in which Cargo runs build scripts: {package})"
    );
    says(&machine.refusal(), &[&relative, &machine.path("package/h/cuda.h")]);
    machine.headers("package/h", 13_050);
    assert_eq!(machine.chosen().as_deref(), Some("package/h"));
}

#[test]
fn empty_demand_is_none() {
    let machine = Folders::new("demand-empty").sets(DEMAND, "");
    assert_eq!(machine.source(), "checked in: no cuda.h was found");
}

#[test]
fn path_that_cargo_cannot_be_told_is_refused() {
    for (name, path) in [("line", b"a\nb".to_vec()), ("bytes", b"a\xFF".to_vec())] {
        let machine = Folders::new(&format!("demand-{name}"));
        let machine = machine.sets(DEMAND, OsString::from_vec(path));
        says(&machine.refusal(), &[DEMAND, "one line of UTF-8"]);
    }
}

#[test]
fn without_bindgen_a_demand_is_refused_and_nothing_else_looked_at() {
    let machine = Folders::new("no-bindgen").names("CUDA_HOME", "t");
    machine.headers("t/include", 13_050);
    let (choice, watched) = machine.choose_by(None);
    assert_eq!(choice.unwrap().source, "checked in: the feature `bindgen` is off");
    assert_eq!(Vec::from_iter(&watched.variables), [&DEMAND]);
    assert!(watched.present.is_empty() && watched.absent.is_empty(), "{watched:?}");

    let machine = machine.names(DEMAND, "t/include");
    says(&machine.choose_by(None).0.unwrap_err(), &[DEMAND, "`bindgen`", "unset"]);
}
