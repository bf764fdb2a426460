//! Outcomes may be added, and so may what is told of one.
use cuda_primary_context::Outcome;

fn is_released(outcome: &Outcome) -> bool {
    match outcome { //~ E0004
        Outcome::Released { .. } => true,
        Outcome::Kept { .. }
        | Outcome::AlreadyInactive
        | Outcome::StillActive { .. }
        | Outcome::HeldHere { .. }
        | Outcome::HeldByGreenContext { .. }
        | Outcome::Failed { .. } => false,
    }
}

fn is_active(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Failed { error: _, releases: _, active } => *active, //~ E0638
        _ => None,
    }
}

fn main() {}
