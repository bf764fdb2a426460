//! The report is the guard's.
use cuda_primary_context::{PrimaryContextGuard, Report};

fn report(guard: PrimaryContextGuard) -> &'static Report {
    let report = guard.report();
    drop(guard); //~ E0505
    report //~ E0515
}

fn main() {}
