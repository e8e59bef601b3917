//! How a subcommand ends that has more to say than that it worked.

use std::process::ExitCode;

/// What a pipeline learns by the exit code.
#[derive(Debug)]
pub enum Exit {
    /// 0
    Fine,
    /// 1: something is wrong, and has been said.
    Refused,
    /// 2: it could not even begin.
    BadInput(anyhow::Error),
}

impl Exit {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Fine => ExitCode::SUCCESS,
            Self::Refused => ExitCode::from(1),
            Self::BadInput(_) => ExitCode::from(2),
        }
    }
}
