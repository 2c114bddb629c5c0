//! Why a request was not let through.

use crate::error::{Code, Coded, ErrorClass};

/// A refusal. The messages about `timeout` and `shutdown` are API.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LimitError {
    /// The tokens did not come in time.
    #[error("Rate limit queue timeout for {client}")]
    Timeout {
        /// The client, as text.
        client: String,
    },
    /// More than the bucket can ever hold; refused at once, in words that callers take for a timeout.
    #[error("Rate limit queue timeout for {client}: a cost of {cost} exceeds the limit of {limit}")]
    CostExceedsLimit {
        /// The client, as text.
        client: String,
        /// What was asked for.
        cost: f64,
        /// What the bucket holds at most.
        limit: f64,
    },
    /// `maxQueueLength` requests of the client are waiting already.
    #[error("Rate limit queue full for {client}")]
    QueueFull {
        /// The client, as text.
        client: String,
    },
    /// The client holds a reservation of shared tokens, and may have no second turn before that has come.
    #[error("Rate limit turn of {client} is reserved already, and no second one until it has come")]
    TurnTaken {
        /// The client, as text.
        client: String,
    },
    /// The caller's signal ended the wait.
    #[error("Rate limit wait aborted for {client}")]
    Aborted {
        /// The client, as text.
        client: String,
    },
    /// The limiter was shut down.
    #[error("Rate limiter shutdown")]
    Shutdown,
    /// The store is away, and the insurance lets nothing through.
    #[error("Rate limit store is away, {client} is refused")]
    StoreAway {
        /// The client, as text.
        client: String,
    },
    /// The cost, a limit or a rate is not a number.
    #[error("\"{name}\" must be a number")]
    NotANumber {
        /// The argument.
        name: &'static str,
    },
    /// The cost, a limit or a rate is negative or `NaN`.
    #[error("\"{name}\" must be a number that is not negative")]
    OutOfRange {
        /// The argument.
        name: &'static str,
    },
}

impl Coded for LimitError {
    fn code(&self) -> Code {
        match self {
            Self::Timeout { .. } => Code::Timeout,
            Self::CostExceedsLimit { .. } => Code::CostExceedsLimit,
            Self::QueueFull { .. } | Self::TurnTaken { .. } => Code::QueueFull,
            Self::Aborted { .. } => Code::Aborted,
            Self::StoreAway { .. } => Code::Connect,
            Self::Shutdown => Code::Closed,
            Self::NotANumber { .. } | Self::OutOfRange { .. } => Code::InvalidArgument,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::NotANumber { .. } => ErrorClass::TypeError,
            Self::OutOfRange { .. } => ErrorClass::RangeError,
            _ => ErrorClass::Error,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::QueueFull { .. } | Self::TurnTaken { .. } | Self::StoreAway { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_callers_match_are_fixed() {
        let client = || "10.0.0.1".to_string();
        assert_eq!(LimitError::Timeout { client: client() }.to_string(), "Rate limit queue timeout for 10.0.0.1");
        assert_eq!(LimitError::Shutdown.to_string(), "Rate limiter shutdown");
        let cost = LimitError::CostExceedsLimit { client: client(), cost: 11.0, limit: 10.0 };
        assert!(cost.to_string().starts_with("Rate limit queue timeout for 10.0.0.1"));
    }
}
