//! What a plan tells may be added to, and so may what became of the current context.
use cuda_primary_context::{CurrentContextChange, Planned};

fn is_kept(planned: &Planned) -> bool {
    match planned { //~ E0004
        Planned::Keep => true,
        Planned::LeaveAlone
        | Planned::AlreadyInactive
        | Planned::Release { .. }
        | Planned::LeaveActive
        | Planned::HeldHere { .. }
        | Planned::Failed(_) => false,
    }
}

fn is_unchanged(change: &CurrentContextChange) -> bool {
    match change { //~ E0004
        CurrentContextChange::Unchanged => true,
        CurrentContextChange::Switched { .. } | CurrentContextChange::NotRestored { .. } => false,
    }
}

fn main() {}
