//! An error of the core, or of the boundary itself, as the data of a JavaScript `Error`.

use crate::error::{Code, Coded, ErrorClass};

/// An error on its way to JavaScript.
#[derive(Debug, Clone)]
pub struct Failure {
    pub(super) class: ErrorClass,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) cause: Option<String>,
    pub(super) retryable: bool,
}

impl Failure {
    /// A failure that no room has an error type for: a misuse of the boundary or a defect.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Error, Code::Internal.as_str(), message)
    }

    /// An argument of the wrong type.
    pub fn wrong_type(position: usize, expected: &str) -> Self {
        let message = format!("argument {} must be {expected}", position + 1);
        Self::new(ErrorClass::TypeError, Code::InvalidArgument.as_str(), message)
    }

    /// A failure whose code comes from elsewhere, such as an SQLSTATE.
    pub fn new(class: ErrorClass, code: &'static str, message: impl Into<String>) -> Self {
        Self { class, code, message: message.into(), cause: None, retryable: false }
    }
}

impl<E: Coded> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            cause: error.source().map(ToString::to_string),
            retryable: error.retryable(),
            ..Self::new(error.class(), error.code().as_str(), error.to_string())
        }
    }
}
