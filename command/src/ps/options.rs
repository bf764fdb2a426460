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
    use clap::{Args, Command, FromArgMatches};

    use super::{Duration, Options};

    #[test]
    fn an_interval_is_two_seconds_by_default() {
        let command = Options::augment_args(Command::new("ps"));
        let matches = command.get_matches_from(["ps", "--watch"]);
        let options = Options::from_arg_matches(&matches).unwrap();
        assert_eq!(options.watch, Some(Duration::from_secs(2)));
    }
}
