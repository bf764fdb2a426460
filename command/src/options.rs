//! The command's options.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::meant::Meant;

/// What `--help` prints.
pub const HELP: &str = "\
usage: cuda-contexts trace [options] [--] COMMAND [ARGUMENTS...]

Runs COMMAND, and says on standard error which CUDA contexts it and its children
made, which lines of code made them, and which libraries hold them.

  --json FILE      write one JSON object a line to FILE, as it happens
  --live           print events as they happen, too
  --only DEVICE    DEVICE is meant to be used, contexts on others are strays:
                   an ordinal, a UUID, or local-rank (the rank that a launcher
                   such as torchrun, mpirun or srun gave the process)
  --forbid         exit with status 3 if a context was made on a device that is
                   not meant (on any device without --only)
  --deny           refuse such a context with CUDA_ERROR_NOT_PERMITTED, so that
                   the program fails at the line that asks for it
  --stack WHICH    record the lines of Python and native code: all (of every
                   event), first (the default: of the first cuInit, each
                   creation and each refusal by --deny, each library's first
                   reference, each release of another's, each reset of a
                   living context), none
  --driver DRIVER  the path of the driver, or simulated (default: what the
                   dynamic loader finds)
  --help           print this
  --version        print the version

The exit status is COMMAND's, or death by the same signal; 3 by --forbid; 125 if
tracing failed, 126 if COMMAND cannot be run, 127 if it is not found.
";

/// A run of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the JSON lines go.
    pub json: Option<PathBuf>,
    /// Whether events are printed as they happen.
    pub live: bool,
    /// The device that is meant.
    pub only: Option<Meant>,
    /// Whether strays change the exit status.
    pub forbid: bool,
    /// Whether strays are refused.
    pub deny: bool,
    /// Which events have a stack.
    pub stack: Stack,
    /// Where the driver is.
    pub driver: DriverChoice,
    /// The program and its arguments.
    pub command: Vec<OsString>,
}

/// Which events have a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// Every event.
    All,
    /// The first `cuInit`, each creation and each refusal by `--deny`, each library's first reference,
    /// each release of another's, each reset of a living context.
    First,
    /// No event.
    None,
}

impl Stack {
    /// Its name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::First => "first",
            Self::None => "none",
        }
    }
}

/// Where the driver comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverChoice {
    /// What the dynamic loader would find.
    Loader,
    /// A file.
    Path(PathBuf),
    /// The simulated driver.
    Simulated,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Run a program.
    Run(Options),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Reads the command line, without the command's own name.
///
/// # Errors
///
/// What is wrong with it, in a sentence.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, lexopt::Error> {
    let mut options = Options {
        json: None,
        live: false,
        only: None,
        forbid: false,
        deny: false,
        stack: Stack::First,
        driver: DriverChoice::Loader,
        command: Vec::new(),
    };
    let mut parser = Parser::from_args(arguments);
    match parser.next()? {
        Some(Arg::Value(verb)) if verb == "trace" => {}
        Some(Arg::Short('h') | Arg::Long("help")) => return Ok(Request::Help),
        Some(Arg::Short('V') | Arg::Long("version")) => return Ok(Request::Version),
        Some(Arg::Value(verb)) => {
            return Err(format!("There is no verb {}: the verb is trace.", verb.display()).into());
        }
        Some(argument) => return Err(argument.unexpected()),
        None => return Err("A verb is missing: cuda-contexts trace -- COMMAND.".into()),
    }
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("json") => options.json = Some(PathBuf::from(parser.value()?)),
            Arg::Long("live") => options.live = true,
            Arg::Long("only") => options.only = Some(parser.value()?.parse_with(Meant::parse)?),
            Arg::Long("forbid") => options.forbid = true,
            Arg::Long("deny") => options.deny = true,
            Arg::Long("stack") => options.stack = parser.value()?.parse_with(stack)?,
            Arg::Long("driver") => options.driver = driver(parser.value()?),
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
        return Err("there is no command to run".into());
    }
    Ok(Request::Run(options))
}

fn stack(word: &str) -> Result<Stack, &'static str> {
    [Stack::All, Stack::First, Stack::None]
        .into_iter()
        .find(|stack| stack.name() == word)
        .ok_or("it is one of all, first, none")
}

fn driver(word: OsString) -> DriverChoice {
    if word == "simulated" { DriverChoice::Simulated } else { DriverChoice::Path(word.into()) }
}

#[cfg(test)]
mod tests {
    use super::{DriverChoice, HELP, Meant, Request, Stack, parse};

    fn words(line: &str) -> Result<Request, String> {
        parse(["trace"].into_iter().chain(line.split_whitespace()).map(Into::into))
            .map_err(|error| error.to_string())
    }

    fn options(line: &str) -> super::Options {
        match words(line) {
            Ok(Request::Run(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn everything_behind_the_command_is_the_command_s() {
        for line in ["--live -- prog --json x -- y", "--live prog --json x -- y"] {
            let options = options(line);
            assert!(options.live && options.json.is_none(), "{line}");
            assert_eq!(options.command, ["prog", "--json", "x", "--", "y"], "{line}");
        }
    }

    #[test]
    fn each_option() {
        let all = options(
            "--json out --live --only local-rank --forbid --deny --stack all --driver simulated p",
        );
        assert_eq!(all.json, Some("out".into()));
        assert_eq!(all.only, Some(Meant::LocalRank));
        assert!(all.live && all.forbid && all.deny);
        assert_eq!((all.stack, all.driver), (Stack::All, DriverChoice::Simulated));
        let none = options("p");
        assert_eq!((none.stack, none.driver), (Stack::First, DriverChoice::Loader));
        assert_eq!(
            options("--driver=./simulated p").driver,
            DriverChoice::Path("./simulated".into())
        );
        assert_eq!(words("--help"), Ok(Request::Help));
        assert_eq!(words("-V"), Ok(Request::Version));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, needle) in [
            ("", "no command"),
            ("--live", "no command"),
            ("--stack some p", "all, first, none"),
            ("--only first p", "local-rank"),
            ("--nothing p", "--nothing"),
            ("--json", "--json"),
        ] {
            let complaint = words(line).unwrap_err();
            assert!(complaint.contains(needle), "{line}: {complaint}");
        }
    }

    #[test]
    fn the_help_names_every_option() {
        for option in
            ["json", "live", "only", "forbid", "deny", "stack", "driver", "help", "version"]
        {
            assert!(HELP.contains(&format!("--{option} ")), "{option}");
        }
    }
}
