//! Outcomes in values that a test can make: those of the crate that carry an error only it can.

use cuda_primary_context::{CurrentContextChange, Error, Outcome};

/// As [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Kept,
    LeftAlone,
    AlreadyInactive,
    Released { releases: u32 },
    StillActive { releases: u32 },
    HeldHere { handles: u32 },
    HeldByGreenContext { releases: u32 },
    Failed { error: Error, releases: u32, active: Option<bool> },
}

impl From<&Outcome> for What {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Kept => Self::Kept,
            Outcome::LeftAlone => Self::LeftAlone,
            Outcome::AlreadyInactive => Self::AlreadyInactive,
            &Outcome::Released { releases } => Self::Released { releases },
            &Outcome::StillActive { releases } => Self::StillActive { releases },
            &Outcome::HeldHere { handles } => Self::HeldHere { handles },
            &Outcome::HeldByGreenContext { releases } => Self::HeldByGreenContext { releases },
            Outcome::Failed { error, releases, active, .. } => {
                Self::Failed { error: error.clone(), releases: *releases, active: *active }
            }
            other => panic!("an outcome that no test knows: {other:?}"),
        }
    }
}

impl What {
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed { error, .. } => Some(error),
            _ => None,
        }
    }

    /// How many references it says were released.
    pub fn releases(&self) -> u32 {
        match *self {
            Self::Released { releases }
            | Self::StillActive { releases }
            | Self::HeldByGreenContext { releases }
            | Self::Failed { releases, .. } => releases,
            Self::Kept | Self::LeftAlone | Self::AlreadyInactive | Self::HeldHere { .. } => 0,
        }
    }

    /// Whether it says that the context is active.
    pub fn active(&self) -> Option<bool> {
        match *self {
            Self::Kept => Some(true),
            Self::LeftAlone => None,
            Self::AlreadyInactive | Self::Released { .. } => Some(false),
            Self::StillActive { .. } | Self::HeldHere { .. } | Self::HeldByGreenContext { .. } => {
                Some(true)
            }
            Self::Failed { active, .. } => active,
        }
    }
}

/// As [`CurrentContextChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Unchanged,
    Switched { from: u32 },
    NotRestored { from: u32, error: Error },
}

impl From<&CurrentContextChange> for Change {
    fn from(change: &CurrentContextChange) -> Self {
        match change {
            CurrentContextChange::Unchanged => Self::Unchanged,
            CurrentContextChange::Switched { from, .. } => Self::Switched { from: from.ordinal() },
            CurrentContextChange::NotRestored { from, error, .. } => {
                Self::NotRestored { from: from.ordinal(), error: error.clone() }
            }
            other => panic!("a change that no test knows: {other:?}"),
        }
    }
}

impl Change {
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::NotRestored { error, .. } => Some(error),
            _ => None,
        }
    }
}
