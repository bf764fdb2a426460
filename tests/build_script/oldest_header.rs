//! The oldest header is the oldest with every function type that the safe layer names.

use std::fs;
use std::path::Path;

use crate::header::{OLDEST, dotted};

#[test]
fn oldest_header_is_that_of_the_newest_function_that_the_safe_layer_names() {
    let mut newest = (0, String::new());
    look_through(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut newest);
    assert_eq!(newest.0, OLDEST, "{}", newest.1);
}

#[test]
fn documentation_names_the_oldest_header() {
    let page = include_str!("../../src/building.md");
    assert!(page.contains(&format!("any header from {} on", dotted(OLDEST))));
}

fn look_through(folder: &Path, newest: &mut (u32, String)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_through(&path, newest);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("sys/bindings.rs")
        {
            let text = fs::read_to_string(&path).unwrap();
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                if let Some(version) = versions(line).max().filter(|version| *version > newest.0) {
                    *newest = (version, format!("{}: {line}", path.display()));
                }
            }
        }
    }
}

/// The versions of the names like `cuCtxGetId_v12000` in a line.
fn versions(line: &str) -> impl Iterator<Item = u32> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| word.starts_with("cu") || word.starts_with("PFN_cu"))
        .filter_map(|word| {
            let word = word.trim_end_matches("_ptsz").trim_end_matches("_ptds");
            word.rsplit_once("_v")?.1.parse().ok()
        })
}
