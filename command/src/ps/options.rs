//! The options of `cuda-contexts ps`.

use std::ffi::OsString;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

/// What `cuda-contexts ps --help` prints.
pub const HELP: &str = "\
Shows which processes hold CUDA contexts on which GPUs. It does not touch them.

Usage: cuda-contexts ps [OPTIONS]

Options:
  --gpu ID           show this GPU only: its number in nvidia-smi, or its id or the
                     beginning of it (GPU-1a2b). May be given several times.
  --pid PID          show this process only. May be given several times.
  --json             print one JSON object a line
  --watch[=SECONDS]  show changes until it is interrupted (default: every 2 s)
  --fail-on-stray    exit with status 3 if a process probably holds a stray
  --help             print this
  --version          print the version

Exit status: 0; 3 by --fail-on-stray; 125 if the GPUs could not be read, or if
--fail-on-stray could not judge.
";

/// What to show, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The GPUs to show; all if empty.
    pub gpus: Vec<GpuChoice>,
    /// The processes to show; all if empty.
    pub pids: Vec<u32>,
    /// Whether to print JSON.
    pub json: bool,
    /// How often to look again; `None`: look a single time.
    pub watch: Option<Duration>,
    /// Whether strays change the exit status.
    pub fail_on_stray: bool,
}

/// A GPU as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuChoice {
    /// Its number in `nvidia-smi`.
    Index(u32),
    /// Its unique id or the beginning of it.
    Id(String),
}

impl GpuChoice {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(index) = text.parse() {
            return Ok(Self::Index(index));
        }
        if text.len() > "GPU-".len() && text.starts_with("GPU-") {
            return Ok(Self::Id(text.to_lowercase()));
        }
        Err("a GPU is named by its number in nvidia-smi (1) or by its id (GPU-1a2b…)".to_owned())
    }

    /// Whether it names this GPU.
    #[must_use]
    pub fn matches(&self, index: u32, uuid: Option<&str>) -> bool {
        match self {
            Self::Index(chosen) => *chosen == index,
            Self::Id(chosen) => uuid.is_some_and(|uuid| uuid.to_lowercase().starts_with(chosen)),
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Show processes.
    Show(Options),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Reads what follows the verb.
///
/// # Errors
/// A sentence about what is wrong.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, lexopt::Error> {
    let mut options = Options::default();
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("gpu") => options.gpus.push(parser.value()?.parse_with(GpuChoice::parse)?),
            Arg::Long("pid") => options.pids.push(parser.value()?.parse()?),
            Arg::Long("json") => options.json = true,
            Arg::Long("watch") => {
                let seconds = parser.optional_value();
                options.watch = Some(seconds.map_or(Ok(Duration::from_secs(2)), interval)?);
            }
            Arg::Long("fail-on-stray") => options.fail_on_stray = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Request::Version),
            _ => return Err(argument.unexpected()),
        }
    }
    if options.watch.is_some() && options.fail_on_stray {
        return Err("--fail-on-stray looks a single time: leave out --watch".into());
    }
    Ok(Request::Show(options))
}

fn interval(seconds: OsString) -> Result<Duration, lexopt::Error> {
    seconds.parse_with(|text| match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("it takes seconds, from 0.1 to 86400"),
    })
}

#[cfg(test)]
mod tests {
    use super::{Duration, GpuChoice, HELP, Options, Request, parse};

    fn options(line: &str) -> Result<Options, String> {
        match parse(line.split_whitespace().map(Into::into)) {
            Ok(Request::Show(options)) => Ok(options),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn each_option() {
        let all = options("--gpu 1 --gpu GPU-1A2b --pid 7 --pid 8 --json --watch=0.5").unwrap();
        assert_eq!(all.gpus, [GpuChoice::Index(1), GpuChoice::Id("gpu-1a2b".into())]);
        assert_eq!((all.pids, all.json), (vec![7, 8], true));
        assert_eq!(all.watch, Some(Duration::from_millis(500)));
        assert_eq!(options("--watch").unwrap().watch, Some(Duration::from_secs(2)));
        assert!(options("--fail-on-stray").unwrap().fail_on_stray);
        assert_eq!(parse(["-h".into()]).unwrap(), Request::Help);
        assert_eq!(parse(["--version".into()]).unwrap(), Request::Version);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, needle) in [
            ("--gpu first", "GPU-1a2b"),
            ("--gpu GPU-", "GPU-1a2b"),
            ("--pid -1", "-1"),
            ("--watch=0", "0.1 to 86400"),
            ("--watch=nan", "0.1 to 86400"),
            ("--watch --fail-on-stray", "single time"),
            ("train.py", "train.py"),
        ] {
            let complaint = options(line).unwrap_err();
            assert!(complaint.contains(needle), "{line}: {complaint}");
        }
    }

    #[test]
    fn a_gpu_is_known_by_its_number_and_by_the_beginning_of_its_id() {
        let id = Some("GPU-1a2b3c4d-0000-0000-0000-000000000000");
        assert!(GpuChoice::parse("3").unwrap().matches(3, None));
        assert!(!GpuChoice::parse("3").unwrap().matches(2, id));
        assert!(GpuChoice::parse("GPU-1A2B").unwrap().matches(0, id));
        assert!(!GpuChoice::parse("GPU-2").unwrap().matches(0, id));
        assert!(!GpuChoice::parse("GPU-1").unwrap().matches(0, None));
    }

    #[test]
    fn the_help_names_every_option() {
        for option in ["gpu", "pid", "json", "watch", "fail-on-stray", "help", "version"] {
            assert!(HELP.contains(&format!("  --{option}")), "{option}");
        }
    }
}
