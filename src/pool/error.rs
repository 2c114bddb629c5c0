//! What can go wrong, in words that are part of the contract. Never a connection string, never a parameter.

use crate::error::{Code, Coded, ErrorClass};

/// A failure of the pool or of its PostgreSQL half that no server reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The wait for a connection was longer than it was allowed to be.
    #[error("Connection acquisition timeout")]
    AcquireTimeout,
    /// The connection could not be made; the reason follows.
    #[error("Failed to create connection: {0}")]
    CreateFailed(String),
    /// Making the connection took too long.
    #[error("Connection creation timeout")]
    CreateTimeout,
    /// The hook or factory came back with nothing.
    #[error("createConnection returned no connection")]
    NoConnection,
    /// The pool was drained while the caller waited.
    #[error("Connection pool was drained")]
    Drained,
    /// The caller gave the wait up.
    #[error("Connection acquisition was aborted")]
    Aborted,
    /// `query` on a pool whose connections cannot query.
    #[error("the pool's connections have no query method")]
    NoQuery,
    /// The connection string could not be understood. It is a secret and not repeated.
    #[error("option \"connectionString\" is not a PostgreSQL connection string: {0}")]
    BadConnectionString(&'static str),
    /// `postgres: true` without an address.
    #[error("option \"postgres\" needs connectionString or the environment variable DATABASE_URL")]
    NoConnectionString,
    /// A factory without `create`.
    #[error("option \"factory\" must be an object with a create function, and functions for test and close if given")]
    BadFactory,
    /// The connection was closed before the statement was sent.
    #[error("Connection is closed")]
    ConnectionClosed,
    /// The connection broke while the statement was under way.
    #[error("Connection terminated unexpectedly")]
    ConnectionLost,
    /// TLS could not be set up.
    #[error("TLS could not be set up: {0}")]
    Tls(String),
    /// The server could not be reached.
    #[error("{0}")]
    Connect(String),
    /// A parameter that is not a value.
    #[error("query parameters must be an array")]
    BadParameters,
    /// A statement that is not a string.
    #[error("query text must be a non-empty string")]
    BadText,
    /// The server sent what the client does not understand.
    #[error("{0}")]
    Protocol(String),
}

impl Coded for PoolError {
    fn code(&self) -> Code {
        match self {
            Self::AcquireTimeout | Self::CreateTimeout => Code::Timeout,
            Self::CreateFailed(_) | Self::NoConnection | Self::Tls(_) | Self::Connect(_) => Code::Connect,
            Self::Drained => Code::Closed,
            Self::Aborted => Code::Aborted,
            Self::ConnectionClosed | Self::ConnectionLost => Code::ConnectionLost,
            Self::Protocol(_) => Code::Internal,
            Self::NoQuery
            | Self::BadConnectionString(_)
            | Self::NoConnectionString
            | Self::BadFactory
            | Self::BadParameters
            | Self::BadText => Code::InvalidArgument,
        }
    }

    fn class(&self) -> ErrorClass {
        match self.code() {
            Code::InvalidArgument => ErrorClass::TypeError,
            _ => ErrorClass::Error,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self.code(), Code::Timeout | Code::Connect | Code::ConnectionLost)
    }
}
