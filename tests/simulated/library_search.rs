//! Where `Driver::load` looks for the driver, in which order, and what ends the search.
//!
//! Each case runs in a process of its own, on a library path made for it, and with an auditing library
//! of the dynamic loader, which writes down what the loader searches for. It also puts libraries instead
//! of those at the absolute paths of the Windows Subsystem for Linux and NixOS. That the driver
//! of such a machine then works is not tested here; nor is `nvcuda.dll`.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::libraries::build;
use crate::support::processes::{self, in_prepared_process};
use crate::support::skips;
use cuda_primary_context::{Driver, Error};
use simulated_libcuda::write_library;

const NAME: &str = "libcuda.so.1";
const OF_WSL: &str = "/usr/lib/wsl/lib/libcuda.so.1";
const OF_NIXOS: &str = "/run/opengl-driver/lib/libcuda.so.1";

/// A folder of one test's: libraries, a library path, and the list of what was searched for.
struct Search {
    test: &'static str,
    folder: PathBuf,
    compiler: PathBuf,
}

impl Search {
    /// `None` if there is no C compiler.
    fn new(test: &'static str) -> Option<Self> {
        let compiler = skips::compiler(test)?;
        Some(Self { test, folder: processes::folder(test), compiler })
    }

    fn names(&self) -> PathBuf {
        self.folder.join("names")
    }

    /// The auditing library.
    fn audit(&self) -> PathBuf {
        self.folder.join("libsearched.so")
    }

    /// Where `prepare` may put the library of WSL.
    fn of_wsl(&self) -> PathBuf {
        self.folder.join("wsl").join(NAME)
    }

    /// Where `prepare` may put the library of NixOS.
    fn of_nixos(&self) -> PathBuf {
        self.folder.join("nixos").join(NAME)
    }

    /// Folders that `prepare` may fill; they are the library path, in this order.
    fn path(&self) -> [PathBuf; 2] {
        ["first", "second"].map(|name| self.folder.join(name))
    }

    /// Runs `body` in a process that was prepared so.
    fn run(&self, prepare: impl FnOnce(&mut Command), body: impl FnOnce()) {
        let make = |command: &mut Command| {
            for folder in self.path() {
                fs::create_dir_all(folder).unwrap();
            }
            for library in [self.of_wsl(), self.of_nixos()] {
                fs::create_dir_all(library.parent().unwrap()).unwrap();
            }
            let audit = self.audit();
            build(&self.compiler, "searched.c", &audit, []);
            let path = std::env::join_paths(self.path()).unwrap();
            command.env("LD_AUDIT", audit).env("LD_LIBRARY_PATH", path);
            command.env("SEARCHED_NAMES", self.names()).env("SEARCHED_WSL", self.of_wsl());
            command.env("SEARCHED_NIXOS", self.of_nixos());
            command.env("SIMULATED_CUDA_DEVICES", "2").env_remove("CUDA_VISIBLE_DEVICES");
            prepare(command);
        };
        in_prepared_process(self.test, make, body);
    }

    /// The names of CUDA libraries that the loader has searched for so far.
    fn searched(&self) -> Vec<String> {
        let names = fs::read_to_string(self.names()).unwrap_or_default();
        names.lines().map(str::to_owned).collect()
    }
}

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

/// Loads with these libraries in the folder of each name. The toolkit's stub always lies first on the library
/// path, under the name that is for linking.
fn loads(test: &'static str, libraries: &[(&str, Found)], searched: &[&str], expected: Expected) {
    let Some(search) = Search::new(test) else { return };
    let prepare = |command: &mut Command| {
        let [first, second] = search.path();
        let stub = write_library(&first, None, &[]).unwrap();
        fs::rename(stub, first.join("libcuda.so")).unwrap();
        for (name, found) in libraries {
            let folder = match *name {
                OF_WSL => search.of_wsl().parent().unwrap().to_owned(),
                OF_NIXOS => search.of_nixos().parent().unwrap().to_owned(),
                _ => second.clone(),
            };
            match found {
                Found::Driver => drop(write_library(&folder, None, &[]).unwrap()),
                Found::Stub => {
                    write_library(&folder, None, &[]).unwrap();
                    command.env("SIMULATED_CUDA_FAULT", "any:1:34:refused:from_then_on");
                }
                Found::NotALibrary => fs::write(folder.join(NAME), "no library").unwrap(),
                Found::NotADriver => drop(fs::copy(search.audit(), folder.join(NAME)).unwrap()),
            }
        }
    };
    search.run(prepare, || {
        let loaded = Driver::load();
        // Where the case puts nothing under the driver's name, the loader may find the machine's own.
        let is_not_named = libraries.iter().all(|(name, _)| *name != NAME);
        let is_found = !matches!(loaded, Err(Error::LibraryNotFound { .. }));
        if is_not_named && is_found && search.searched() == [NAME] {
            return skips::skip("no-driver", search.test, "this machine has a libcuda.so.1");
        }
        assert_eq!(search.searched(), searched);
        let found = loaded.as_ref().map(|driver| driver.path().to_str().unwrap());
        assert_eq!(found.map_err(|error| error.kind()), expected);
        if let Err(Error::LibraryNotFound { tried }) = &loaded {
            assert!(
                tried.iter().map(|attempt| &*attempt.library).eq(searched.iter().map(Path::new))
            );
            let reason = "cannot open shared object file";
            assert!(tried.iter().all(|attempt| attempt.reason.contains(reason)), "{tried:?}");
        }
        // A driver is not looked for again, and a failed search is repeated.
        assert_eq!(Driver::load(), loaded);
        if expected == Err("library_not_found") {
            assert_eq!(search.searched(), [searched, searched].concat());
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
