//! Outcomes may be added.
use cuda_primary_context::Outcome;

fn is_released(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Released { .. } => true,
        Outcome::Kept
        | Outcome::AlreadyInactive
        | Outcome::StillActive { .. }
        | Outcome::HeldHere { .. }
        | Outcome::Failed(_) => false,
    }
}

fn main() {}
