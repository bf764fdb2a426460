//! Errors may be added, and so may what one tells; only the driver's own is complete.
use cuda_primary_context::Error;

fn is_forked(error: &Error) -> bool {
    match error {
        Error::Driver { call: _, device: _, code: _ } => false,
        Error::ForkedAfterInit { initialised_in } => initialised_in.is_some(), //~ E0638
        _ => false,
    }
}

fn made_elsewhere() -> Error {
    Error::NotCurrent { device: 0 } //~ E0639
}

fn main() {}
