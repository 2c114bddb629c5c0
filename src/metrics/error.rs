//! What can be wrong with a metric of an app.

use crate::error::{Code, Coded, ErrorClass};
use crate::options::OptionError;

/// Why a metric was not made or not written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricsError {
    /// An option is wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The name is in use for a metric of another type, with other labels or other buckets.
    #[error("a metric \"{name}\" exists already, with another {difference}")]
    Taken {
        /// The metric's name.
        name: String,
        /// What differs.
        difference: &'static str,
    },
    /// As many metrics as there may be.
    #[error("there are {most} metrics already")]
    TooMany {
        /// The bound.
        most: usize,
    },
    /// A counter can only grow.
    #[error("the counter \"{name}\" can only grow, by a finite number: got {value}")]
    NotGrowing {
        /// The metric's name.
        name: String,
        /// What was to be added.
        value: f64,
    },
    /// A value is `NaN`.
    #[error("the value for \"{name}\" must be a number, got NaN")]
    NotANumber {
        /// The metric's name.
        name: String,
    },
}

impl Coded for MetricsError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Option(error) => error.class,
            Self::Taken { .. } => ErrorClass::Error,
            Self::NotANumber { .. } => ErrorClass::TypeError,
            Self::TooMany { .. } | Self::NotGrowing { .. } => ErrorClass::RangeError,
        }
    }
}
