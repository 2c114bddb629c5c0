//! What a caller sees when a call was refused or cut off.

use crate::error::{Code, Coded};

/// A refusal or a cut-off. The first two messages are API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResilienceError {
    /// The circuit is open: the function was not called.
    #[error("Circuit breaker '{breaker}' is OPEN ({call})")]
    CircuitOpen {
        /// The breaker's name.
        breaker: String,
        /// The name of the call.
        call: String,
    },
    /// The function took too long.
    #[error("Timeout after {after}ms")]
    Timeout {
        /// How long it was waited for, as the caller wrote it.
        after: String,
    },
}

impl Coded for ResilienceError {
    fn code(&self) -> Code {
        match self {
            Self::CircuitOpen { .. } => Code::CircuitOpen,
            Self::Timeout { .. } => Code::Timeout,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }
}
