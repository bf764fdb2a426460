//! What can be wrong with a `retain_only`, for the harness to be tried on.

/// One flaw, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// Owns the kept context only once all others are done, and gives up at the first failure.
    LeaksOnFailure,
    NeverReleases,
    /// Releases again where a release fails.
    ReleasesTwice,
    ReleasesItsOwnTwice,
    /// Takes a device whose state cannot be read for an inactive one.
    Swallows,
    SwallowsInDrop,
    LiesAboutTheCall,
    LiesAboutTheDevice,
    LiesAboutTheCode,
    OmitsTheFailingCall,
    ReleasesHeldDevices,
    ReleasesKeptDevices,
    /// Retains a device before it releases it.
    RetainsElsewhere,
    LeavesTheThreadDangling,
    SwitchesSilently,
    NeverRestores,
    StopsAtTheFirstFailure,
    /// Goes by what a failing call left in its outputs.
    ReadsOutputs,
    PanicsAtUnknownCodes,
    RemembersFailures,
}
