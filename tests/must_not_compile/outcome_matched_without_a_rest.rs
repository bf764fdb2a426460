//! Outcomes may be added; what a variant holds does not change.
use cuda_primary_context::Outcome;

fn is_released(outcome: &Outcome) -> bool {
    match outcome { //~ E0004
        Outcome::Released { releases } => *releases > 0,
        Outcome::Kept
        | Outcome::LeftAlone
        | Outcome::AlreadyInactive
        | Outcome::StillActive { .. }
        | Outcome::HeldHere { .. }
        | Outcome::HeldByGreenContext { .. }
        | Outcome::Failed { error: _, releases: _, active: _ } => false,
    }
}

fn main() {}
