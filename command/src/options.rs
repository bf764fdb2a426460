//! The options of `cuda-contexts trace`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};
use serde::Serialize;

use crate::only::Only;

pub const HELP: &str = "\
Shows which CUDA contexts a program and its children create, which lines of code
create them, and which libraries hold them.

Usage: cuda-contexts trace [OPTIONS] [--] COMMAND [ARGUMENTS...]

Which devices a process may use:
  --only DEVICES     Treat contexts on other devices as strays. DEVICES is a list
                     of ordinals and UUIDs (0,1 or GPU-1a2b), one (one device for
                     each process), or local-rank (the rank that torchrun,
                     mpirun or srun gave the process).
  --forbid[=WHICH]   Exit with status 3 if there is a stray. Without --only, every
                     context is a stray. WHICH is made (the default) or held
                     (only strays that still exist at the end).
  --deny             Refuse strays with CUDA_ERROR_NOT_PERMITTED, so that the
                     program fails at the line that creates one.
  --allow-untraced   Let --forbid and --deny succeed when they could not judge
                     every process. The default is to exit with status 125.

Output:
  -o, --output FILE  Write the report to FILE instead of standard error.
  --json FILE        Write one JSON object a line to FILE while the program runs.
  --live             Also print events to standard error as they happen.

What is recorded:
  --stack WHICH      Record the stacks of all calls, of the first ones (first, the
                     default: the first cuInit, each creation, each refusal by
                     --deny, each library's first reference, each release of
                     another library's reference, each reset), or of none.
  --driver DRIVER    Use this driver: a path, or simulated. The default is the
                     driver that the program's dynamic loader finds.

What is changed:
  --keep-threads     Let new threads begin on their creator's device, as
                     cuda-contexts run does.

  -h, --help         Print this text.
  -V, --version      Print the version.

The exit status is COMMAND's, and so is the signal that ends it. Other statuses:
3 by --forbid, 125 if tracing failed or --forbid or --deny could not judge, 126 if
COMMAND cannot be run, 127 if it is not found.
";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    pub output: Option<PathBuf>,
    pub json: Option<PathBuf>,
    pub live: bool,
    pub only: Option<Only>,
    pub forbid: Option<Forbid>,
    pub deny: bool,
    pub allow_untraced: bool,
    pub stack: Stack,
    pub driver: DriverChoice,
    pub keep_threads: bool,
    pub command: Vec<OsString>,
}

impl Options {
    /// Whether something depends on which contexts are strays.
    pub fn is_gate(&self) -> bool {
        self.forbid.is_some() || self.deny
    }
}

/// Which strays change the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forbid {
    Made,
    Held,
}

/// Which events have a stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stack {
    /// Every event.
    All,
    /// The first `cuInit`, each creation and each refusal by `--deny`, each library's first reference,
    /// each release of another library's reference, each reset of an active context.
    #[default]
    First,
    /// No event.
    None,
}

/// Where the driver comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DriverChoice {
    /// The driver that the program's dynamic loader finds.
    #[default]
    Loader,
    Path(PathBuf),
    Simulated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Run(Options),
    Help,
    Version,
}

/// Reads what follows the verb.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, lexopt::Error> {
    let mut options = Options::default();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('o') | Arg::Long("output") => options.output = Some(parser.value()?.into()),
            Arg::Long("json") => options.json = Some(parser.value()?.into()),
            Arg::Long("live") => options.live = true,
            Arg::Long("only") => options.only = Some(parser.value()?.parse_with(Only::parse)?),
            Arg::Long("forbid") => {
                options.forbid = Some(match parser.optional_value() {
                    Some(value) => value.parse_with(forbid)?,
                    None => Forbid::Made,
                });
            }
            Arg::Long("deny") => options.deny = true,
            Arg::Long("allow-untraced") => options.allow_untraced = true,
            Arg::Long("stack") => options.stack = parser.value()?.parse_with(stack)?,
            Arg::Long("driver") => options.driver = driver(parser.value()?),
            Arg::Long("keep-threads") => options.keep_threads = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Request::Version),
            Arg::Value(program) => {
                options.command.push(program);
                options.command.extend(parser.raw_args()?);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    if options.command.is_empty() {
        return Err("the command to run is missing".into());
    }
    Ok(Request::Run(options))
}

fn stack(word: &str) -> Result<Stack, &'static str> {
    match word {
        "all" => Ok(Stack::All),
        "first" => Ok(Stack::First),
        "none" => Ok(Stack::None),
        _ => Err("expected all, first or none"),
    }
}

fn forbid(word: &str) -> Result<Forbid, &'static str> {
    match word {
        "made" => Ok(Forbid::Made),
        "held" => Ok(Forbid::Held),
        _ => Err("expected made or held"),
    }
}

fn driver(word: OsString) -> DriverChoice {
    if word == "simulated" { DriverChoice::Simulated } else { DriverChoice::Path(word.into()) }
}

#[cfg(test)]
mod tests {
    use super::{DriverChoice, Forbid, Only, Options, Request, Stack, parse};

    fn options(line: &str) -> Options {
        match parse(line.split_whitespace().map(Into::into)) {
            Ok(Request::Run(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn each_option() {
        let all = "--json out -o report --live --only local-rank --forbid --deny --allow-untraced \
                   --stack all --driver simulated --keep-threads p";
        let expected = Options {
            output: Some("report".into()),
            json: Some("out".into()),
            live: true,
            only: Some(Only::LocalRank),
            forbid: Some(Forbid::Made),
            deny: true,
            allow_untraced: true,
            stack: Stack::All,
            driver: DriverChoice::Simulated,
            keep_threads: true,
            command: vec!["p".into()],
        };
        assert_eq!(options(all), expected);
        let driver = options("--driver=./simulated p").driver;
        assert_eq!(driver, DriverChoice::Path("./simulated".into()));
        assert_eq!(options("--forbid=held p").forbid, Some(Forbid::Held));
        assert_eq!(options("--forbid held").command, ["held"]);
        for line in ["-- prog --json x -- y", "prog --json x -- y"] {
            let command = ["prog", "--json", "x", "--", "y"].map(Into::into).into();
            assert_eq!(options(line), Options { command, ..Options::default() });
        }
    }
}
