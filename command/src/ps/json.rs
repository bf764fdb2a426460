//! The snapshot as JSON lines. README.md documents them.

use serde_json::{Value, json};

use crate::ps::snapshot::{Context, Process, Snapshot};
use crate::ps::traced;

/// It grows when a field changes its meaning or is removed.
const FORMAT: u32 = 1;

pub fn lines(snapshot: &Snapshot) -> String {
    let (traces, unread) = traced::read(&snapshot.processes);
    let notes = [&snapshot.notes[..], &unread].concat();
    let mut lines = vec![json!({
        "event": "ps",
        "format": FORMAT,
        "host": snapshot.host,
        "gpus": snapshot.gpu_count,
        "strays": snapshot.strays(),
        "complete": snapshot.is_complete,
        "notes": notes,
    })];
    for process in &snapshot.processes {
        let contexts = process.contexts.iter();
        lines.extend(contexts.map(|context| line(&snapshot.host, process, context)));
    }
    for trace in traces {
        lines.extend(trace.lines(&snapshot.host, &snapshot.processes));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// It has the host's name, so that the lines of many machines can be merged.
fn line(host: &str, process: &Process, context: &Context) -> Value {
    let facts = &process.facts;
    json!({
        "event": "context",
        "host": host,
        "gpu": context.gpu,
        "uuid": context.uuid,
        "mig_instance": context.mig_instance,
        "pid": process.pid,
        "user": facts.user,
        "command": facts.command,
        "rank": facts.rank.as_ref().map(|(_, value)| value),
        "rank_variable": facts.rank.as_ref().map(|(name, _)| name),
        "visible_devices": facts.visible_devices,
        "container": facts.container,
        "pid_namespace": facts.pid_namespace,
        "bytes": context.bytes,
        "verdict": context.verdict,
    })
}
