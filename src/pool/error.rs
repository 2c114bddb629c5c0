//! What can go wrong, in words that are part of the contract. Never a connection string, never a parameter.

use crate::error::{Code, Coded, ErrorClass};
use crate::options::OptionError;

/// A failure of the pool or of its PostgreSQL half that no server reported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
    /// An option that cannot be used.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// A password that is not a string. It is a secret and not repeated.
    #[error("option \"password\" must be a string")]
    BadPassword,
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
    /// The statement was given up by its caller.
    #[error("Query was aborted")]
    QueryAborted,
    /// The statement took longer than its caller allowed.
    #[error("Query timed out")]
    QueryTimeout,
    /// As many callers wait as may.
    #[error("Connection pool has too many callers waiting")]
    TooManyWaiting,
    /// Something else is using the whole connection.
    #[error("the connection is busy with a stream or a copy: end it first, or use another connection")]
    Busy,
    /// A statement for a transaction that has ended.
    #[error("the transaction has ended")]
    TransactionOver,
    /// COMMIT of a transaction in which a statement failed, which the server turns into a rollback.
    #[error("the transaction was rolled back, because a statement in it failed")]
    RolledBack,
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
            Self::AcquireTimeout | Self::CreateTimeout | Self::QueryTimeout => Code::Timeout,
            Self::CreateFailed(_) | Self::NoConnection | Self::Tls(_) | Self::Connect(_) => Code::Connect,
            Self::Drained | Self::TransactionOver | Self::RolledBack => Code::Closed,
            Self::TooManyWaiting => Code::QueueFull,
            Self::Aborted | Self::QueryAborted => Code::Aborted,
            Self::ConnectionClosed | Self::ConnectionLost => Code::ConnectionLost,
            Self::Protocol(_) => Code::Internal,
            Self::Option(error) => error.code(),
            Self::NoQuery
            | Self::Busy
            | Self::BadPassword
            | Self::BadConnectionString(_)
            | Self::NoConnectionString
            | Self::BadFactory
            | Self::BadParameters
            | Self::BadText => Code::InvalidArgument,
        }
    }

    fn class(&self) -> ErrorClass {
        match (self, self.code()) {
            (Self::Option(error), _) => error.class(),
            (Self::Busy, _) => ErrorClass::Error,
            (_, Code::InvalidArgument) => ErrorClass::TypeError,
            _ => ErrorClass::Error,
        }
    }

    fn retryable(&self) -> bool {
        let again = matches!(self.code(), Code::Timeout | Code::Connect | Code::ConnectionLost | Code::QueueFull);
        again && *self != Self::QueryTimeout
    }
}
