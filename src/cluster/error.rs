//! What can go wrong with the engine, in words without an address, a key or a value.

use crate::error::{Code, Coded, ErrorClass};
use crate::options::OptionError;
use crate::runtime::NotStarted;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::sync::Arc;

/// A call to the engine that did not do what it was made for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    /// The address could not be understood. It may hold a password and is not repeated.
    #[error("option \"url\" is not an address of Valkey or Redis: {0}")]
    BadUrl(&'static str),
    /// The authorities' certificates could not be used.
    #[error("option \"{0}\" holds no certificate of an authority that could be read")]
    BadAuthority(&'static str),
    /// An option that cannot be used.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// No connection could be made; the kind of reason follows.
    #[error("Valkey could not be reached: {0}")]
    Connect(&'static str),
    /// The server refused the credentials.
    #[error("Valkey refused the credentials")]
    Credentials,
    /// The answer did not come in time.
    #[error("Valkey did not answer in time")]
    Timeout,
    /// The connection was lost while the call was under way: it may have been carried out or not.
    #[error("the connection to Valkey was lost")]
    Lost,
    /// Nothing was sent, because the engine is known to be away.
    #[error("Valkey is away")]
    Away,
    /// The server answered with an error; its code word follows.
    #[error("Valkey refused the command: {0}")]
    Refused(String),
    /// The server answered with something of another type than expected.
    #[error("Valkey answered with something unexpected")]
    Unexpected,
    /// The thread of the sockets is not there.
    #[error("the thread of the sockets did not start")]
    NotStarted(#[source] Arc<NotStarted>),
}

impl From<NotStarted> for ClusterError {
    fn from(error: NotStarted) -> Self {
        Self::NotStarted(Arc::new(error))
    }
}

/// Answers of a server that is there, but cannot serve now: as good as away.
const CANNOT_SERVE: &[ServerErrorKind] = &[
    ServerErrorKind::BusyLoading,
    ServerErrorKind::ClusterDown,
    ServerErrorKind::MasterDown,
    ServerErrorKind::ReadOnly,
    ServerErrorKind::TryAgain,
];

impl ClusterError {
    /// Whether the server does not know a script by its digest.
    pub fn is_unknown_script(&self) -> bool {
        matches!(self, Self::Refused(code) if code == "NOSCRIPT")
    }

    /// Whether it says something about the server's health, not about the call.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout | Self::Lost)
    }
}

impl From<RedisError> for ClusterError {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Credentials,
            ErrorKind::Server(kind) if CANNOT_SERVE.contains(&kind) => Self::Connect("it does not serve now"),
            ErrorKind::Server(_) | ErrorKind::Extension => match error.code() {
                Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Self::Credentials,
                code => Self::Refused(code.unwrap_or("ERR").to_owned()),
            },
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => Self::Unexpected,
            ErrorKind::InvalidClientConfig => Self::BadUrl("it cannot be used"),
            ErrorKind::MasterNameNotFoundBySentinel => Self::Connect("the sentinels know no such master"),
            ErrorKind::ClusterConnectionNotFound => Self::Connect("no node of the cluster answers"),
            ErrorKind::RESP3NotSupported => Self::Connect("it does not speak RESP3 (Valkey, or Redis from 6 on, does)"),
            _ if error.is_connection_refusal() => Self::Connect("connection refused"),
            _ => Self::Lost,
        }
    }
}

impl Coded for ClusterError {
    fn code(&self) -> Code {
        match self {
            Self::BadUrl(_) | Self::BadAuthority(_) => Code::InvalidArgument,
            Self::Option(error) => error.code(),
            Self::Connect(_) | Self::Credentials => Code::Connect,
            Self::NotStarted(error) => error.code(),
            Self::Timeout => Code::Timeout,
            Self::Lost => Code::ConnectionLost,
            Self::Away => Code::CircuitOpen,
            Self::Refused(_) | Self::Unexpected => Code::Refused,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::BadUrl(_) | Self::BadAuthority(_) => ErrorClass::TypeError,
            Self::Option(error) => error.class(),
            _ => ErrorClass::Error,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout | Self::Lost | Self::Away)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_quotes_arguments_leaves_only_its_code_word() {
        let reply = RedisError::from((ErrorKind::Extension, "WRONGTYPE", "near 'secret'".to_owned()));
        assert!(!ClusterError::from(reply).to_string().contains("secret"));
    }

    #[test]
    fn a_server_that_loads_its_data_is_away() {
        let reply = RedisError::from((ErrorKind::Server(ServerErrorKind::BusyLoading), "LOADING"));
        assert!(ClusterError::from(reply).is_outage());
    }
}
