//! The states of a process, as the driver returns them.

use std::fmt;

use crate::sys::CUprocessState;

/// The state of a process. An unknown state of the driver keeps its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The process runs (0).
    Running,
    /// Its CUDA calls wait (1).
    Locked,
    /// Its GPU memory is in host memory, and its devices are free (2).
    Checkpointed,
    /// A step failed; the driver takes no further step (3).
    Failed,
    /// The process is being checkpointed (4, driver of CUDA 13.4).
    Checkpointing,
    /// The process is being restored (5, driver of CUDA 13.4).
    Restoring,
    /// A number that this crate does not know.
    Unknown(u32),
}

impl State {
    /// The state in `snake_case`, for logs and JSON.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Locked => "locked",
            Self::Checkpointed => "checkpointed",
            Self::Failed => "failed",
            Self::Checkpointing => "checkpointing",
            Self::Restoring => "restoring",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl From<CUprocessState> for State {
    fn from(state: CUprocessState) -> Self {
        match state.0 {
            0 => Self::Running,
            1 => Self::Locked,
            2 => Self::Checkpointed,
            3 => Self::Failed,
            4 => Self::Checkpointing,
            5 => Self::Restoring,
            number => Self::Unknown(number),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(formatter, "unknown ({number})"),
            state => formatter.write_str(state.kind()),
        }
    }
}

#[test]
fn states_are_the_headers_and_others_keep_their_number() {
    let locked = State::from(CUprocessState::CU_PROCESS_STATE_LOCKED);
    let checkpointed = State::from(CUprocessState::CU_PROCESS_STATE_CHECKPOINTED);
    let failed = State::from(CUprocessState::CU_PROCESS_STATE_FAILED);
    assert_eq!([locked, checkpointed, failed], [State::Locked, State::Checkpointed, State::Failed]);
    assert_eq!(State::from(CUprocessState(77)).to_string(), "unknown (77)");
}
