//! Headers that were only found: one is used if it has every name of the checked-in bindings.

use super::machine::{Folders, bindings};
use crate::header::{OLDEST, dotted};
use crate::toolkit_search::{INSTALLED, VARIABLES};

#[test]
fn bare_machine_has_the_checked_in_bindings() {
    let choice = Folders::new("bare").choose().unwrap();
    assert_eq!(choice.source, "checked in: no cuda.h was found");
    assert!(choice.generated.is_none());
}

#[test]
fn without_the_feature_no_header_is_looked_for() {
    let machine = Folders::new("off").names("CUDA_HOME", "t");
    machine.headers("t/include", 13_050);
    let choice = machine.choose_by(None).unwrap();
    assert_eq!(choice.source, "checked in: the feature `bindgen` is off");
}

#[test]
fn folders_are_tried_in_order() {
    let folders: Vec<String> = ["a", "b", "c", "d"]
        .into_iter()
        .chain(INSTALLED)
        .map(|root| format!("{root}/include"))
        .collect();
    for first in 0..folders.len() {
        let mut machine = Folders::new("order");
        for (variable, root) in VARIABLES.into_iter().zip(["a", "b", "c", "d"]) {
            machine = machine.names(variable, root);
        }
        for folder in &folders[first..] {
            machine.headers(folder, 13_050);
        }
        assert_eq!(machine.chosen(), Some(folders[first].clone()));
    }
}

#[test]
fn older_headers_are_passed_over_and_a_newer_one_is_used() {
    let machine = Folders::new("older").names("CUDA_HOME", "a").names("CUDA_PATH", "b");
    machine.headers("a/include", 11_080);
    machine.headers("b/include", 13_040);
    let passed_over = format!(
        "; passed over: {}: cuda.h 11.8 is older than the checked-in bindings, 13.5\
         ; passed over: {}: cuda.h 13.4 is older than the checked-in bindings, 13.5",
        machine.path("a/include"),
        machine.path("b/include"),
    );
    let source = format!("checked in: no cuda.h that was found can be used{passed_over}");
    assert_eq!(machine.source(), source);
    machine.headers("opt/cuda/include", 14_000);
    assert_eq!(machine.source(), format!("generated from cuda.h 14.0{passed_over}"));
}

#[test]
fn toolkit_that_several_variables_name_is_tried_once() {
    let machine = Folders::new("once").names("CUDA_HOME", "a").names("CUDA_PATH", "b");
    machine.headers("a/include", 11_080);
    std::os::unix::fs::symlink(machine.path("a"), machine.path("b")).unwrap();
    let source = machine.source();
    assert_eq!(source.matches("passed over").count(), 1, "{source}");
}

#[test]
fn what_leads_to_no_header_is_named_on_one_line() {
    let machine = Folders::new("nothing").names("CUDA_HOME", "t").sets("CUDA_PATH", "a\nb");
    let expected = format!(
        "; passed over: CUDA_HOME: no cuda.h in {}; passed over: CUDA_PATH is not one line of \
         UTF-8: \"a\\nb\"",
        machine.path("t/include"),
    );
    assert!(machine.source().ends_with(&expected), "{}", machine.source());

    machine.file("t/include/cuda.h", "#define CUDA_VERSION 13050\n");
    assert!(machine.source().contains("there is no cudaTypedefs.h beside cuda.h"));
    machine.headers("t/include", 13_050);
    let choice = machine.choose_by(Some(&|_| Err("no libclang:\n  install it\n".to_owned())));
    let source = choice.unwrap().source;
    assert!(source.contains("include: no libclang: install it; "), "{source}");
}

#[test]
fn newer_header_that_lost_a_name_is_passed_over() {
    let machine = Folders::new("lost").names("CUDA_HOME", "t");
    machine.headers("t/include", 14_000);
    let lost = |_: &_| Ok(bindings(14_000).replace("CUdevice", "CUdevice_v2"));
    let source = machine.choose_by(Some(&lost)).unwrap().source;
    let expected = "cuda.h 14.0 lacks 1 of the checked-in names, CUdevice for one";
    assert!(source.ends_with(expected), "{source}");
}

#[test]
fn cross_layouts_follow_the_architecture() {
    for (architecture, chosen) in [
        ("aarch64", Some("t/targets/sbsa-linux/include")),
        ("x86_64", Some("t/targets/x86_64-linux/include")),
        ("riscv64", None),
    ] {
        let machine = Folders::new("architecture").names("CUDA_PATH", "t").on(architecture);
        machine.headers("t/targets/sbsa-linux/include", 13_050);
        machine.headers("t/targets/x86_64-linux/include", 13_050);
        assert_eq!(machine.chosen().as_deref(), chosen);
    }
}

#[test]
fn documentation_names_the_folders() {
    let page = include_str!("../../../src/building.md");
    assert!(page.contains(&format!("any header since {}", dotted(OLDEST))));
    for variable in VARIABLES {
        assert!(page.contains(&format!("`{variable}`")), "{variable}");
    }
    for root in INSTALLED {
        assert!(page.contains(&format!("`/{root}`")), "{root}");
    }
}
