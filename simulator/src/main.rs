//! Writes the simulated driver into a directory, for clients that find it by `LD_LIBRARY_PATH`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use simulated_libcuda::write_library;

const USAGE: &str = "\
usage: simulated-libcuda DIRECTORY [--driver-version VERSION] [--without SYMBOL]...

Writes libcuda.so.1, and the link libcuda.so to it, into DIRECTORY. A program uses it
if LD_LIBRARY_PATH begins with DIRECTORY:

  export LD_LIBRARY_PATH=\"DIRECTORY${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\"

  --driver-version VERSION  be a driver of this version, e.g. 11040, which lacks
                            the functions that are newer
  --without SYMBOL          leave this function out
";

#[derive(Default)]
struct Arguments {
    directory: PathBuf,
    driver_version: Option<u32>,
    without: Vec<String>,
}

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    if words.iter().any(|word| word == "--help") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Arguments { directory, driver_version, without } = match parse(words.into_iter()) {
        Ok(arguments) => arguments,
        Err(complaint) => {
            eprint!("simulated-libcuda: {complaint}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let without: Vec<&str> = without.iter().map(String::as_str).collect();
    let written = fs::create_dir_all(&directory)
        .and_then(|()| write_library(&directory, driver_version, &without));
    match written {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulated-libcuda: {}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    let mut directory = None;
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--driver-version") => {
                let version = words.next().unwrap_or_default();
                let number = version.to_str().and_then(|version| version.parse().ok());
                let complaint = || format!("{version:?} is no driver version such as 11040");
                arguments.driver_version = Some(number.ok_or_else(complaint)?);
            }
            Some("--without") => {
                let symbol = words.next().and_then(|word| word.into_string().ok());
                arguments.without.push(symbol.ok_or("--without names no function")?);
            }
            Some(option) if option.starts_with('-') => {
                return Err(format!("there is no option {option}"));
            }
            _ if directory.is_some() => return Err("one directory is enough".to_owned()),
            _ => directory = Some(word.into()),
        }
    }
    arguments.directory = directory.ok_or("no directory is named")?;
    Ok(arguments)
}
