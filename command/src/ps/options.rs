//! The options of `cuda-contexts ps`.

use std::time::Duration;

use clap::Args;

use crate::only::DeviceName;

const AFTER: &str = "\
Exit status: 0; 3 by --fail-on-stray; 125 if the GPUs could not be read, or if --fail-on-stray could \
not judge.";

/// Shows which processes hold CUDA contexts on which GPUs right now. It does not touch them.
#[derive(Debug, Default, Args)]
#[command(after_help = AFTER)]
pub struct Options {
    /// Show processes with a context on this GPU: its number in nvidia-smi, or its id or the beginning of
    /// it (GPU-1a2b). May be given several times.
    #[arg(long = "gpu", value_name = "ID", value_parser = DeviceName::parse)]
    pub gpus: Vec<DeviceName>,
    /// Show this process only. May be given several times.
    #[arg(long = "pid", value_name = "PID")]
    pub pids: Vec<u32>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Show changes until it is interrupted (default: every 2 s).
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "2", value_parser = interval, conflicts_with = "fail_on_stray")]
    pub watch: Option<Duration>,
    /// Exit with status 3 if a process probably holds a stray.
    #[arg(long)]
    pub fail_on_stray: bool,
}

fn interval(text: &str) -> Result<Duration, &'static str> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("it takes seconds, from 0.1 to 86400"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{DeviceName, Duration, Options};

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Result<Options, String> {
        let line = Line::try_parse_from(["ps"].into_iter().chain(line.split_whitespace()));
        line.map(|line| line.options).map_err(|error| error.to_string())
    }

    #[test]
    fn intervals_and_names_of_gpus() {
        let all = options("--gpu 1 --gpu GPU-1A2b --watch").unwrap();
        assert_eq!(all.gpus, [DeviceName::Ordinal(1), DeviceName::Uuid("GPU-1A2b".into())]);
        assert_eq!(all.watch, Some(Duration::from_secs(2)));
        for (line, needle) in [
            ("--gpu first", "GPU-1a2b"),
            ("--gpu GPU-", "GPU-1a2b"),
            ("--pid=-1", "-1"),
            ("--watch=0", "0.1 to 86400"),
            ("--watch=nan", "0.1 to 86400"),
            ("--watch --fail-on-stray", "cannot be used with"),
            ("train.py", "train.py"),
        ] {
            let complaint = options(line).unwrap_err();
            assert!(complaint.contains(needle), "{line}: {complaint}");
        }
    }
}
