//! What `/proc` says about a process: NVML knows its id only.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::User;

use crate::arena;
use crate::arena::layout::LOCAL_RANKS;
use crate::processes::command_line;

/// Other launchers' variables for the rank of a process on its machine: HPE's and Ray Train's.
const MORE_RANKS: [&str; 2] = ["PALS_LOCAL_RANKID", "RAY_LOCAL_RANK"];

/// A process as its environment and its files show it. What could not be read is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Whether the process is in this pid namespace's `/proc`.
    pub is_visible: bool,
    pub user: Option<String>,
    /// Its command line, or the title that it set.
    pub command: Option<Vec<String>>,
    /// The variable that a launcher set, and its value.
    pub rank: Option<(&'static str, String)>,
    /// Whether its environment could be read, so that `rank` is known.
    pub environment_is_known: bool,
    /// `CUDA_VISIBLE_DEVICES` as the process was started with it.
    pub visible_devices: Option<String>,
    /// The memory of the trace that it was started under.
    pub arena: Option<String>,
    /// The id of its pid namespace if that is not this command's.
    pub pid_namespace: Option<u64>,
    /// The id of its container, shortened as container tools show it.
    pub container: Option<String>,
}

impl ProcessFacts {
    pub fn read(pid: u32) -> Self {
        let folder = Path::new("/proc").join(pid.to_string());
        let Ok(metadata) = fs::metadata(&folder) else { return Self::default() };
        let environment = fs::read(folder.join("environ")).ok();
        let variable = |name: &str| variable(environment.as_deref()?, name);
        let ranks = LOCAL_RANKS.into_iter().chain(MORE_RANKS);
        let rank = ranks.into_iter().find_map(|name| Some((name, variable(name)?)));
        let namespace = |folder: &Path| Some(fs::metadata(folder.join("ns/pid")).ok()?.ino());
        let own = namespace(Path::new("/proc/self"));
        Self {
            is_visible: true,
            user: Some(user_name(metadata.uid())),
            command: Some(command_line(pid)).filter(|words| !words.is_empty()),
            rank,
            environment_is_known: environment.is_some(),
            visible_devices: variable("CUDA_VISIBLE_DEVICES"),
            arena: variable(arena::VARIABLE),
            pid_namespace: namespace(&folder).filter(|&id| Some(id) != own),
            container: fs::read_to_string(folder.join("cgroup"))
                .ok()
                .and_then(|text| container(&text)),
        }
    }
}

fn variable(environment: &[u8], name: &str) -> Option<String> {
    let value = environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The first twelve hexadecimal digits of the 64 that container runtimes put into the control group's name.
fn container(cgroup: &str) -> Option<String> {
    cgroup
        .split(|letter: char| !letter.is_ascii_hexdigit())
        .find(|word| word.len() == 64)
        .map(|word| word[..12].to_owned())
}

fn user_name(uid: u32) -> String {
    let user = User::from_uid(uid.into()).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::{ProcessFacts, container, user_name, variable};

    #[test]
    fn this_process_is_read() {
        let facts = ProcessFacts::read(std::process::id());
        assert!(facts.is_visible && facts.environment_is_known);
        assert!(facts.command.unwrap()[0].contains("cuda_contexts"));
        assert_eq!(facts.pid_namespace, None);
        assert_eq!(ProcessFacts::read(u32::MAX), ProcessFacts::default());
        assert_eq!(facts.user, Some(user_name(nix::unistd::getuid().as_raw())));
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environment = b"XLOCAL_RANK=1\0LOCAL_RANK_=2\0LOCAL_RANK=3\0LOCAL_RANK=4\0";
        assert_eq!(variable(environment, "LOCAL_RANK").as_deref(), Some("3"));
        assert_eq!(variable(environment, "RANK"), None);
    }

    #[test]
    fn a_container_is_known_by_its_control_group() {
        let id = "0123456789ab".to_owned() + &"c".repeat(52);
        let shapes = [
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("12:cpu:/kubepods/besteffort/pod1-2/{id}\n0::/x\n"),
            format!("0::/kubepods.slice/cri-containerd-{id}.scope\n"),
        ];
        for text in shapes {
            assert_eq!(container(&text).as_deref(), Some("0123456789ab"), "{text}");
        }
        assert_eq!(container("0::/user.slice/user-1000.slice\n"), None);
    }
}
