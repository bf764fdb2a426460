//! Which processes hold contexts at one moment.

use std::collections::BTreeMap;

use cuda_primary_context::checkpoint::nvml::{self, GpuProcess, GpuProcesses, NvmlError};

use crate::only::DeviceName;
use crate::ps::options::Options;
use crate::ps::process::ProcessFacts;
use crate::ps::verdict::{Verdict, judge};
use crate::report::counted;

/// Everything that was seen, and what was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub host: String,
    pub gpu_count: usize,
    /// Those with contexts on several GPUs first, then by process id.
    pub processes: Vec<Process>,
    /// What could not be seen, a sentence each.
    pub notes: Vec<String>,
    /// Whether nothing is missing that may be a stray: a GPU, a size, or what the user chose.
    pub is_complete: bool,
    /// Whether the user chose GPUs or processes.
    pub is_chosen: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id in the namespace of the driver.
    pub pid: u32,
    pub facts: ProcessFacts,
    pub contexts: Vec<Context>,
}

/// What a process has on one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The GPU's number in `nvidia-smi`.
    pub gpu: u32,
    pub uuid: Option<String>,
    /// `None`: NVML does not know.
    pub bytes: Option<u64>,
    /// If the GPU is divided.
    pub mig_instance: Option<u32>,
    pub verdict: Verdict,
}

impl Snapshot {
    /// Reads NVML and `/proc`. It fails if NVML cannot be used at all.
    pub fn take(options: &Options) -> Result<Self, NvmlError> {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let host = host.map_or_else(|_| "localhost".to_owned(), |name| name.trim_end().to_owned());
        Ok(Self::of(host, &nvml::processes()?, options, ProcessFacts::read))
    }

    /// What NVML listed, with the facts of each process.
    pub(super) fn of(
        host: String,
        gpus: &[GpuProcesses],
        options: &Options,
        facts: impl Fn(u32) -> ProcessFacts,
    ) -> Self {
        let mut notes = Vec::new();
        let mut contexts: BTreeMap<u32, BTreeMap<_, Context>> = BTreeMap::new();
        for GpuProcesses { index, uuid, processes } in gpus {
            if let Err(error) = processes {
                notes.push(format!("GPU {index} could not be read: {error}."));
            }
            for &GpuProcess { pid, bytes, mig_instance } in processes.iter().flatten() {
                // NVML lists a process once for each instance of a divided GPU. Some versions list it twice.
                let same = contexts.entry(pid).or_default().entry((*index, mig_instance));
                let context = same.or_insert_with(|| Context {
                    gpu: *index,
                    uuid: uuid.map(|uuid| uuid.to_string()),
                    bytes,
                    mig_instance,
                    verdict: Verdict::Alone,
                });
                context.bytes = context.bytes.max(bytes);
            }
        }
        let failed_gpus = !notes.is_empty();
        // The sizes are judged before the choice, which would hide the other GPUs of a process.
        let all = contexts.into_iter().map(|(pid, contexts)| {
            let mut contexts: Vec<Context> = contexts.into_values().collect();
            let sizes: Vec<_> = contexts.iter().map(|context| context.bytes).collect();
            for (context, verdict) in contexts.iter_mut().zip(judge(&sizes)) {
                context.verdict = verdict;
            }
            Process { pid, facts: facts(pid), contexts }
        });
        let mut processes: Vec<Process> = all.collect();
        let unmatched = unmatched(gpus, &processes, options, &facts);
        processes.retain(|process| is_chosen(process, options));
        processes.sort_by_key(|process| (process.contexts.len() < 2, process.pid));
        let unknown_size = processes.iter().any(|process| {
            process.contexts.len() > 1
                && process.contexts.iter().any(|context| context.bytes.is_none())
        });
        notes.extend(limits(&processes));
        let is_complete = !failed_gpus && !unknown_size && unmatched.is_empty();
        notes.extend(unmatched);
        let is_chosen = !options.gpus.is_empty() || !options.pids.is_empty();
        Self { host, gpu_count: gpus.len(), processes, notes, is_complete, is_chosen }
    }

    /// How many contexts are probably strays.
    pub fn strays(&self) -> usize {
        let contexts = self.processes.iter().flat_map(|process| &process.contexts);
        contexts.filter(|context| context.verdict == Verdict::ProbablyStray).count()
    }
}

fn is_chosen(process: &Process, options: &Options) -> bool {
    let pid = options.pids.is_empty() || options.pids.contains(&process.pid);
    let on_gpu = |context: &Context| {
        options.gpus.iter().any(|choice| choice.is(context.gpu, context.uuid.as_deref()))
    };
    pid && (options.gpus.is_empty() || process.contexts.iter().any(on_gpu))
}

/// Chosen GPUs and processes that do not exist. `listed`: all processes with contexts.
fn unmatched(
    gpus: &[GpuProcesses],
    listed: &[Process],
    options: &Options,
    facts: impl Fn(u32) -> ProcessFacts,
) -> Vec<String> {
    let exists = |choice: &DeviceName| {
        gpus.iter()
            .any(|gpu| choice.is(gpu.index, gpu.uuid.map(|uuid| uuid.to_string()).as_deref()))
    };
    let missing_gpus = options.gpus.iter().filter(|choice| !exists(choice));
    let mut notes: Vec<String> =
        missing_gpus.map(|choice| format!("No GPU matches --gpu {choice}.")).collect();
    // A process without a context is found in /proc, unless the driver gives ids of another namespace.
    let same_ids = listed.iter().all(|process| process.facts.is_visible);
    let is_listed = |pid| listed.iter().any(|process| process.pid == pid);
    let runs = |pid: u32| is_listed(pid) || (same_ids && facts(pid).is_visible);
    let missing = options.pids.iter().filter(|pid| !runs(**pid));
    notes.extend(missing.map(|pid| format!("No process matches --pid {pid}.")));
    notes
}

/// What these processes do not show.
fn limits(processes: &[Process]) -> Vec<String> {
    type Test = fn(&Process) -> bool;
    let tests: [(Test, &str); 4] = [
        (
            |process| !process.facts.is_visible,
            "not found in /proc: the driver gives process ids of the host. Run this on the host, or in a \
             container with the host's pid namespace.",
        ),
        (
            |process| process.facts.is_visible && !process.facts.environment_is_known,
            "of another user: no rank is known. Run this as root to see it.",
        ),
        (
            |process| process.contexts.iter().any(|context| context.bytes.is_none()),
            "without a size: NVML does not know it here (WSL and some vGPUs).",
        ),
        (
            |process| process.contexts.iter().any(|context| context.mig_instance.is_some()),
            "on a MIG instance: a size is that of its instance.",
        ),
    ];
    let notes = tests.into_iter().filter_map(|(test, what)| {
        let count = processes.iter().filter(|process| test(process)).count() as u64;
        (count > 0).then(|| format!("{} {what}", counted(count, "process", "processes")))
    });
    notes.collect()
}
