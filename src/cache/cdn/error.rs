//! Why a purge was given up.

use crate::error::{Code, Coded};

/// A purge that will not be tried again. Says nothing of tags, addresses or tokens.
#[derive(Debug, thiserror::Error)]
pub enum CdnError {
    /// There was no answer, as often as it was tried.
    #[error("the CDN did not answer a purge")]
    NoAnswer,
    /// The provider has no way to do this.
    #[error("provider \"nginx\" cannot be told to empty itself")]
    Unsupported,
    /// The provider refused.
    #[error("the CDN refused a purge with status {0}")]
    Refused(u16),
}

impl CdnError {
    /// What an HTTP status says; 0 is no answer and 501 of our own making.
    pub fn of_status(status: u16) -> Self {
        match status {
            0 => Self::NoAnswer,
            501 => Self::Unsupported,
            status => Self::Refused(status),
        }
    }
}

impl Coded for CdnError {
    fn code(&self) -> Code {
        match self {
            Self::NoAnswer => Code::Connect,
            Self::Unsupported | Self::Refused(_) => Code::Refused,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::NoAnswer)
    }
}
