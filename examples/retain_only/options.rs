//! The command line, and the environment for options that it does not have.

use std::env;
use std::ffi::OsString;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::{Arg, Parser};

use crate::arguments::{os_value, value};

pub const HELP: &str = "\
Keep one device's primary context and release the strays that this process
holds on all other devices.

Usage: cargo run -p examples --example retain_only -- [OPTIONS]

  --device N      keep this device [default: the environment variable LOCAL_RANK,
                  or 1 if there are several devices, or 0]
  --driver WHICH  real, simulated (the simulator in this program), the path of a
                  driver library, or auto: the real driver if it loads and has a
                  device, else the simulated one [default: auto]
  --devices N     how many devices the simulator has, 0 to 4096 [default: 4]
  --stray LIST    first create contexts on these devices, as a library would. An
                  ordinal that is given twice leaves two references
                  [default: 0,2 on a simulator, none on a real driver]
  --keep LIST     release nothing on these devices either [default: none]
  --releases N    release up to N references on each device [default: 1]
  --dry-run       show what would be released, and release nothing
  --calls         show every driver call, too
  --json          print one JSON object instead of the table. In it,
                  driver.simulated is true for the simulator in this program,
                  and false for a library, even if that is a simulator
  -h, --help      print this

LIST is ordinals separated by commas, such as 0,2, or the word none.

Exit status: 0 if no driver call failed (a context may still be active: read the
table), 1 if a device failed, 2 if the arguments are wrong, 3 if there is no usable
driver or the device could not be retained.
";

const DEFAULT_DEVICES: u32 = 4;
const MOST_DEVICES: u32 = 4096;
const DEVICES: &str = "a number of devices, 0 to 4096";
const ORDINAL: &str = "a device's ordinal, a whole number from 0 to 4294967295";
const DRIVERS: &str = "auto, real, simulated, or the path of a driver library";
const LIST: &str = "ordinals separated by commas, such as 0,2, or the word none";

pub enum Request {
    Help,
    Run(Options),
}

pub struct Options {
    /// The device to keep, if the command line or the environment names one.
    pub device: Option<u32>,
    pub driver: DriverChoice,
    /// How many devices the simulator has.
    pub devices: u32,
    /// Where to leave a context first; `None` for the driver's default.
    pub stray: Option<Vec<u32>>,
    pub keep: Vec<u32>,
    pub releases: u32,
    pub dry_run: bool,
    pub calls: bool,
    pub json: bool,
}

#[derive(PartialEq, Eq)]
pub enum DriverChoice {
    Auto,
    Real,
    Simulated,
    Library(PathBuf),
}

/// Reads the options. An error is a sentence about what is wrong.
pub fn from_command_line() -> Result<Request, String> {
    let (mut device, mut devices) = (None, None);
    let mut options = Options {
        device: None,
        driver: DriverChoice::Auto,
        devices: DEFAULT_DEVICES,
        stray: None,
        keep: Vec::new(),
        releases: 1,
        dry_run: false,
        calls: false,
        json: false,
    };
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("device") => device = Some(value(&mut parser, "--device", ORDINAL)?),
            Arg::Long("driver") => {
                options.driver = DriverChoice::of(os_value(&mut parser, "--driver", DRIVERS)?)?;
            }
            Arg::Long("devices") => {
                devices = Some(value(&mut parser, "--devices", DEVICES)?);
            }
            Arg::Long("stray") => {
                options.stray = Some(value::<List>(&mut parser, "--stray", LIST)?.0);
            }
            Arg::Long("keep") => options.keep = value::<List>(&mut parser, "--keep", LIST)?.0,
            Arg::Long("releases") => {
                let accepted = "a number of references, 0 to 4294967295";
                options.releases = value(&mut parser, "--releases", accepted)?;
            }
            Arg::Long("dry-run") => options.dry_run = true,
            Arg::Long("calls") => options.calls = true,
            Arg::Long("json") => options.json = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(Request::Help),
            _ => return Err(argument.unexpected().to_string()),
        }
    }
    if let Some(count) = devices {
        if !matches!(options.driver, DriverChoice::Auto | DriverChoice::Simulated) {
            return Err("--devices can only be used with --driver simulated or auto".to_owned());
        }
        if count > MOST_DEVICES {
            return Err(format!("--devices takes {DEVICES}, not {count}"));
        }
        options.devices = count;
    }
    options.device = match device {
        Some(ordinal) => Some(ordinal),
        None => local_rank()?,
    };
    Ok(Request::Run(options))
}

/// The rank that launchers such as torchrun give each process of a machine. An empty variable counts as
/// unset.
fn local_rank() -> Result<Option<u32>, String> {
    match env::var_os("LOCAL_RANK").filter(|rank| !rank.is_empty()) {
        Some(rank) => rank.to_str().and_then(|rank| rank.parse().ok()).map(Some).ok_or_else(|| {
            format!("the environment variable LOCAL_RANK must be {ORDINAL}, not {rank:?}")
        }),
        None => Ok(None),
    }
}

/// Ordinals.
struct List(Vec<u32>);

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

impl DriverChoice {
    fn of(which: OsString) -> Result<Self, String> {
        match which.to_str() {
            Some("") => Err(format!("--driver takes {DRIVERS}, not \"\"")),
            Some("auto") => Ok(Self::Auto),
            Some("real") => Ok(Self::Real),
            Some("simulated") => Ok(Self::Simulated),
            _ => Ok(Self::Library(which.into())),
        }
    }
}
