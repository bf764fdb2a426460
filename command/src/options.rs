//! The options of `cuda-contexts trace`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::only::Only;

const AFTER: &str = "\
The exit status is COMMAND's, and so is the signal that ends it. Other statuses: 3 by --forbid or --deny, \
125 if tracing failed or --forbid or --deny could not judge, 126 if COMMAND cannot be run, 127 if it is \
not found.";

/// Shows which CUDA contexts a program and its children create, which lines of code create them, and
/// which libraries hold them.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = AFTER)]
pub struct Options {
    /// Treat contexts on other devices as strays. DEVICES is a list of ordinals and UUIDs (0,1 or
    /// GPU-1a2b), one (one device for each process), or local-rank (the rank that torchrun, mpirun or
    /// srun gave the process). Ordinals are those of the process, after CUDA_VISIBLE_DEVICES. local-rank
    /// is for programs that select device LOCAL_RANK. If each process has its own GPU first in
    /// CUDA_VISIBLE_DEVICES, pass 0 or one.
    #[arg(long, value_name = "DEVICES", value_parser = Only::parse, help_heading = JUDGING)]
    pub only: Option<Only>,
    /// Exit with status 3 if there is a stray. Without --only, every context is a stray. WHICH is made
    /// (the default) or held (only strays that still exist at the end).
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "made", hide_possible_values = true, help_heading = JUDGING)]
    pub forbid: Option<Forbid>,
    /// Refuse strays: the driver call returns CUDA_ERROR_NOT_PERMITTED, so that the program fails at the
    /// line that would create one. The exit status is the program's own, or 3 if a stray was created all
    /// the same. To also fail when one was refused, add --forbid.
    #[arg(long, help_heading = JUDGING)]
    pub deny: bool,
    /// Let --forbid and --deny succeed when they could not judge every process. The default is to exit
    /// with status 125.
    #[arg(long, help_heading = JUDGING)]
    pub allow_untraced: bool,
    /// Write the report to FILE instead of standard error.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Write one JSON object a line to FILE while the program runs.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Also print events to standard error as they happen.
    #[arg(long, help_heading = "Output")]
    pub live: bool,
    /// Record the stacks of all calls, of the first ones (first, the default: the first cuInit, each
    /// creation, each refusal by --deny, each library's first reference, each release of another
    /// library's reference, each reset), or of none.
    #[arg(long, value_name = "WHICH", default_value = "first", hide_default_value = true)]
    #[arg(hide_possible_values = true)]
    pub stack: Stack,
    /// Use this driver: a path, or simulated, which has one device, or as many as the environment
    /// variable SIMULATED_CUDA_DEVICES says. The default is the driver that the program's dynamic loader
    /// finds.
    #[arg(long)]
    pub driver: Option<PathBuf>,
    /// Let new threads begin on their creator's device, as cuda-contexts run does, and report how many
    /// began on which device.
    #[arg(long)]
    pub keep_threads: bool,
    /// The program to run, and its arguments
    #[arg(required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

const JUDGING: &str = "Which devices a process may use";

impl Options {
    /// Whether something depends on which contexts are strays.
    pub fn is_gate(&self) -> bool {
        self.forbid.is_some() || self.deny
    }
}

/// Which strays change the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Forbid {
    Made,
    Held,
}

/// Which calls have a stack: see `--help`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Stack {
    All,
    #[default]
    First,
    None,
}
