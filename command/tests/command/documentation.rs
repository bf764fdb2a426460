//! The README has every field and every option.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::traced::{Trace, installed_driver};

const README: &str = include_str!("../../README.md");

/// The row of the README's table of events for one kind.
fn row(kind: &str) -> &'static str {
    let begins = |line: &&str| line.starts_with(&format!("| `{kind}`"));
    README.lines().find(begins).unwrap_or_else(|| panic!("the README has no row for {kind}"))
}

fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_field_of_every_event_is_in_the_readme() {
    let (_folder, driver) = installed_driver();
    let driver = driver.to_str().unwrap();
    let words = format!("init retain:1 create:1 destroy release:1 open:{driver} sleep:2500");
    let mut trace = Trace::new(&["--only", "0"]);
    trace.env("LOCAL_RANK", "0");
    let python = std::process::Command::new("python3").arg("--version").output();
    let mut lines = trace.client(&words).run().lines;
    if python.is_ok_and(|output| output.status.success()) {
        let script = "import ctypes; ctypes.CDLL('libcuda.so.1').cuInit(0)";
        lines.extend(Trace::new(&[]).program(&["python3", "-c", script]).run().lines);
    }
    let mut kinds = BTreeSet::new();
    for line in &lines {
        let kind = line["event"].as_str().unwrap();
        kinds.insert(kind.to_owned());
        let row = row(kind);
        let mut fields = BTreeSet::new();
        keys(line, &mut fields);
        for field in fields {
            let everywhere =
                ["event", "time"].contains(&&*field) || (field == "pid" && kind != "end");
            assert!(everywhere || row.contains(&format!("`{field}`")), "{kind}: {field}");
        }
    }
    let all = ["trace", "process", "device", "call", "exit", "bypass", "untraced", "end"];
    assert_eq!(kinds, all.map(str::to_owned).into());
}

#[test]
fn every_option_is_in_the_readme() {
    for line in cuda_contexts::options::HELP.lines() {
        let Some(option) = line.trim_start().strip_prefix("--") else { continue };
        let option = option.split_whitespace().next().unwrap();
        if !["help", "version"].contains(&option) {
            assert!(README.contains(&format!("| `--{option}")), "--{option}");
        }
    }
}
