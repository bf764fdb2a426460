//! Processes and threads of the traced program, looked up in `/proc`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The id that a process has in this command's namespace. A container's processes have other ids in
/// their own one.
pub fn host_pid(pid: u32, pid_namespace: u64) -> Option<u32> {
    let own = fs::metadata("/proc/self/ns/pid").ok()?.ino();
    if pid_namespace == own || pid_namespace == 0 {
        return Some(pid);
    }
    let entries = fs::read_dir("/proc").ok()?;
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut ids = ids.filter(|id: &u32| {
        let namespace = fs::metadata(format!("/proc/{id}/ns/pid"));
        namespace.is_ok_and(|namespace| namespace.ino() == pid_namespace)
    });
    ids.find(|id| inner_id(&format!("/proc/{id}/status"), "NSpid:") == Some(pid))
}

/// The name of a living thread. `pid` is of this command's namespace, `tid` of the process's own.
pub fn thread_name(pid: u32, tid: u32) -> Option<String> {
    let folder = format!("/proc/{pid}/task");
    let direct = format!("{folder}/{tid}");
    let task = if inner_id(&format!("{direct}/status"), "NSpid:") == Some(tid) {
        direct
    } else if inner_id(&format!("/proc/{pid}/status"), "NSpid:") == Some(pid) {
        return None; // a thread of this namespace that has ended
    } else {
        let mut entries = fs::read_dir(&folder).ok()?.filter_map(Result::ok);
        let is_it = |path: &String| inner_id(&format!("{path}/status"), "NSpid:") == Some(tid);
        entries.find_map(|entry| Some(entry.path().to_str()?.to_owned()).filter(is_it))?
    };
    let name = fs::read(format!("{task}/comm")).ok()?;
    Some(String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
}

/// The id in the innermost namespace, which comes last.
fn inner_id(status: &str, field: &str) -> Option<u32> {
    status_field(Path::new(status), field)?.pop()
}

/// The numbers of a field of a `status` file.
pub fn status_field(status: &Path, field: &str) -> Option<Vec<u32>> {
    let text = fs::read(status).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::host_pid;

    #[test]
    fn this_process_has_the_id_that_it_sees() {
        let namespace = fs::metadata("/proc/self/ns/pid").unwrap().ino();
        assert_eq!(host_pid(std::process::id(), namespace), Some(std::process::id()));
        assert_eq!(host_pid(std::process::id(), namespace ^ 1), None);
    }
}
