//! A sweep written against the raw functions of the driver, honest or with one flaw, for the harness
//! to be tried on.

mod device;
mod raw;
mod sweeper;
mod thread;

#[allow(unused_imports, reason = "each test binary uses its part")]
pub use sweeper::Flawed;

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
    /// Reports no retain but that of the kept device.
    OmitsTheRetainThatUndoes,
    /// Reports no call that is about the thread.
    OmitsCallsForTheThread,
    ReleasesHeldDevices,
    ReleasesKeptDevices,
    /// Retains a device before it releases it.
    RetainsElsewhere,
    LeavesTheThreadDangling,
    SwitchesSilently,
    NeverRestores,
    /// Takes every context for dead whose device's primary context is.
    TakesOrdinaryForDead,
    /// Makes the former context current again, dead or alive.
    GivesTheDeadBack,
    StopsAtTheFirstFailure,
    /// Goes by what a failing call left in its outputs.
    ReadsOutputs,
    PanicsAtUnknownCodes,
    RemembersFailures,
    /// Leaves a green context without the reference that was taken.
    NeverUndoes,
    UndoesTwice,
    /// Undoes once it is done with the next device.
    UndoesLate,
    /// Takes 201 for a device without a context.
    BelievesRefusals,
    /// Says what was so before a release that failed.
    AsksNoState,
    /// Tells a failed device's releases as none.
    ForgetsReleases,
    /// Tells a release that failed as one that was made.
    CountsFailures,
    /// Says of a device kept by the policy that it is retained.
    ConfusesKept,
}
