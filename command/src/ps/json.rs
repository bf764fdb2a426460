//! The snapshot as JSON lines. README.md documents them; [`FORMAT`] is raised when a field changes its meaning or
//! goes.

use serde::Serialize;

use crate::ps::snapshot::Snapshot;
use crate::ps::traced;

/// The version of the format.
pub const FORMAT: u32 = 1;

/// The first line of a snapshot.
#[derive(Serialize)]
struct Head<'a> {
    event: &'static str,
    format: u32,
    host: &'a str,
    gpus: usize,
    strays: usize,
    complete: bool,
    notes: &'a [String],
}

/// A line for each process and GPU. It has the host's name, so that the lines of many machines can be merged.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    host: &'a str,
    gpu: u32,
    uuid: Option<&'a str>,
    mig_instance: Option<u32>,
    pid: u32,
    user: Option<&'a str>,
    command: Option<&'a [String]>,
    rank: Option<&'a str>,
    rank_variable: Option<&'a str>,
    visible_devices: Option<&'a str>,
    container: Option<&'a str>,
    pid_namespace: Option<u64>,
    bytes: Option<u64>,
    verdict: &'static str,
}

/// All lines of a snapshot.
///
/// # Errors
/// Those of `serde_json`; there are none for these types.
pub fn lines(snapshot: &Snapshot) -> serde_json::Result<String> {
    let (traces, unread) = traced::read(&snapshot.processes);
    let head = Head {
        event: "ps",
        format: FORMAT,
        host: &snapshot.host,
        gpus: snapshot.gpu_count,
        strays: snapshot.strays(),
        complete: snapshot.is_complete,
        notes: &[&snapshot.notes[..], &unread].concat(),
    };
    let mut text = serde_json::to_string(&head)? + "\n";
    for process in &snapshot.processes {
        let facts = &process.facts;
        for context in &process.contexts {
            let line = Line {
                event: "context",
                host: &snapshot.host,
                gpu: context.gpu,
                uuid: context.uuid.as_deref(),
                mig_instance: context.mig_instance,
                pid: process.pid,
                user: facts.user.as_deref(),
                command: facts.command.as_deref(),
                rank: facts.rank.as_ref().map(|(_, value)| value.as_str()),
                rank_variable: facts.rank.as_ref().map(|(name, _)| *name),
                visible_devices: facts.visible_devices.as_deref(),
                container: facts.container.as_deref(),
                pid_namespace: facts.pid_namespace,
                bytes: context.bytes,
                verdict: context.verdict.name(),
            };
            text += &(serde_json::to_string(&line)? + "\n");
        }
    }
    for trace in traces {
        let lines = trace.lines(&snapshot.host, &snapshot.processes);
        text.extend(lines.into_iter().map(|line| format!("{line}\n")));
    }
    Ok(text)
}
