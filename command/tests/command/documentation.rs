//! The README is the schema of the JSON lines: it has each field and no other. It has every option.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::limit;

const README: &str = include_str!("../../README.md");

/// One line of each kind at least, which a test of the crate compares with what it writes.
const LINES: &str = include_str!("../../src/json/tests/events.jsonl");

/// What rows name that is no field, beside what is in quotation marks.
const VALUES: &str = "made held primary ordinary green by_path environment_cleared set_uid other_user \
                      passed stray not_judged --forbid --deny --keep-threads CUdevice CUresult cuInit \
                      CUDA_VISIBLE_DEVICES";

/// The row of the README's table of events for one kind.
fn row(kind: &str) -> &'static str {
    let begins = |line: &&str| line.starts_with(&format!("| `{kind}`"));
    README.lines().find(begins).unwrap_or_else(|| panic!("the README has no row for {kind}"))
}

/// The fields that a row names.
pub fn documented(kind: &str) -> BTreeSet<String> {
    let fields = row(kind).splitn(3, '|').nth(2).unwrap().split('`').skip(1).step_by(2);
    let is_value = |field: &&str| {
        field.contains('"') || VALUES.split_whitespace().any(|value| value == *field)
    };
    fields.filter(|field| !is_value(field)).map(str::to_owned).collect()
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
fn the_readme_has_each_field_of_each_event_and_no_other() {
    let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in LINES.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        keys(&line, written.entry(line["event"].as_str().unwrap().to_owned()).or_default());
    }
    for (kind, mut fields) in written {
        let mut documented = documented(&kind);
        // These are documented for all lines.
        let everywhere: &[&str] = match &*kind {
            "trace" => &["event"],
            "untraced" => &["event", "time", "pid"],
            "end" => &["event", "time", "stray"],
            _ => &["event", "time", "process", "pid", "stray"],
        };
        everywhere.iter().for_each(|field| _ = fields.remove(*field));
        if kind == "end" {
            everywhere.iter().for_each(|field| _ = documented.remove(*field));
        }
        assert_eq!(fields, documented, "{kind}");
    }
}

#[test]
fn every_option_is_in_the_readme() {
    for (verb, expected) in [("trace", 10), ("ps", 5), ("run", 1)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cuda-contexts"));
        let help = String::from_utf8(limit::output(command.args([verb, "--help"])).stdout).unwrap();
        let options = help.lines().filter(|line| line.starts_with("  "));
        let options = options.filter(|line| line.trim_start().starts_with('-'));
        let names = options.filter_map(|line| line.split("--").nth(1)?.split([' ', '[']).next());
        let mut count = 0;
        for name in names.filter(|name| !["help", "version"].contains(name)) {
            count += 1;
            let (row, usage) = (format!("| `--{name}"), format!("{verb} --{name}"));
            assert!(README.contains(&row) || README.contains(&usage), "--{name}");
        }
        assert_eq!(count, expected, "{help}");
    }
}
