//! The state of one device's primary context before a trial.

use super::truth::Primary;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Inactive,
    /// Somebody else holds one reference.
    Active,
    /// Live handles hold it, and on some devices somebody else as well.
    Held,
    /// Somebody else holds several references.
    Multiple,
    /// One or two green contexts hold it, and nobody else.
    Green,
    /// A green context holds it, and somebody else does.
    Shared,
    /// Somebody took a green context's reference, and it was destroyed since: active, and nobody
    /// holds a reference.
    Orphaned,
}

/// Those without a green context.
pub const PLAIN: [Condition; 4] =
    [Condition::Inactive, Condition::Active, Condition::Held, Condition::Multiple];

/// All of them.
pub const CONDITIONS: [Condition; 7] = [
    Condition::Inactive,
    Condition::Active,
    Condition::Held,
    Condition::Multiple,
    Condition::Green,
    Condition::Shared,
    Condition::Orphaned,
];

impl Condition {
    /// References of somebody else. Neighbours differ, so that one cannot be taken for another.
    pub fn foreign(self, ordinal: u32) -> u32 {
        match self {
            Self::Inactive | Self::Green | Self::Orphaned => 0,
            Self::Active => 1,
            Self::Held => ordinal % 2,
            Self::Multiple => 2 + ordinal % 2,
            Self::Shared => 1 + ordinal % 2,
        }
    }

    /// Live handles of this crate.
    pub fn handles(self, ordinal: u32) -> u32 {
        match self {
            Self::Held => 1 + ordinal % 2,
            _ => 0,
        }
    }

    /// Living green contexts.
    pub fn greens(self, ordinal: u32) -> u32 {
        match self {
            Self::Green => 1 + ordinal % 2,
            Self::Shared => 1,
            _ => 0,
        }
    }

    /// All references.
    pub fn references(self, ordinal: u32) -> u32 {
        self.foreign(ordinal) + self.handles(ordinal) + self.greens(ordinal)
    }

    pub fn active(self) -> bool {
        self != Self::Inactive
    }

    pub fn primary(self, ordinal: u32) -> Primary {
        Primary {
            references: self.references(ordinal),
            greens: self.greens(ordinal),
            active: self.active(),
        }
    }
}
