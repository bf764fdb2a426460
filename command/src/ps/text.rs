//! The snapshot as people read it.

use std::fmt::Write;

use crate::ps::snapshot::{Context, Process, Snapshot};
use crate::ps::verdict::Verdict;
use crate::report::line::{counted, shown};

/// A command line that is longer is cut.
const LONGEST_COMMAND: usize = 60;

/// So is everything else that a process chose.
const LONGEST: usize = 300;

/// The whole page: a headline, a line for each process and GPU, what to do, and what could not be seen.
pub fn page(snapshot: &Snapshot) -> String {
    let mut text = headline(snapshot);
    if !snapshot.processes.is_empty() {
        text += &format!("\n{}", table(&lines(snapshot)));
    }
    if let Some(process) = snapshot.processes.iter().find(|process| process.contexts.len() > 1) {
        text += &format!("\n{}", advice(process));
    }
    for note in &snapshot.notes {
        let _ = writeln!(text, "\nNote: {note}");
    }
    text
}

fn headline(snapshot: &Snapshot) -> String {
    let several = snapshot.processes.iter().filter(|process| process.contexts.len() > 1).count();
    let host = shown(&snapshot.host, LONGEST);
    let processes = counted(snapshot.processes.len() as u64, "process", "processes");
    let gpus = counted(snapshot.gpu_count as u64, "GPU", "GPUs");
    if snapshot.processes.is_empty() {
        let chosen = if snapshot.is_chosen { "chosen " } else { "" };
        return format!("{host}: no {chosen}process holds a CUDA context on {gpus}.\n");
    }
    let holds = if snapshot.processes.len() == 1 { "holds" } else { "hold" };
    let strays = match snapshot.strays() {
        0 => String::new(),
        1 => ", 1 context is probably a stray".to_owned(),
        count => format!(", {count} contexts are probably strays"),
    };
    format!(
        "{host}: {processes} {holds} CUDA contexts on {gpus}; {several} on several GPUs{strays}.\n"
    )
}

/// A line for each process and GPU, without the heading. Equal snapshots give equal lines.
pub fn lines(snapshot: &Snapshot) -> Vec<[String; 7]> {
    let rows = snapshot
        .processes
        .iter()
        .flat_map(|process| process.contexts.iter().map(move |context| row(process, context)));
    rows.collect()
}

fn row(process: &Process, context: &Context) -> [String; 7] {
    let facts = &process.facts;
    let unknown = || "?".to_owned();
    let gpu = match context.mig_instance {
        Some(instance) => format!("{}/{instance}", context.gpu),
        None => context.gpu.to_string(),
    };
    let mut command = facts.command.as_ref().map_or_else(unknown, |words| words.join(" "));
    if let Some(container) = &facts.container {
        command = format!("[container {container}] {command}");
    } else if let Some(namespace) = facts.pid_namespace {
        command = format!("[pid namespace {namespace}] {command}");
    }
    let rank = match &facts.rank {
        Some((_, rank)) => shown(rank, LONGEST),
        None if facts.environment_is_known => "-".to_owned(),
        None => unknown(),
    };
    [
        gpu,
        process.pid.to_string(),
        facts.user.clone().map_or_else(unknown, |user| shown(&user, LONGEST)),
        rank,
        context.bytes.map_or_else(unknown, |bytes| (bytes >> 20).to_string()),
        context.verdict.words().to_owned(),
        shown(&command, LONGEST_COMMAND),
    ]
}

fn table(rows: &[[String; 7]]) -> String {
    let heading = ["GPU", "PID", "USER", "RANK", "MiB", "", "COMMAND"].map(str::to_owned);
    let rows = [&[heading][..], rows].concat();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            if width > 0 {
                let _ = match column {
                    0 | 1 | 3 | 4 => write!(line, "{cell:>width$}  "),
                    _ => write!(line, "{cell:width$}  "),
                };
            }
        }
        text += &format!("{}\n", line.trim_end());
    }
    text
}

/// What to do about the first process on several GPUs, with commands to paste.
fn advice(process: &Process) -> String {
    let words = process.facts.command.as_ref();
    // A command that is shown in part, or with escapes, cannot be pasted.
    let whole = words.filter(|words| words.iter().all(|word| shown(word, LONGEST) == *word));
    let command = match whole {
        Some(words) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        None => "COMMAND".to_owned(),
    };
    let stray = process.contexts.iter().any(|context| context.verdict == Verdict::ProbablyStray);
    let what =
        if stray { "which code creates the stray" } else { "which code creates each context" };
    format!(
        "What to do about process {pid}:\n  \
         To see {what}, start it under the trace:\n    \
         cuda-contexts trace --only one -- {command}\n  \
         If it needs one GPU only, show it no other:\n    \
         CUDA_VISIBLE_DEVICES={gpu} {command}\n  \
         If new threads use the wrong GPU, keep them on their creator's:\n    \
         cuda-contexts run -- {command}\n  \
         In the worker, after it has selected its device: PrimaryContextGuard::retain_only (Rust), \
         cuda_primary_context.retain_only (Python).\n",
        pid = process.pid,
        gpu = main_gpu(process),
    )
}

fn main_gpu(process: &Process) -> u32 {
    process.contexts.iter().max_by_key(|context| context.bytes).map_or(0, |context| context.gpu)
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./=:,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
