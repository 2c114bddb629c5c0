//! A router's settings, and what callers are told of it.

use super::outlier::OutlierConfig;
use crate::error::{Code, Coded};
use crate::options::{OptionError, Options, Scalar, count, number};

/// How a router chooses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RouterConfig {
    /// Latencies kept for each target. Default 1000.
    pub max_history: usize,
    /// Milliseconds in which a target that is new or back gets a growing share. Default 0: the whole at once.
    pub slow_start: f64,
    /// Share of available targets below which all are asked, 0 to 1. Default 0: never.
    pub panic_threshold: f64,
    /// Share of the own zone's targets that have to be available for requests to stay in it. Default 0.5.
    pub zone_threshold: f64,
    /// How many times the mean load a target may have with `consistent-hash`. Default 1.25.
    pub hash_bound: f64,
    /// Ejection of targets that fail too often. Default: none.
    pub outlier: Option<OutlierConfig>,
    /// Whether each target has a breaker. Default: yes; no option says otherwise.
    pub breakers: bool,
}

impl RouterConfig {
    /// Reads the options; `outlier` is what stands under that name, where something does.
    pub fn from_options<O: Options + ?Sized>(options: &O, outlier: Option<&O>) -> Result<Self, OptionError> {
        Ok(Self {
            max_history: count(options, "maxHistorySize", 1000, 1, 1_000_000)? as usize,
            slow_start: number(options, "slowStartMs", 0.0, 0.0, f64::INFINITY)?,
            panic_threshold: number(options, "panicThreshold", 0.0, 0.0, 1.0)?,
            zone_threshold: match options.get("zoneThreshold") {
                Scalar::Number(0.0) => 0.0,
                _ => number(options, "zoneThreshold", 0.5, 0.0, 1.0)?,
            },
            hash_bound: number(options, "hashBound", 1.25, 1.0, f64::INFINITY)?,
            outlier: outlier.map(OutlierConfig::from_options).transpose()?,
            breakers: true,
        })
    }
}

/// A target's weight: a positive number as it is, anything else 1.
pub fn weight_of(weight: &Scalar) -> f64 {
    match weight {
        Scalar::Number(weight) if *weight > 0.0 && weight.is_finite() => *weight,
        _ => 1.0,
    }
}

/// A target's port: a whole number, or its text.
pub fn check_port(port: &Scalar) -> Result<(), OptionError> {
    let number = match port {
        Scalar::Number(number) => *number,
        Scalar::Text(text) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    };
    if (0.0..=65_535.0).contains(&number) && number.fract() == 0.0 {
        return Ok(());
    }
    Err(OptionError::out_of_range("port", "a whole number from 0 to 65535", port))
}

/// Nobody can be asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("No healthy targets available for service '{service}'")]
pub struct NoTarget {
    /// Whose targets were looked for.
    pub service: String,
}

impl Coded for NoTarget {
    fn code(&self) -> Code {
        Code::NoTarget
    }

    fn retryable(&self) -> bool {
        true
    }
}
