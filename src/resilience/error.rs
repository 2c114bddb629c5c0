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
    /// As many calls run and wait as may.
    #[error("Bulkhead is full: {running} calls are running, {waiting} are waiting")]
    BulkheadFull {
        /// Calls under way.
        running: u32,
        /// Calls in the queue.
        waiting: u32,
    },
}

impl Coded for ResilienceError {
    fn code(&self) -> Code {
        match self {
            Self::CircuitOpen { .. } => Code::CircuitOpen,
            Self::Timeout { .. } => Code::Timeout,
            Self::BulkheadFull { .. } => Code::QueueFull,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::BulkheadFull { .. })
    }
}
