//! The command line.

use std::env;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::str::FromStr;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

const AFTER: &str = "\
LIST is ordinals separated by commas, such as 0,2, or the word none.

Exit status: 0 if no driver call failed (a context may still be active: read the
table), 1 if a device failed, 2 if the arguments are wrong, 3 if there is no usable
driver or the device could not be retained.";

/// Keep one device's primary context and release the strays that this process
/// holds on all other devices.
#[derive(Parser)]
#[command(verbatim_doc_comment, after_help = AFTER)]
pub struct Options {
    /// Keep this device [default: the environment variable LOCAL_RANK, or 1 if
    /// there are several devices, or 0]
    #[arg(long, value_name = "N", verbatim_doc_comment)]
    pub device: Option<u32>,
    /// real, simulated (the simulator in this program), the path of a driver
    /// library, or auto: the real driver if it loads and has a device, else the
    /// simulated one
    #[arg(long, value_name = "WHICH", default_value = "auto", verbatim_doc_comment)]
    pub driver: PathBuf,
    /// How many devices the simulator has, 0 to 4096 [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=4096))]
    pub devices: Option<u32>,
    /// First create contexts on these devices, as a library would. An ordinal
    /// that is given twice leaves two references [default: 0,2 on a simulator,
    /// none on a real driver]
    #[arg(long, value_name = "LIST", verbatim_doc_comment)]
    pub stray: Option<List>,
    /// Release nothing on these devices either
    #[arg(long, value_name = "LIST", default_value = "none")]
    pub keep: List,
    /// Release up to N references on each device
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub releases: u32,
    /// Show what would be released, and release nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Show every driver call, too
    #[arg(long)]
    pub calls: bool,
    /// Print one JSON object instead of the table. In it, driver.simulated is
    /// true for the simulator in this program, and false for a library, even if
    /// that is a simulator
    #[arg(long, verbatim_doc_comment)]
    pub json: bool,
}

/// Reads the options and the environment.
pub fn from_command_line() -> Result<Options, clap::Error> {
    let mut options = Options::try_parse()?;
    let refuse = |message: String| Options::command().error(ErrorKind::InvalidValue, message);
    let may_simulate = ["auto", "simulated"].iter().any(|name| options.driver.as_os_str() == *name);
    if options.devices.is_some() && !may_simulate {
        let message = "--devices can only be used with --driver simulated or auto";
        return Err(refuse(message.to_owned()));
    }
    // The rank that launchers such as torchrun give each process of a machine. An empty variable counts as unset.
    let rank = env::var_os("LOCAL_RANK").filter(|rank| !rank.is_empty());
    if let (None, Some(rank)) = (options.device, rank) {
        let ordinal = rank.to_str().and_then(|rank| rank.parse().ok());
        options.device = Some(ordinal.ok_or_else(|| {
            refuse(format!(
                "the environment variable LOCAL_RANK must be a device's ordinal, not {rank:?}"
            ))
        })?);
    }
    Ok(options)
}

/// Ordinals.
#[derive(Clone)]
pub struct List(pub Vec<u32>);

impl FromStr for List {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        match text {
            "none" => Ok(Self(Vec::new())),
            text => {
                text.split(',').map(|each| each.trim().parse()).collect::<Result<_, _>>().map(Self)
            }
        }
    }
}
