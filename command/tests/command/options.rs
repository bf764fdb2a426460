//! Options, and what goes wrong before the program runs.

use std::process::Command;

use crate::limit;
use crate::traced::{CLIENT, Trace};

fn command(words: &[&str]) -> (Option<i32>, String, String) {
    let output = limit::output(Command::new(env!("CARGO_BIN_EXE_cuda-contexts")).args(words));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_and_version_are_printed() {
    let verbs = "\n  trace ";
    let options = "\nUsage: cuda-contexts trace [OPTIONS]";
    for (words, text) in [
        (&["--help"][..], verbs),
        (&["-h"], verbs),
        (&["help"], verbs),
        (&["trace", "--help"], options),
        (&["trace", "-h"], options),
    ] {
        let (code, help, errors) = command(words);
        assert_eq!((code, &*errors), (Some(0), ""));
        assert!(help.contains(text), "{help}");
    }
    for words in [&["--version"][..], &["-V"], &["trace", "--version"]] {
        let (code, version, _) = command(words);
        assert_eq!(code, Some(0));
        assert_eq!(version, format!("cuda-contexts {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn what_is_wrong_with_the_arguments_is_said_with_status_125() {
    let events = ["--driver", "simulated", "--json", "/nowhere/events", "true"];
    for (words, needle) in [
        (&[][..], "requires a subcommand"),
        (&["--only", "0"], "--only"),
        (&["trace"], "<COMMAND>"),
        (&["trace", "--live"], "<COMMAND>"),
        (&["trace", "--stack", "some", "true"], "all, first, none"),
        (&["trace", "--forbid=some", "true"], "made, held"),
        (&["trace", "--only", "second", "true"], "local-rank"),
        (&["trace", "--json"], "--json"),
        (&["trace", "--colour", "true"], "--colour"),
        (&[&["trace"], &events[..]].concat(), "/nowhere/events"),
        (&["run"], "<COMMAND>"),
        (&["run", "--print-preload", "true"], "--print-preload"),
    ] {
        let (code, output, errors) = command(words);
        assert_eq!((code, &*output), (Some(125), ""), "{words:?}: {errors}");
        assert!(errors.starts_with("cuda-contexts: "), "{words:?}: {errors}");
        assert!(errors.contains(needle), "{words:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn a_program_that_cannot_be_run_gives_127_or_126() {
    let traced = Trace::new(&[]).program(&["no-such-program-anywhere"]).run();
    traced.ended_with(127);
    traced.says("no-such-program-anywhere cannot be run");
    Trace::new(&[]).program(&["/etc/passwd"]).run().ended_with(126);
}

#[test]
fn one_trace_inside_another_sees_everything() {
    let inner = env!("CARGO_BIN_EXE_cuda-contexts");
    let client = CLIENT.to_str().unwrap();
    let traced = Trace::new(&[]).program(&[inner, "trace", "--", client, "init", "retain:1"]).run();
    traced.ended_with(0);
    traced.says("primary context (about 524 MiB) created by command-client");
}

#[test]
fn live_prints_events_as_they_happen() {
    let traced = Trace::new(&["--live"]).client("init retain:1 release:1 release:1").run();
    traced.ended_with(0);
    for text in [
        "loaded the driver",
        "cuInit by command-client",
        "primary context created",
        "primary context destroyed",
        "CUDA_ERROR_INVALID_CONTEXT (201)",
        " exit\n",
    ] {
        traced.says(text);
    }
    let first = traced.stderr.lines().next().unwrap();
    assert!(first.starts_with("cuda-contexts: "), "{first}");
}

#[test]
fn stacks_are_of_all_calls_of_the_first_ones_or_of_none() {
    let frames = |stack: &str| -> Vec<usize> {
        let traced = Trace::new(&["--stack", stack]).client("init retain:1 retain:1").run();
        traced.ended_with(0);
        let retains = traced.calls("cuDevicePrimaryCtxRetain");
        retains.iter().map(|call| call["native"].as_array().unwrap().len()).collect()
    };
    let more = |count: usize| count > 1;
    assert_eq!(frames("all").into_iter().map(more).collect::<Vec<_>>(), [true, true]);
    assert_eq!(frames("first").into_iter().map(more).collect::<Vec<_>>(), [true, false]);
    assert_eq!(frames("none"), [1, 1]);
}

#[test]
fn colours_are_for_terminals_alone() {
    let plain = Trace::new(&["--only", "0"]).client("init retain:1").run();
    assert!(!plain.stderr.contains('\x1b'), "{}", plain.stderr);
    let mut forced = Trace::new(&["--only", "0"]);
    forced.command.env("CLICOLOR_FORCE", "1");
    let forced = forced.client("init retain:1").run();
    forced.says("\x1b[1m\x1b[31mSTRAY");
    let mut refused = Trace::new(&["--only", "0"]);
    refused.command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    let refused = refused.client("init retain:1").run();
    assert!(!refused.stderr.contains('\x1b'), "{}", refused.stderr);
}

#[test]
fn a_failure_of_tracing_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("libcuda.so.1");
    std::fs::copy("/proc/self/exe", &other).unwrap();
    let (text, missing) = (folder.path().join("text"), folder.path().join("missing"));
    std::fs::write(&text, "text").unwrap();
    for (driver, complaint) in [
        (&missing, "No such file or directory"),
        (&text, "this is not a shared library for this machine"),
        (&other, "it exports none of the CUDA driver's functions"),
    ] {
        let mut trace = Trace::without_driver(&[]);
        trace.command.arg("--driver").arg(driver);
        let traced = trace.program(&["true"]).run();
        traced.ended_with(125);
        traced.says(&format!("cuda-contexts: {}: {complaint}", driver.display()));
    }
}
