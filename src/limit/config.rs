//! What a limiter can be told, with its defaults and ranges.

use super::bucket::MOST;
use super::error::LimitError;
use crate::options::{self, OptionError, Options, Scalar};
use std::time::Duration;

/// The settings of a limiter.
#[derive(Debug, Clone, PartialEq)]
pub struct LimiterConfig {
    /// Tokens a new client's bucket holds, and is filled up to.
    pub rate_limit: f64,
    /// Tokens a second that a bucket gains.
    pub refill_rate: f64,
    /// How far apart the refills are.
    pub refill_interval: Duration,
    /// How long a request waits for tokens unless it says otherwise.
    pub max_wait: Duration,
    /// Whether requests without tokens wait in line; otherwise they are refused at once.
    pub fair_queueing: bool,
    /// Clients remembered at a time; beyond it the fullest bucket at hand is forgotten for a new one.
    pub max_clients: u64,
    /// Requests of one client that wait at a time.
    pub max_queue_length: u64,
    /// How long a client with a full bucket is remembered.
    pub idle: Duration,
    /// Whether a refused `acquire` resolves with `acquired: false` instead of rejecting.
    pub resolve_refused: bool,
    /// A limit that all clients share, on top of their own.
    pub global: Option<GlobalConfig>,
}

/// The settings of a limit that all clients share.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalConfig {
    /// Tokens its bucket holds.
    pub rate_limit: f64,
    /// Tokens a second that it gains.
    pub refill_rate: f64,
    /// How far apart its refills are.
    pub refill_interval: Duration,
    /// What a client of weight 1 may spend before it is the next one's turn.
    pub quantum: f64,
    /// Requests of all clients that wait at a time.
    pub max_queue_length: u64,
}

impl GlobalConfig {
    /// Reads and checks the raw options; limit and rate have no default.
    pub fn from_options(raw: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let read = || {
            let rate_limit = required(raw, "rateLimit", 1e-3)?;
            Ok(Self {
                rate_limit,
                refill_rate: required(raw, "refillRate", 1e-9)?,
                refill_interval: interval(raw, Duration::from_secs(1))?,
                quantum: options::number(raw, "quantum", 1.0, 1e-3, MOST)?,
                max_queue_length: options::count(raw, "maxQueueLength", 100_000, 1, 10_000_000)?,
            })
        };
        read().map_err(|error: OptionError| OptionError { option: format!("globalLimit.{}", error.option), ..error })
    }
}

fn required(raw: &(impl Options + ?Sized), name: &str, min: f64) -> Result<f64, OptionError> {
    match raw.get(name) {
        Scalar::Number(number) if number >= min => Ok(number.min(MOST)),
        value @ Scalar::Number(_) => Err(OptionError::out_of_range(name, format!("a number from {min}"), &value)),
        value => Err(OptionError::wrong_type(name, "a number", &value)),
    }
}

fn interval(raw: &(impl Options + ?Sized), default: Duration) -> Result<Duration, OptionError> {
    // A float's microsecond may round to no time at all.
    Ok(options::millis(raw, "refillInterval", default)?.max(Duration::from_micros(1)))
}

/// What a request's share of a shared limit weighs, and the class in which it waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Its share relative to others'.
    pub weight: f64,
    /// 0 is served first.
    pub class: u8,
}

impl Share {
    /// The class of a request that names none.
    pub const USUAL_CLASS: u8 = 5;

    /// Reads what a caller gave; `undefined` means the default, 1 and [`Share::USUAL_CLASS`].
    pub fn read(weight: &Scalar, priority: &Scalar) -> Result<Self, OptionError> {
        let weight = match *weight {
            Scalar::Missing => 1.0,
            Scalar::Number(number) if (1e-3..=1e3).contains(&number) => number,
            Scalar::Number(_) => {
                return Err(OptionError::out_of_range("weight", "a number from 0.001 to 1000", weight));
            }
            _ => return Err(OptionError::wrong_type("weight", "a number", weight)),
        };
        let class = match *priority {
            Scalar::Missing => Self::USUAL_CLASS,
            Scalar::Number(number) if (0.0..=9.0).contains(&number) && number.fract() == 0.0 => number as u8,
            Scalar::Number(_) => {
                return Err(OptionError::out_of_range("priority", "a whole number from 0 to 9", priority));
            }
            _ => return Err(OptionError::wrong_type("priority", "a whole number", priority)),
        };
        Ok(Self { weight, class })
    }
}

impl Default for LimiterConfig {
    fn default() -> Self {
        Self {
            rate_limit: 100.0,
            refill_rate: 10.0,
            refill_interval: Duration::from_secs(1),
            max_wait: Duration::from_secs(30),
            fair_queueing: true,
            max_clients: 1_000_000,
            max_queue_length: 10_000,
            idle: Duration::from_secs(300),
            resolve_refused: false,
            global: None,
        }
    }
}

impl LimiterConfig {
    /// Reads and checks the raw options.
    pub fn from_options(raw: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let default = Self::default();
        Ok(Self {
            rate_limit: finite(raw, "rateLimit", default.rate_limit, 1e-3)?,
            refill_rate: finite(raw, "refillRate", default.refill_rate, 1e-9)?,
            refill_interval: interval(raw, default.refill_interval)?,
            max_wait: options::millis(raw, "maxWaitTime", default.max_wait)?,
            fair_queueing: options::unless_false(raw, "fairQueueing"),
            max_clients: options::count(raw, "maxClients", default.max_clients, 1, 100_000_000)?,
            max_queue_length: options::count(raw, "maxQueueLength", default.max_queue_length, 1, 10_000_000)?,
            idle: options::millis(raw, "idleMs", default.idle)?,
            resolve_refused: raw.get("resolveRefused") == Scalar::Bool(true),
            global: None,
        })
    }
}

fn finite(raw: &(impl Options + ?Sized), name: &str, default: f64, min: f64) -> Result<f64, OptionError> {
    options::number(raw, name, default, min, f64::INFINITY).map(|value| value.min(MOST))
}

/// A limit or rate given to one client: not negative, `Infinity` is as much as there is; `None` for `undefined`.
pub fn own_setting(name: &'static str, value: &Scalar) -> Result<Option<f64>, LimitError> {
    match *value {
        Scalar::Missing => Ok(None),
        Scalar::Number(number) if number >= 0.0 => Ok(Some(number.min(MOST))),
        Scalar::Number(_) => Err(LimitError::OutOfRange { name }),
        _ => Err(LimitError::NotANumber { name }),
    }
}

/// Whether a cost can be charged at all: a number that is not negative.
pub fn is_cost(cost: f64) -> bool {
    // False for NaN, which stands for everything that is not a number.
    cost >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: Scalar) -> Result<LimiterConfig, OptionError> {
        LimiterConfig::from_options(&[(name, value)][..])
    }

    #[test]
    fn zero_means_the_default() {
        for name in ["rateLimit", "refillRate", "refillInterval", "maxWaitTime"] {
            assert_eq!(read(name, Scalar::Number(0.0)), Ok(LimiterConfig::default()), "{name}");
        }
    }

    #[test]
    fn only_false_switches_fair_queueing_off() {
        assert!(!read("fairQueueing", Scalar::Bool(false)).unwrap().fair_queueing);
        assert!(read("fairQueueing", Scalar::Null).unwrap().fair_queueing);
    }

    #[test]
    fn no_limit_is_as_much_as_there_is() {
        assert_eq!(read("rateLimit", Scalar::Number(f64::INFINITY)).unwrap().rate_limit, MOST);
        assert!(read("rateLimit", Scalar::Number(-1.0)).is_err());
        assert!(read("refillRate", Scalar::Text("10".into())).is_err());
    }
}
