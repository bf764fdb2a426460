//! Hints: a header that was merely found is used if it has all that the checked-in bindings have.

use crate::machine::{CHECKED_IN_VERSION, Folders, bindings};
use crate::toolkit_search::{PLACES, Place};

const VARIABLES: [&str; 4] = ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"];

#[test]
fn bare_machine_has_the_checked_in_bindings() {
    let machine = Folders::new("bare");
    let (choice, watched) = machine.choose();
    let choice = choice.unwrap();
    assert_eq!(choice.source, "checked in: no cuda.h was found");
    assert!(choice.generated.is_none());
    assert!(watched.present.is_empty(), "{watched:?}");
    assert!(VARIABLES.iter().all(|variable| watched.variables.contains(variable)));
    assert!(watched.absent.contains(&machine.root.join("usr/local/cuda/include/cuda.h")));
}

#[test]
fn header_as_new_as_the_checked_in_bindings_is_used() {
    for version in [CHECKED_IN_VERSION, CHECKED_IN_VERSION + 950] {
        let machine = Folders::new(&format!("hint-{version}")).names("CUDA_HOME", "t");
        machine.headers("t/include", version);
        assert_eq!(machine.chosen().as_deref(), Some("t/include"));
    }
}

#[test]
fn checked_in_bindings_are_watched_where_a_header_was_compared_with_them() {
    let machine = Folders::new("compared").names("CUDA_HOME", "t");
    machine.headers("t/include", 12_040);
    let (_, watched) = machine.choose();
    let looked_at = ["package/src/sys/bindings.rs", "t/include/cuda.h"];
    assert!(watched.present.iter().eq(&looked_at.map(|path| machine.root.join(path))));
}

#[test]
fn older_headers_are_passed_over_and_the_search_goes_on() {
    let machine = Folders::new("older").names("CUDA_HOME", "a").names("CUDA_PATH", "b");
    machine.headers("a/include", 11_080);
    machine.headers("b/include", 12_040);
    let passed_over = format!(
        "; passed over: CUDA_HOME, {}: cuda.h 11.8 is older than the checked-in bindings, 13.5\
         ; passed over: CUDA_PATH, {}: cuda.h 12.4 is older than the checked-in bindings, 13.5",
        machine.path("a/include"),
        machine.path("b/include"),
    );
    let source = format!("checked in: no cuda.h that was found can be used{passed_over}");
    assert_eq!(machine.source(), source);
    machine.headers("opt/cuda/include", 13_050);
    assert_eq!(machine.source(), format!("generated from cuda.h 13.5{passed_over}"));
    assert_eq!(machine.chosen().as_deref(), Some("opt/cuda/include"));
}

#[test]
fn hints_in_their_order_and_none_is_looked_at_behind_the_one_that_serves() {
    let folders = ["a", "b", "c", "d"].map(|root| format!("{root}/include"));
    let installed = ["usr/local/cuda/include", "opt/cuda/include", "usr/include"];
    let folders = folders.iter().map(String::as_str).chain(installed);
    let folders: Vec<&str> = folders.collect();
    assert_eq!(folders.len(), PLACES.len());
    for first in 0..folders.len() {
        let mut machine = Folders::new("order");
        for (variable, root) in VARIABLES.into_iter().zip(["a", "b", "c", "d"]) {
            machine = machine.names(variable, root);
        }
        for folder in &folders[first..] {
            machine.headers(folder, 13_050);
        }
        assert_eq!(machine.chosen().as_deref(), Some(folders[first]));
        let (_, watched) = machine.choose();
        let read = VARIABLES.iter().filter(|variable| watched.variables.contains(*variable));
        assert_eq!(read.count(), (first + 1).min(VARIABLES.len()));
        for (behind, folder) in folders.iter().enumerate() {
            let header = machine.root.join(folder).join("cuda.h");
            let looked_at = watched.absent.contains(&header) || watched.present.contains(&header);
            assert_eq!(looked_at, behind <= first, "{folder} with {} serving", folders[first]);
        }
    }
}

#[test]
fn incomplete_toolkit_is_passed_over() {
    let machine = Folders::new("incomplete").names("CUDA_HOME", "t");
    machine.file("t/include/cuda.h", "#define CUDA_VERSION 13050\n");
    assert!(machine.source().ends_with("there is no cudaTypedefs.h beside cuda.h"));
    let (_, watched) = machine.choose();
    assert!(watched.absent.contains(&machine.root.join("t/include/cudaTypedefs.h")));
}

#[test]
fn variable_that_leads_to_no_header_is_told() {
    let machine = Folders::new("nothing").names("CUDA_HOME", "t").sets("CUDA_PATH", "rel");
    let expected = format!(
        "; passed over: CUDA_HOME: no cuda.h in {}; passed over: CUDA_PATH: no cuda.h in {}",
        machine.path("t/include"),
        machine.path("package/rel/include"),
    );
    assert!(machine.source().ends_with(&expected), "{}", machine.source());
}

#[test]
fn variable_that_cargo_cannot_be_told_of_is_passed_over() {
    let machine = Folders::new("two-lines").sets("CUDA_HOME", "a\nb").names("CUDA_PATH", "t");
    machine.headers("t/include", 13_050);
    let expected =
        r#"generated from cuda.h 13.5; passed over: CUDA_HOME is not one line of UTF-8: "a\nb""#;
    assert_eq!(machine.source(), expected);
}

#[test]
fn newer_header_that_lost_a_name_is_passed_over() {
    let machine = Folders::new("lost").names("CUDA_HOME", "t");
    machine.headers("t/include", 14_000);
    let (choice, _) =
        machine.choose_by(Some(&|_| Ok(bindings(14_000).replace("CUdevice", "CUdevice_v2"))));
    let source = choice.unwrap().source;
    let expected = "cuda.h 14.0 lacks 1 of the checked-in names, CUdevice for one";
    assert!(source.ends_with(expected), "{source}");
}

#[test]
fn header_that_cannot_be_read_is_passed_over_on_one_line() {
    let machine = Folders::new("unreadable").names("CUDA_HOME", "t");
    machine.headers("t/include", 13_050);
    let (choice, watched) =
        machine.choose_by(Some(&|_| Err("no libclang:\n  install it\n".to_owned())));
    let source = choice.unwrap().source;
    assert!(source.ends_with("include: no libclang: install it"), "{source}");
    assert!(watched.variables.contains("CUDA_PATH"), "the search goes on: {watched:?}");
}

#[test]
fn one_toolkit_by_several_ways_is_told_once() {
    let machine = Folders::new("links").names("CUDA_HOME", "usr/local/cuda");
    machine.headers("usr/local/cuda-12.4/targets/x86_64-linux/include", 12_040);
    let link = |to: &str, at: &str| {
        std::os::unix::fs::symlink(to, machine.root.join(at)).unwrap();
    };
    link("targets/x86_64-linux/include", "usr/local/cuda-12.4/include");
    link("cuda-12.4", "usr/local/cuda");
    let source = machine.source();
    assert_eq!(source.matches("passed over").count(), 1, "{source}");
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
fn python_environments_are_no_hint() {
    for (variable, folder) in [
        ("VIRTUAL_ENV", "e/lib/python3.12/site-packages/nvidia/cuda_runtime/include"),
        ("CONDA_PREFIX", "e/targets/x86_64-linux/include"),
    ] {
        let machine = Folders::new("python").names(variable, "e");
        machine.headers(folder, 13_050);
        assert_eq!(machine.source(), "checked in: no cuda.h was found");
        assert!(!machine.choose().1.variables.contains(variable));
    }
}

#[test]
fn places_are_those_that_are_documented() {
    let page = include_str!("../../src/building.md");
    for place in PLACES {
        let (Place::Variable(name) | Place::Toolkit(name) | Place::Headers(name)) = place;
        assert!(page.contains(&format!("{name}`")), "{name}");
    }
}
