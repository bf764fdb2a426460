//! Which of a process's contexts is probably a stray. NVML gives sizes, not causes: this is a guess, and the
//! words say so.

use serde::Serialize;

/// A context without allocations takes 518 to 640 MiB on an H100 or H200 (CUDA 13). One that takes more than this
/// has something in it.
const EMPTY_CONTEXT: u64 = 700 << 20;

/// What the sizes say about one context of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The process has contexts on one GPU only.
    Alone,
    /// The process has contexts on several GPUs, and most of its memory is on this one.
    Main,
    /// About the size of an empty context, and all the rest is on one other GPU.
    ProbablyStray,
    /// The process has contexts on several GPUs, and the sizes do not show which it needs.
    Unclear,
}

impl Verdict {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Alone => "",
            Self::Main => "most of its memory",
            Self::ProbablyStray => "probably a stray",
            Self::Unclear => "on several GPUs",
        }
    }
}

/// Judges the contexts of one process by their bytes, one for each GPU, `None` if NVML does not know.
pub fn judge(contexts: &[Option<u64>]) -> Vec<Verdict> {
    if contexts.len() < 2 {
        return vec![Verdict::Alone; contexts.len()];
    }
    let large = |bytes: &Option<u64>| bytes.is_some_and(|bytes| bytes > EMPTY_CONTEXT);
    let all_are_known = contexts.iter().all(Option::is_some);
    if !all_are_known || contexts.iter().filter(|bytes| large(bytes)).count() != 1 {
        return vec![Verdict::Unclear; contexts.len()];
    }
    let verdict = |bytes| if large(bytes) { Verdict::Main } else { Verdict::ProbablyStray };
    contexts.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Alone, Main, ProbablyStray, Unclear};
    use super::{Verdict, judge};

    #[test]
    fn a_small_context_beside_one_large_one_is_probably_a_stray() {
        let table: [(&[i64], &[Verdict]); 9] = [
            (&[612, 81_000], &[ProbablyStray, Main]),
            (&[9_000, 518, 518], &[Main, ProbablyStray, ProbablyStray]),
            (&[518, 630], &[Unclear; 2]),
            (&[9_000, 8_000], &[Unclear; 2]),
            (&[9_000, 8_000, 518], &[Unclear; 3]),
            (&[9_000, -1], &[Unclear; 2]),
            (&[518], &[Alone]),
            (&[-1], &[Alone]),
            (&[], &[]),
        ];
        for (sizes, verdicts) in table {
            let bytes = |mib: &i64| u64::try_from(*mib).ok().map(|mib| mib << 20);
            assert_eq!(judge(&sizes.iter().map(bytes).collect::<Vec<_>>()), verdicts, "{sizes:?}");
        }
    }
}
