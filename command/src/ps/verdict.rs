//! Which of a process's contexts is probably a stray. NVML gives sizes, not causes: this is a guess, and the
//! words say so.

/// A context without allocations takes 518 to 640 MiB on an H100 or H200 (CUDA 13). One that takes more than this
/// has something in it.
pub const EMPTY_CONTEXT: u64 = 700 << 20;

/// What the sizes say about one context of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// As JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Main => "main",
            Self::ProbablyStray => "probably_stray",
            Self::Unclear => "unclear",
        }
    }

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
    use super::judge;

    fn mib(sizes: &[u64]) -> Vec<Option<u64>> {
        sizes.iter().map(|size| Some(size << 20)).collect()
    }

    #[test]
    fn a_small_context_beside_one_large_one_is_probably_a_stray() {
        assert_eq!(judge(&mib(&[612, 81_000])), [ProbablyStray, Main]);
        assert_eq!(judge(&mib(&[9_000, 518, 518])), [Main, ProbablyStray, ProbablyStray]);
    }

    #[test]
    fn what_the_sizes_do_not_show_is_unclear() {
        for sizes in [&[518, 630][..], &[9_000, 8_000], &[9_000, 8_000, 518]] {
            assert!(judge(&mib(sizes)).iter().all(|&verdict| verdict == Unclear), "{sizes:?}");
        }
        assert_eq!(judge(&[Some(9_000 << 20), None]), [Unclear, Unclear]);
    }

    #[test]
    fn one_gpu_is_no_question() {
        assert_eq!(judge(&mib(&[518])), [Alone]);
        assert_eq!(judge(&[None]), [Alone]);
        assert_eq!(judge(&[]), []);
    }
}
