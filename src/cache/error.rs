//! What can go wrong with a file.

use crate::error::{Code, Coded};
use std::io;

/// A file of the cache that could not be read or written. Says nothing about keys or values.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is no such file.
    #[error("ENOENT: no such file in the cache")]
    Missing,
    /// The file is torn, or no item.
    #[error("the cache file is damaged or no cache item")]
    Damaged,
    /// The content is encrypted with a key that is not known here.
    #[error("the cache file is encrypted with a key that is not known here")]
    Sealed,
    /// The value, or one of its tags, is too large for the remote tier.
    #[error("the value or one of its tags is too large to be stored")]
    TooLarge,
    /// The system refused.
    #[error("the cache file could not be read or written")]
    Io(#[source] io::Error),
}

impl From<io::Error> for CacheError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => CacheError::Missing,
            _ => CacheError::Io(error),
        }
    }
}

impl CacheError {
    /// The short reason for a warning.
    pub fn reason(&self) -> String {
        match self {
            CacheError::Io(error) => error.kind().to_string(),
            other => other.to_string(),
        }
    }
}

impl Coded for CacheError {
    fn code(&self) -> Code {
        match self {
            CacheError::Missing => Code::NotFound,
            CacheError::Damaged | CacheError::Sealed => Code::Damaged,
            CacheError::TooLarge => Code::InvalidArgument,
            CacheError::Io(_) => Code::Io,
        }
    }
}
