//! Errors may be added; what a variant holds does not change.
use cuda_primary_context::Error;

fn is_forked(error: &Error) -> bool {
    match error { //~ E0004
        Error::Driver { call: _, device: _, code: _ } => false,
        Error::ForkedAfterInit { initialised_in } => initialised_in.is_some(),
        Error::LibraryNotFound { .. }
        | Error::NotADriver { .. }
        | Error::DriverTooOld { .. }
        | Error::FunctionMissing { .. }
        | Error::StubLibrary { .. }
        | Error::NoDevice { .. }
        | Error::NoSuchDevice { .. }
        | Error::UnknownDevice { .. }
        | Error::NotCurrent { .. }
        | Error::OtherDriver { .. } => false,
    }
}

fn made_elsewhere() -> Error {
    Error::NotCurrent { device: 0 }
}

fn main() {}
