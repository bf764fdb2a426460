//! Writes the simulated driver into a directory, for clients that find it by `LD_LIBRARY_PATH`.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::ExitCode;

use simulated_libcuda::write_library;

const USAGE: &str = "\
usage: simulated-libcuda DIRECTORY [--driver-version VERSION] [--without SYMBOL]...

Writes libcuda.so.1, and the link libcuda.so to it, into DIRECTORY, and prints the
shell lines that put it before any other driver.

  --driver-version VERSION  leave out the functions that are newer, e.g. 11040
  --without SYMBOL          leave this function out
";

#[derive(Default)]
struct Arguments {
    directory: PathBuf,
    driver_version: Option<u32>,
    without: Vec<String>,
}

fn main() -> ExitCode {
    let Some(arguments) = parse(env::args().skip(1)) else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    match write(&arguments) {
        Ok(lines) => {
            print!("{lines}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("simulated-libcuda: {}: {error}", arguments.directory.display());
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments::default();
    let mut directory = None;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--driver-version" => arguments.driver_version = Some(words.next()?.parse().ok()?),
            "--without" => arguments.without.push(words.next()?),
            option if option.starts_with('-') => return None,
            _ if directory.is_some() => return None,
            _ => directory = Some(word.into()),
        }
    }
    arguments.directory = directory?;
    Some(arguments)
}

/// Writes the library and returns the lines for the shell.
fn write(arguments: &Arguments) -> Result<String, Box<dyn Error>> {
    fs::create_dir_all(&arguments.directory)?;
    let directory = fs::canonicalize(&arguments.directory)?;
    let without: Vec<&str> = arguments.without.iter().map(String::as_str).collect();
    write_library(&directory, arguments.driver_version, &without)?;
    let link = directory.join("libcuda.so");
    if link.symlink_metadata().is_ok() {
        fs::remove_file(&link)?;
    }
    symlink("libcuda.so.1", link)?;

    let mut lines = format!(
        "export LD_LIBRARY_PATH='{}'${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\n",
        directory.display()
    );
    if let Some(version) = arguments.driver_version {
        lines += &format!("export SIMULATED_CUDA_DRIVER_VERSION={version}\n");
    }
    Ok(lines)
}
