//! Where `Driver::load` looks for the driver, in which order, and what ends the search.
//!
//! Each case runs in a process of its own, on a library path made for it, and with an auditing library
//! of the dynamic loader, which writes down what the loader searches for. It also puts libraries instead
//! of those at the absolute paths of the Windows Subsystem for Linux and NixOS. That the driver
//! of such a machine then works is not tested here; nor is `nvcuda.dll`.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::libraries::build;
use crate::support::processes::{self, in_prepared_process};
use crate::support::skips;
use cuda_primary_context::{Driver, Error};
use simulated_libcuda::write_library;

const NAME: &str = "libcuda.so.1";
const OF_WSL: &str = "/usr/lib/wsl/lib/libcuda.so.1";
const OF_NIXOS: &str = "/run/opengl-driver/lib/libcuda.so.1";

/// What lies under a name of the driver.
#[derive(Clone, Copy)]
enum Found {
    Driver,
    /// The toolkit's: its `cuInit` fails.
    Stub,
    NotALibrary,
    NotADriver,
}

/// What `Driver::load` returns: the path of the driver, or the kind of error.
type Expected = Result<&'static str, &'static str>;

/// The folder in which a case puts the library of a name; the second one is on the library path.
fn folder_of(name: &str) -> &'static str {
    match name {
        OF_WSL => "wsl",
        OF_NIXOS => "nixos",
        _ => "second",
    }
}

/// Loads with these libraries in the folder of each name. The toolkit's stub always lies first on the library
/// path, under the name that is for linking.
fn loads(test: &str, libraries: &[(&str, Found)], searched: &[&str], expected: Expected) {
    let Some(compiler) = skips::compiler(test) else { return };
    let folder = processes::folder(test);
    let names = folder.join("names");
    let prepare = |command: &mut Command| {
        for name in ["first", "second", "wsl", "nixos"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let audit = folder.join("libsearched.so");
        build(&compiler, "simulated/searched.c", &audit, []);
        let stub = write_library(&folder.join("first"), None, &[]).unwrap();
        fs::rename(&stub, stub.with_file_name("libcuda.so")).unwrap();
        for (name, found) in libraries {
            let folder = folder.join(folder_of(name));
            match found {
                Found::Driver => drop(write_library(&folder, None, &[]).unwrap()),
                Found::Stub => {
                    write_library(&folder, None, &[]).unwrap();
                    command.env("SIMULATED_CUDA_FAULT", "any:1:34:refused:from_then_on");
                }
                Found::NotALibrary => fs::write(folder.join(NAME), "no library").unwrap(),
                Found::NotADriver => drop(fs::copy(&audit, folder.join(NAME)).unwrap()),
            }
        }
        let path = ["first", "second"].map(|name| folder.join(name));
        command.env("LD_AUDIT", audit).env("LD_LIBRARY_PATH", std::env::join_paths(path).unwrap());
        command.env("SEARCHED_NAMES", &names);
        command.env("SEARCHED_WSL", folder.join("wsl").join(NAME));
        command.env("SEARCHED_NIXOS", folder.join("nixos").join(NAME));
        command.env("SIMULATED_CUDA_DEVICES", "2").env_remove("CUDA_VISIBLE_DEVICES");
    };
    // The names of CUDA libraries that the loader has searched for so far.
    let searched_for = || -> Vec<String> {
        let names = fs::read_to_string(&names).unwrap_or_default();
        names.lines().map(str::to_owned).collect()
    };
    in_prepared_process(test, prepare, || {
        let loaded = Driver::load();
        // Where the case puts nothing under the driver's name, the loader may find the machine's own.
        let is_not_named = libraries.iter().all(|(name, _)| *name != NAME);
        let is_found = !matches!(loaded, Err(Error::LibraryNotFound { .. }));
        if is_not_named && is_found && searched_for() == [NAME] {
            return skips::skip("no-driver", test, "this machine has a libcuda.so.1");
        }
        assert_eq!(searched_for(), searched);
        let found = loaded.as_ref().map(|driver| driver.path().to_str().unwrap());
        assert_eq!(found.map_err(|error| error.kind()), expected);
        if let Err(Error::LibraryNotFound { tried }) = &loaded {
            let libraries = tried.iter().map(|attempt| &*attempt.library);
            assert!(libraries.eq(searched.iter().map(Path::new)), "{tried:?}");
            let reason = "cannot open shared object file";
            assert!(tried.iter().all(|attempt| attempt.reason.contains(reason)), "{tried:?}");
        }
        // A driver is not looked for again, and a failed search is repeated.
        assert_eq!(Driver::load(), loaded);
        if expected == Err("library_not_found") {
            assert_eq!(searched_for(), [searched, searched].concat());
        }
    });
}

macro_rules! cases {
    ($($test:ident: $libraries:expr, $searched:expr => $expected:expr;)*) => {
        $(
            #[test]
            fn $test() {
                let test = concat!("library_search::", stringify!($test));
                loads(test, &$libraries, &$searched, $expected);
            }
        )*
    };
}

cases! {
    the_drivers_name_is_the_first:
        [(NAME, Found::Driver), (OF_WSL, Found::Driver)], [NAME] => Ok(NAME);
    the_library_of_wsl_is_the_second:
        [(OF_WSL, Found::Driver), (OF_NIXOS, Found::Driver)], [NAME, OF_WSL] => Ok(OF_WSL);
    the_library_of_nixos_is_the_third:
        [(OF_NIXOS, Found::Driver)], [NAME, OF_WSL, OF_NIXOS] => Ok(OF_NIXOS);
    without_a_driver_every_name_is_reported:
        [], [NAME, OF_WSL, OF_NIXOS] => Err("library_not_found");
    a_file_that_does_not_open_leads_to_the_second:
        [(NAME, Found::NotALibrary), (OF_WSL, Found::Driver)], [NAME, OF_WSL] => Ok(OF_WSL);
    // The first library that opens ends the search, whatever it turns out to be.
    a_stub_ends_the_search:
        [(NAME, Found::Stub), (OF_WSL, Found::Driver)], [NAME] => Err("stub_library");
    a_library_that_is_no_driver_ends_the_search:
        [(NAME, Found::NotADriver), (OF_WSL, Found::Driver)], [NAME] => Err("not_a_driver");
}
