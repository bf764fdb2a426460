//! Options, and what goes wrong before the program runs.

use std::process::Command;

use crate::limit;
use crate::programs::CLIENT;
use crate::traced::Trace;

fn command(words: &[&str]) -> (Option<i32>, String, String) {
    let output = limit::output(Command::new(env!("CARGO_BIN_EXE_cuda-contexts")).args(words));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_and_version_are_printed() {
    let verbs = "\nVerbs:\n  ps ";
    let more = "\ncuda-contexts trace --help describes the options of trace.\n";
    let options = "\nUsage: cuda-contexts trace [OPTIONS]";
    let version = concat!("cuda-contexts ", env!("CARGO_PKG_VERSION"), "\n");
    for (words, text) in [
        (&["--help"][..], verbs),
        (&["-h"], verbs),
        (&["--help"], more),
        (&["trace", "--help"], "SIMULATED_CUDA_DEVICES"),
        (&["help"], verbs),
        (&["trace", "--help"], options),
        (&["trace", "-h"], options),
        (&["--version"], version),
        (&["-V"], version),
        (&["trace", "--version"], version),
    ] {
        let (code, help, errors) = command(words);
        assert_eq!((code, &*errors), (Some(0), ""), "{words:?}");
        assert!(help.contains(text), "{help}");
    }
}

#[test]
fn what_is_wrong_with_the_arguments_is_said_with_status_125() {
    let events = ["--driver", "simulated", "--json", "/nowhere/events", "true"];
    let advice = "(os error 2). Pass --driver PATH, or --driver simulated.";
    for (words, needle) in [
        (&[][..], "requires a verb but one was not provided [verbs: ps, trace, run, help]. cuda-"),
        (&["python"], "unrecognized verb 'python'. cuda-contexts --help lists the verbs, which"),
        (&["--only", "0"], "'--only' found. cuda-contexts --help lists the verbs"),
        (&["trace"], "<COMMAND>. cuda-contexts trace --help describes the options."),
        (&["trace", "--live"], "<COMMAND>"),
        (&["trace", "--stack", "some", "true"], "all, first, none"),
        (&["trace", "--forbid=some", "true"], "made, held"),
        (&["trace", "--only", "second", "true"], "local-rank"),
        (&["trace", "--json"], "--json"),
        (&["trace", "--colour", "true"], "--colour' found. cuda-contexts trace --help"),
        (&[&["trace"], &events[..]].concat(), "--json /nowhere/events cannot be written: "),
        (
            &["trace", "-o", "/nowhere/report", "true"],
            "--output /nowhere/report cannot be written: ",
        ),
        (&["trace", "--driver", "simulatd", "true"], advice),
        (&["trace", "--driver", "/nowhere", "true"], "/nowhere cannot be used: No such file"),
        (&["trace", "--driver", "/etc/passwd", "true"], "this is not a shared library for this"),
        (&["trace", "--driver", "/proc/self/exe", "true"], "it exports none of the CUDA driver's"),
        (&["ps", "--gpu", "first"], "GPU-1a2b"),
        (&["ps", "--gpu", "GPU-"], "GPU-1a2b"),
        (&["ps", "--pid=-1"], "-1"),
        (&["ps", "--watch=0"], "0.1 to 86400"),
        (&["ps", "--watch=nan"], "0.1 to 86400"),
        (&["ps", "--watch", "--fail-on-stray"], "cannot be used with"),
        (&["ps", "train.py"], "train.py"),
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
fn options_end_where_the_program_begins() {
    for before in ["--stack all", "--"] {
        let words = format!("trace --driver simulated {before} echo --json x -- y");
        let (code, output, errors) = command(&words.split(' ').collect::<Vec<_>>());
        assert_eq!((code, &*output), (Some(0), "--json x -- y\n"), "{before}: {errors}");
    }
}

#[test]
fn a_program_that_cannot_be_run_gives_127_or_126() {
    let traced = Trace::new(&[]).program(&["no-such-program-anywhere"]).run();
    traced.ended_with(127);
    traced.says("no-such-program-anywhere cannot be run");
    Trace::new(&[]).program(&["/etc/passwd"]).run().ended_with(126);
    let traced = Trace::without_driver(&["--driver", "simulated", "--forbid", "held"]).run();
    traced.ended_with(127);
    traced.says("cuda-contexts: --forbid takes its value after '=': --forbid=held\n");
}

#[test]
fn one_trace_inside_another_sees_everything() {
    let inner = env!("CARGO_BIN_EXE_cuda-contexts");
    let client = CLIENT.to_str().unwrap();
    let traced = Trace::new(&[]).program(&[inner, "trace", "--", client, "init", "retain:1"]).run();
    traced.ended_with(0);
    traced.says("primary context (about 524 MiB) created by client");
}

#[test]
fn live_prints_events_as_they_happen() {
    let traced = Trace::new(&["--live"]).client("init retain:1 release:1 release:1").run();
    traced.ended_with(0);
    for text in [
        "loaded the driver",
        "cuInit by client",
        "primary context created",
        "primary context destroyed",
        "CUDA_ERROR_INVALID_CONTEXT (201)",
        " exit\n",
    ] {
        traced.says(text);
    }
    assert!(traced.stderr.starts_with("cuda-contexts: "), "{}", traced.stderr);
}

#[test]
fn colours_are_for_terminals_alone() {
    for (variables, coloured) in
        [(&[][..], false), (&["CLICOLOR_FORCE"], true), (&["CLICOLOR_FORCE", "NO_COLOR"], false)]
    {
        let mut trace = Trace::new(&["--only", "0"]);
        trace.command.envs(variables.iter().map(|name| (name, "1")));
        let report = trace.client("init retain:1").run().stderr;
        assert_eq!(report.contains("\x1b[1m\x1b[31mSTRAY"), coloured, "{report}");
        assert_eq!(report.contains('\x1b'), coloured, "{report}");
    }
}
