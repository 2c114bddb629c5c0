//! Errors of the server and of the wire, with the fields that `pg` gives them.

use super::error::PoolError;
use crate::error::Coded;
use serde_json::{Map, Value};
use std::error::Error as _;
use std::io::ErrorKind;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition};

/// What JavaScript makes an `Error` of.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// SQLSTATE, an `E…` code of the operating system, or one of this package's.
    pub code: String,
    /// The connection is of no further use.
    pub lost: bool,
    /// Trying again may help.
    pub retryable: bool,
    /// The server never saw the statement.
    pub unsent: bool,
    fields: Map<String, Value>,
}

impl Failure {
    fn new(message: &str, code: &str) -> Self {
        let mut fields = Map::new();
        fields.insert("message".into(), message.into());
        fields.insert("code".into(), code.into());
        Self { code: code.into(), lost: false, retryable: false, unsent: false, fields }
    }

    /// As `pg` would describe it: message, code, severity, detail, hint, position and so on, in JSON.
    pub fn description(&self) -> String {
        let mut fields = self.fields.clone();
        for (name, is) in [("lost", self.lost), ("retryable", self.retryable), ("unsent", self.unsent)] {
            if is {
                fields.insert(name.into(), true.into());
            }
        }
        Value::Object(fields).to_string()
    }

    /// The server's words for a wrong number of parameters, known before it is asked.
    pub fn parameter_count(given: usize, expected: usize) -> Self {
        let message =
            format!("bind message supplies {given} parameters, but prepared statement \"\" requires {expected}");
        let mut failure = Self::new(&message, "08P01");
        failure.fields.insert("severity".into(), "ERROR".into());
        failure
    }

    /// The prepared statement is gone, or a table's columns changed under it.
    pub fn is_outdated_statement(&self) -> bool {
        self.code == "26000" || self.code == "0A000" && self.message().contains("cached plan must not change")
    }

    /// The server's words for a statement whose columns are not those it was looked at for.
    pub fn outdated_statement() -> Self {
        Self::new("cached plan must not change result type", "0A000")
    }

    /// The text holds more than one statement.
    pub fn is_several_statements(&self) -> bool {
        self.code == "42601" && self.message().contains("multiple commands")
    }

    /// The server broke the statement off because a client asked for it, not because of a limit.
    pub fn is_cancelled(&self) -> bool {
        self.code == "57014" && self.message() == "canceling statement due to user request"
    }

    /// No other server of the same address would answer differently: wrong credentials, or no such database.
    pub fn is_final_refusal(&self) -> bool {
        self.code.starts_with("28") || self.code.starts_with("3D")
    }

    fn message(&self) -> &str {
        self.fields.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    /// Marks the connection as broken.
    pub fn on_lost_connection(mut self) -> Self {
        self.lost = true;
        self
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        let unsent = error == PoolError::ConnectionClosed;
        Self { retryable: error.retryable(), unsent, ..Self::new(&error.to_string(), error.code().as_str()) }
    }
}

impl From<&DbError> for Failure {
    fn from(error: &DbError) -> Self {
        let mut failure = Self::new(error.message(), error.code().code());
        let (position, internal) = match error.position() {
            Some(ErrorPosition::Original(position)) => (Some(position.to_string()), None),
            Some(ErrorPosition::Internal { position, query }) => (None, Some((position.to_string(), query.clone()))),
            None => (None, None),
        };
        let (internal_position, internal_query) = internal.unzip();
        for (name, value) in [
            ("severity", Some(error.severity().to_owned())),
            ("detail", error.detail().map(Into::into)),
            ("hint", error.hint().map(Into::into)),
            ("position", position),
            ("internalPosition", internal_position),
            ("internalQuery", internal_query),
            ("where", error.where_().map(Into::into)),
            ("schema", error.schema().map(Into::into)),
            ("table", error.table().map(Into::into)),
            ("column", error.column().map(Into::into)),
            ("dataType", error.datatype().map(Into::into)),
            ("constraint", error.constraint().map(Into::into)),
            ("file", error.file().map(Into::into)),
            ("line", error.line().map(|line| line.to_string())),
            ("routine", error.routine().map(Into::into)),
        ] {
            if let Some(value) = value {
                failure.fields.insert(name.into(), Value::String(value));
            }
        }
        // Fatal errors end the session. Of those, wrong credentials and names (classes 28, 3D, 42) stay wrong.
        failure.lost = matches!(error.severity(), "FATAL" | "PANIC");
        failure.retryable = ["53", "57P", "08", "40"].iter().any(|class| failure.code.starts_with(class));
        failure
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        if let Some(server) = error.as_db_error() {
            return server.into();
        }
        if let Some(io) = error.source().and_then(|source| source.downcast_ref::<std::io::Error>()) {
            let code = match io.kind() {
                ErrorKind::ConnectionRefused => "ECONNREFUSED",
                ErrorKind::TimedOut => "ETIMEDOUT",
                ErrorKind::ConnectionReset => "ECONNRESET",
                ErrorKind::BrokenPipe => "EPIPE",
                ErrorKind::HostUnreachable => "EHOSTUNREACH",
                ErrorKind::NetworkUnreachable => "ENETUNREACH",
                ErrorKind::NotFound => "ENOENT",
                _ => PoolError::Connect(String::new()).code().as_str(),
            };
            return Self { lost: true, retryable: true, ..Self::new(&io.to_string(), code) };
        }
        let text = error.to_string();
        if text.starts_with("error performing TLS handshake") {
            let why = error.source().map_or(text, ToString::to_string);
            return Self { lost: true, ..PoolError::Tls(why).into() };
        }
        if error.is_closed() {
            return Self::from(PoolError::ConnectionLost).on_lost_connection();
        }
        PoolError::Protocol(text).into()
    }
}
