//! Where `Driver::load` looks for the driver, in which order, and what ends the search.
//!
//! Each case runs in a process of its own, on a library path made for it, and with an auditing library
//! of the dynamic loader, which writes down what the loader is asked for. It also puts libraries in the
//! place of the absolute paths where the Windows Subsystem for Linux and NixOS have theirs. That the driver
//! of such a machine then works is not tested here; nor is `nvcuda.dll`.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::libraries::build;
use crate::support::processes::{self, in_prepared_process};
use crate::support::skips;
use cuda_primary_context::{Driver, Error, PrimaryContextGuard};
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
    /// `None`, in words, where there is no C compiler.
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

    /// What the loader was asked for so far, as far as it speaks of CUDA.
    fn searched(&self) -> Vec<String> {
        let names = fs::read_to_string(self.names()).unwrap_or_default();
        names.lines().map(str::to_owned).collect()
    }
}

#[test]
fn the_drivers_name_is_the_first() {
    let Some(search) = Search::new("library_search::the_drivers_name_is_the_first") else { return };
    let prepare = |_: &mut Command| {
        let [first, second] = search.path();
        // A toolkit's stub lies earlier on the path under the name that is for linking.
        let stub = write_library(&first, None, &[]).unwrap();
        fs::rename(stub, first.join("libcuda.so")).unwrap();
        write_library(&second, None, &[]).unwrap();
        write_library(search.of_wsl().parent().unwrap(), None, &[]).unwrap();
    };
    search.run(prepare, || {
        let driver = Driver::load().unwrap();
        assert_eq!((driver.path(), driver.device_count()), (Path::new(NAME), 2));
        assert_eq!(search.searched(), [NAME], "neither libcuda.so nor WSL's is asked for");
        let guard = PrimaryContextGuard::retain_only(driver.device(1).unwrap()).unwrap();
        guard.release().unwrap();
        assert_eq!(Driver::load(), Ok(driver));
    });
}

/// A library in this place alone is found, after these names were tried.
fn found(test: &'static str, place: fn(&Search) -> PathBuf, searched: &[&str]) {
    let Some(search) = Search::new(test) else { return };
    let prepare = |_: &mut Command| {
        write_library(place(&search).parent().unwrap(), None, &[]).unwrap();
    };
    search.run(prepare, || {
        let loaded = Driver::load();
        if search.searched() == [NAME] {
            return skips::skip("no-driver", search.test, "this machine has a libcuda.so.1");
        }
        let driver = loaded.unwrap();
        let path = Path::new(searched.last().unwrap());
        assert_eq!((driver.path(), driver.device_count()), (path, 2));
        assert_eq!(search.searched(), searched);
    });
}

#[test]
fn the_library_of_wsl_is_the_second() {
    let test = "library_search::the_library_of_wsl_is_the_second";
    found(test, Search::of_wsl, &[NAME, OF_WSL]);
}

#[test]
fn the_library_of_nixos_is_the_third() {
    let test = "library_search::the_library_of_nixos_is_the_third";
    found(test, Search::of_nixos, &[NAME, OF_WSL, OF_NIXOS]);
}

#[test]
fn without_a_driver_every_name_is_reported() {
    let Some(search) = Search::new("library_search::without_a_driver_every_name_is_reported")
    else {
        return;
    };
    let prepare = |_: &mut Command| {
        let [first, _] = search.path();
        let stub = write_library(&first, None, &[]).unwrap();
        fs::rename(stub, first.join("libcuda.so")).unwrap();
    };
    search.run(prepare, || {
        let loaded = Driver::load();
        if search.searched() == [NAME] {
            return skips::skip("no-driver", search.test, "this machine has a libcuda.so.1");
        }
        let error = loaded.unwrap_err();
        assert_eq!(search.searched(), [NAME, OF_WSL, OF_NIXOS]);
        let Error::LibraryNotFound { tried } = &error else { panic!("{error:?}") };
        let libraries: Vec<&Path> = tried.iter().map(|attempt| &*attempt.library).collect();
        assert_eq!(libraries, [NAME, OF_WSL, OF_NIXOS].map(Path::new));
        for attempt in tried {
            assert!(attempt.reason.contains("cannot open shared object file"), "{attempt:?}");
        }
        assert!(error.to_string().contains("comes with NVIDIA's driver"), "{error}");
        assert_eq!(Driver::load(), Err(error), "a failed load is tried anew");
        assert_eq!(search.searched(), [NAME, OF_WSL, OF_NIXOS, NAME, OF_WSL, OF_NIXOS]);
    });
}

/// A file that the loader refuses to open is as good as none.
#[test]
fn a_file_that_does_not_open_leads_to_the_second() {
    let test = "library_search::a_file_that_does_not_open_leads_to_the_second";
    let Some(search) = Search::new(test) else { return };
    let prepare = |_: &mut Command| {
        fs::write(search.path()[0].join(NAME), "no library").unwrap();
        write_library(search.of_wsl().parent().unwrap(), None, &[]).unwrap();
    };
    search.run(prepare, || {
        assert_eq!(Driver::load().unwrap().path(), Path::new(OF_WSL));
        assert_eq!(search.searched(), [NAME, OF_WSL]);
    });
}

/// The first library that opens is the one, whatever it turns out to be: WSL's would do here, were it
/// asked for.
fn ends_the_search(test: &'static str, kind: &str, prepare: impl FnOnce(&Search, &mut Command)) {
    let Some(search) = Search::new(test) else { return };
    let prepare = |command: &mut Command| {
        write_library(search.of_wsl().parent().unwrap(), None, &[]).unwrap();
        prepare(&search, command);
    };
    search.run(prepare, || {
        let error = Driver::load().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(search.searched(), [NAME]);
    });
}

#[test]
fn a_stub_ends_the_search() {
    ends_the_search("library_search::a_stub_ends_the_search", "stub_library", |search, command| {
        write_library(&search.path()[0], None, &[]).unwrap();
        command.env("SIMULATED_CUDA_STUB", "1");
    });
}

#[test]
fn a_library_that_is_no_driver_ends_the_search() {
    let test = "library_search::a_library_that_is_no_driver_ends_the_search";
    ends_the_search(test, "not_a_driver", |search, _| {
        fs::copy(search.audit(), search.path()[0].join(NAME)).unwrap();
    });
}
