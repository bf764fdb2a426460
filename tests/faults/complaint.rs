//! What a verdict can find fault with.

use std::fmt;

/// What was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing panics.
    NoPanic,
    /// The calls and the answer are those of the design, given what the driver answered.
    AsDesigned,
    /// An error if and only if a call failed, naming that call, its device and its code.
    EveryFailureIsTold,
    /// The report has every call that was made for a device, with its code.
    EveryCallIsTold,
    /// A failure on one device keeps nothing from the next.
    NoneIsHidden,
    /// The references of each device, and the handles, are what the calls leave.
    Balance,
    /// No reference is given back twice, and no more than the policy allows.
    ReleasedOnce,
    /// Kept and held devices are not touched, and nothing is created elsewhere.
    LeftAlone,
    /// A green context gets a reference that was taken from it back, once and at once.
    Undone,
    /// The thread's stack of contexts is what the answer says, and never dead by our hand.
    Thread,
    /// What is told is the truth, and was asked for.
    Truth,
    /// Without the fault, the same operation succeeds.
    SucceedsAfterwards,
}

/// A rule that was broken, and how.
#[derive(Debug, Clone)]
pub struct Complaint {
    pub rule: Rule,
    pub text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.rule, self.text)
    }
}

/// The complaints of one trial.
#[derive(Debug, Default)]
pub struct Complaints(Vec<Complaint>);

impl Complaints {
    /// Complains of the rule unless it holds. The text is made for a complaint only.
    pub fn unless(&mut self, holds: bool, rule: Rule, text: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Complaint { rule, text: text() });
        }
    }

    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    pub fn name(&self, rule: Rule) -> bool {
        self.0.iter().any(|complaint| complaint.rule == rule)
    }

    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|complaint| writeln!(formatter, "  {complaint}"))
    }
}
