//! Where `cuda.h` may be.
//!
//! Pure functions over an environment and a file system that the caller hands in. The build script
//! includes this file by path, and so does the library under test, so that the search the build
//! makes is the search that the unit tests see.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A folder that must hold `cuda.h`: a demand, where everything else is a hint.
pub const DEMAND: &str = "CUDA_HEADER_DIR";

/// Environment variables that name a toolkit's root.
pub const TOOLKIT_ROOTS: [&str; 4] =
    ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"];

/// Environment variables that name the root of an active Python environment.
pub const PYTHON_ROOTS: [&str; 2] = ["VIRTUAL_ENV", "CONDA_PREFIX"];

/// Where toolkits and distributions install themselves.
const INSTALLED_ROOTS: [&str; 2] = ["/usr/local/cuda", "/opt/cuda"];

/// The files that the bindings are made from.
const HEADERS: [&str; 2] = ["cuda.h", "cudaTypedefs.h"];

/// What the search may ask of the machine.
pub struct Machine<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether there is a file at this path.
    pub is_file: &'a dyn Fn(&Path) -> bool,
    /// The entries of a folder, in any order; empty where there is none.
    pub entries: &'a dyn Fn(&Path) -> Vec<PathBuf>,
    /// The target's architecture, as Cargo spells it.
    pub architecture: &'a str,
}

/// The answer of [`search`].
#[derive(Debug, PartialEq, Eq)]
pub enum Search {
    /// This folder holds the headers.
    Found {
        /// The folder.
        folder: PathBuf,
        /// Whether [`DEMAND`] named it.
        demanded: bool,
    },
    /// No folder holds them, and none was demanded.
    Nowhere,
    /// [`DEMAND`] names a folder that lacks them: the message for the user.
    Unmet(String),
}

/// Looks for a folder with the headers: first where it was demanded, then where toolkits live.
pub fn search(machine: &Machine) -> Search {
    if let Some(folder) = set(machine, DEMAND) {
        return demanded(machine, folder);
    }
    candidates(machine)
        .into_iter()
        .find(|folder| missing(machine, folder).is_none())
        .map_or(Search::Nowhere, |folder| Search::Found { folder, demanded: false })
}

/// Every folder that is looked at without a demand, in order.
pub fn candidates(machine: &Machine) -> Vec<PathBuf> {
    let named = TOOLKIT_ROOTS.iter().filter_map(|variable| set(machine, variable));
    let installed = INSTALLED_ROOTS.iter().map(PathBuf::from);
    let mut folders: Vec<PathBuf> = named
        .chain(installed)
        .flat_map(|root| include_folders(&root, machine.architecture))
        .collect();
    folders.push(PathBuf::from("/usr/include"));
    for variable in PYTHON_ROOTS {
        if let Some(root) = set(machine, variable) {
            folders.extend(include_folders(&root, machine.architecture));
            folders.extend(wheel_folders(machine, &root));
        }
    }
    folders
}

/// The value of `#define CUDA_VERSION` in the text of a `cuda.h`: 1000 × major + 10 × minor.
pub fn header_version(text: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let defines = words.next() == Some("#define") && words.next() == Some("CUDA_VERSION");
        defines.then(|| words.next()?.parse().ok()).flatten()
    })
}

/// An environment variable that is set to something; an empty one counts as not set.
fn set(machine: &Machine, variable: &str) -> Option<PathBuf> {
    (machine.variable)(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn demanded(machine: &Machine, folder: PathBuf) -> Search {
    let Some(lacking) = missing(machine, &folder) else {
        return Search::Found { folder, demanded: true };
    };
    let mut message =
        format!("{DEMAND} is set to {}, and there is no {}.", folder.display(), lacking.display());
    match include_folders(&folder, machine.architecture)
        .into_iter()
        .find(|inner| missing(machine, inner).is_none())
    {
        Some(inner) => message += &format!(" There is one in {}: name that.", inner.display()),
        None => {
            message += &format!(
                " Name the folder that holds {}, or unset the variable: the build then looks for \
                 a toolkit by itself and has checked-in bindings where it finds none.",
                HEADERS.join(" and ")
            );
        }
    }
    Search::Unmet(message)
}

/// The first header that the folder lacks.
fn missing(machine: &Machine, folder: &Path) -> Option<PathBuf> {
    HEADERS.iter().map(|header| folder.join(header)).find(|path| !(machine.is_file)(path))
}

/// A toolkit's header folders: the usual one, and those of cross-development layouts.
fn include_folders(root: &Path, architecture: &str) -> Vec<PathBuf> {
    let targets: &[&str] = match architecture {
        "x86_64" => &["x86_64-linux"],
        // NVIDIA calls the server flavour of 64-bit Arm by its firmware standard.
        "aarch64" => &["sbsa-linux", "aarch64-linux"],
        _ => &[],
    };
    let mut folders = vec![root.join("include")];
    folders.extend(targets.iter().map(|target| root.join("targets").join(target).join("include")));
    folders
}

/// Where NVIDIA's Python wheels put their headers, newest Python first.
fn wheel_folders(machine: &Machine, root: &Path) -> Vec<PathBuf> {
    let mut pythons: Vec<(u32, PathBuf)> = (machine.entries)(&root.join("lib"))
        .into_iter()
        .filter_map(|path| {
            let minor = path.file_name()?.to_str()?.strip_prefix("python3.")?;
            Some((minor.parse().ok()?, path))
        })
        .collect();
    pythons.sort_by(|a, b| b.cmp(a));
    pythons
        .into_iter()
        .flat_map(|(_, python)| {
            let nvidia = python.join("site-packages/nvidia");
            [nvidia.join("cu13/include"), nvidia.join("cuda_runtime/include")]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these variables and these folders, each holding both headers.
    fn search_on(variables: &[(&str, &str)], folders: &[&str]) -> Search {
        on(variables, folders, &[], "x86_64", search)
    }

    fn on<T>(
        variables: &[(&str, &str)],
        folders: &[&str],
        extra_files: &[&str],
        architecture: &str,
        ask: impl Fn(&Machine) -> T,
    ) -> T {
        let files: Vec<PathBuf> = folders
            .iter()
            .flat_map(|folder| HEADERS.map(|header| Path::new(folder).join(header)))
            .chain(extra_files.iter().map(PathBuf::from))
            .collect();
        ask(&Machine {
            variable: &|name| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| OsString::from(value))
            },
            is_file: &|path| files.iter().any(|file| file == path),
            entries: &|folder| {
                let mut inside: Vec<PathBuf> = files
                    .iter()
                    .filter_map(|file| {
                        let rest = file.strip_prefix(folder).ok()?;
                        Some(folder.join(rest.components().next()?))
                    })
                    .collect();
                inside.dedup();
                inside
            },
            architecture,
        })
    }

    fn found(folder: &str, demanded: bool) -> Search {
        Search::Found { folder: folder.into(), demanded }
    }

    #[test]
    fn bare_machine_has_none() {
        assert_eq!(search_on(&[], &[]), Search::Nowhere);
    }

    #[test]
    fn demand_comes_before_every_hint() {
        let variables = [("CUDA_HEADER_DIR", "/h"), ("CUDA_HOME", "/t")];
        assert_eq!(search_on(&variables, &["/t/include", "/h"]), found("/h", true));
    }

    #[test]
    fn unmet_demand_is_no_reason_to_look_elsewhere() {
        let variables = [("CUDA_HEADER_DIR", "/h"), ("CUDA_HOME", "/t")];
        let Search::Unmet(message) = search_on(&variables, &["/t/include"]) else {
            panic!("the demand was not met");
        };
        assert!(message.contains("/h/cuda.h"), "{message}");
        assert!(message.contains("unset"), "{message}");
    }

    #[test]
    fn demand_for_a_toolkit_root_names_the_folder_inside() {
        let Search::Unmet(message) = search_on(&[("CUDA_HEADER_DIR", "/t")], &["/t/include"])
        else {
            panic!("the demand was not met");
        };
        assert!(message.contains("/t/include: name that"), "{message}");
    }

    #[test]
    fn demand_needs_both_headers() {
        let one = on(&[("CUDA_HEADER_DIR", "/h")], &[], &["/h/cuda.h"], "x86_64", search);
        let Search::Unmet(message) = one else {
            panic!("cudaTypedefs.h is not there");
        };
        assert!(message.contains("/h/cudaTypedefs.h"), "{message}");
    }

    #[test]
    fn empty_variables_count_as_not_set() {
        let variables = [("CUDA_HEADER_DIR", ""), ("CUDA_HOME", "")];
        assert_eq!(search_on(&variables, &[]), Search::Nowhere);
    }

    #[test]
    fn toolkit_variables_in_their_order() {
        let all: Vec<(&str, &str)> = TOOLKIT_ROOTS.iter().map(|name| (*name, *name)).collect();
        let folders: Vec<String> = TOOLKIT_ROOTS.map(|name| format!("{name}/include")).into();
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        for first in 0..TOOLKIT_ROOTS.len() {
            assert_eq!(search_on(&all[first..], &folders), found(folders[first], false));
        }
    }

    #[test]
    fn incomplete_toolkit_is_passed_over() {
        let answer = on(
            &[("CUDA_HOME", "/t")],
            &["/opt/cuda/include"],
            &["/t/include/cuda.h"],
            "x86_64",
            search,
        );
        assert_eq!(answer, found("/opt/cuda/include", false));
    }

    #[test]
    fn installed_toolkits_come_before_the_distribution() {
        let folders = ["/usr/include", "/opt/cuda/include", "/usr/local/cuda/include"];
        assert_eq!(search_on(&[], &folders), found("/usr/local/cuda/include", false));
        assert_eq!(search_on(&[], &folders[..2]), found("/opt/cuda/include", false));
        assert_eq!(search_on(&[], &folders[..1]), found("/usr/include", false));
    }

    #[test]
    fn cross_layouts_follow_the_architecture() {
        let folders = ["/t/targets/sbsa-linux/include", "/t/targets/x86_64-linux/include"];
        let variables = [("CUDA_PATH", "/t")];
        let for_target = |target| on(&variables, &folders, &[], target, search);
        assert_eq!(for_target("aarch64"), found(folders[0], false));
        assert_eq!(for_target("x86_64"), found(folders[1], false));
        assert_eq!(for_target("riscv64"), Search::Nowhere);
    }

    #[test]
    fn wheels_of_the_newest_python_win() {
        let folders = [
            "/v/lib/python3.9/site-packages/nvidia/cu13/include",
            "/v/lib/python3.12/site-packages/nvidia/cuda_runtime/include",
        ];
        assert_eq!(search_on(&[("VIRTUAL_ENV", "/v")], &folders), found(folders[1], false));
        assert_eq!(search_on(&[("VIRTUAL_ENV", "/v")], &folders[..1]), found(folders[0], false));
    }

    #[test]
    fn conda_keeps_headers_like_a_toolkit() {
        let folders = ["/c/targets/x86_64-linux/include"];
        assert_eq!(search_on(&[("CONDA_PREFIX", "/c")], &folders), found(folders[0], false));
    }

    #[test]
    fn version_is_read_from_the_define() {
        let text = "/* CUDA_VERSION 1 */\n#ifndef CUDA_VERSION\n#define CUDA_VERSION 12090\n";
        assert_eq!(header_version(text), Some(12090));
        assert_eq!(header_version("#  define OTHER 3\n"), None);
        assert_eq!(header_version("#define CUDA_VERSION soon"), None);
    }
}
