//! The settings of this room: the only home of their defaults and ranges.

use super::window::Span;
use crate::options::{OptionError, Options, Scalar, number};

const UNLIMITED: f64 = f64::INFINITY;

/// How a circuit breaker decides.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerConfig {
    /// Consecutive failures that open the circuit. Default 5.
    pub failure_threshold: f64,
    /// Successful probes that close it. Default 2.
    pub success_threshold: f64,
    /// Milliseconds from the last failure to the first probe. Default 30 000.
    pub reset_timeout: f64,
    /// What the wait is multiplied with for each probe that failed in a row. Default 1.
    pub reset_timeout_factor: f64,
    /// The longest such wait in milliseconds. Default 300 000; never less than `reset_timeout`.
    pub max_reset_timeout: f64,
    /// How many probes may be under way at once. Default 1.
    pub half_open_probes: u32,
    /// Rates over the latest calls, beside the consecutive failures. Default: none.
    pub rates: Option<RateConfig>,
}

/// When the latest calls open the circuit by their rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateConfig {
    /// Which calls are looked at. Default: the last 100 calls, or the last 60 000 ms.
    pub span: Span,
    /// The share of failures, 0 to 1, that opens the circuit. Default 0.5.
    pub failure_rate: f64,
    /// The share of slow calls, 0 to 1, that opens the circuit. Default 1.
    pub slow_call_rate: f64,
    /// Milliseconds from which on a call is slow. Default: none is.
    pub slow_call_ms: f64,
    /// Below so many calls in the window no rate opens the circuit. Default 10.
    pub minimum_calls: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_threshold: 5.0,
            success_threshold: 2.0,
            reset_timeout: 30_000.0,
            reset_timeout_factor: 1.0,
            max_reset_timeout: 300_000.0,
            half_open_probes: 1,
            rates: None,
        }
    }
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            span: Span::Calls(100),
            failure_rate: 0.5,
            slow_call_rate: 1.0,
            slow_call_ms: UNLIMITED,
            minimum_calls: 10,
        }
    }
}

impl BreakerConfig {
    /// Reads a breaker's options. `resetTimeoutMs` stands in for an absent `resetTimeout`.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let base = Self::default();
        let alias = number(options, "resetTimeoutMs", base.reset_timeout, 0.0, UNLIMITED)?;
        let probes = number(options, "halfOpenProbes", base.half_open_probes.into(), 1.0, 1e6)?;
        Ok(Self {
            failure_threshold: number(options, "failureThreshold", base.failure_threshold, 0.0, UNLIMITED)?,
            success_threshold: number(options, "successThreshold", base.success_threshold, 0.0, UNLIMITED)?,
            reset_timeout: number(options, "resetTimeout", alias, 0.0, UNLIMITED)?,
            reset_timeout_factor: number(options, "resetTimeoutFactor", base.reset_timeout_factor, 1.0, 100.0)?,
            max_reset_timeout: number(options, "maxResetTimeoutMs", base.max_reset_timeout, 0.0, UNLIMITED)?,
            half_open_probes: probes as u32,
            rates: None,
        })
    }

    /// Adds the rates; `window` is the option of that name, the others stand beside it.
    pub fn with_rates(
        self,
        window: &(impl Options + ?Sized),
        options: &(impl Options + ?Sized),
    ) -> Result<Self, OptionError> {
        let base = RateConfig::default();
        let kind = window.get("kind");
        let span = match &kind {
            Scalar::Text(kind) if kind == "time" => Span::Millis(number(window, "size", 60_000.0, 20.0, 86_400_000.0)?),
            Scalar::Text(kind) if kind == "count" => Span::Calls(number(window, "size", 100.0, 1.0, 1e6)? as usize),
            value if value.is_falsy() => Span::Calls(number(window, "size", 100.0, 1.0, 1e6)? as usize),
            value => return Err(OptionError::out_of_range("window.kind", "\"count\" or \"time\"", value)),
        };
        let minimum = number(options, "minimumCalls", base.minimum_calls.into(), 1.0, 1e6)? as u32;
        // A window of 5 calls never holds 10: its rates would never count.
        let most = if let Span::Calls(size) = span { size as u32 } else { u32::MAX };
        let rates = RateConfig {
            span,
            failure_rate: number(options, "failureRate", base.failure_rate, 0.0, 1.0)?,
            slow_call_rate: number(options, "slowCallRate", base.slow_call_rate, 0.0, 1.0)?,
            slow_call_ms: number(options, "slowCallMs", base.slow_call_ms, 0.0, UNLIMITED)?,
            minimum_calls: minimum.min(most),
        };
        Ok(Self { rates: Some(rates), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_name_of_the_wait_is_used_when_the_other_is_absent() {
        let alias = ("resetTimeoutMs", Scalar::Number(20_000.0));
        let wait = |options: &[(&'static str, Scalar)]| BreakerConfig::from_options(options).unwrap().reset_timeout;
        assert_eq!(wait(std::slice::from_ref(&alias)), 20_000.0);
        assert_eq!(wait(&[alias, ("resetTimeout", Scalar::Number(5.0))]), 5.0);
        assert_eq!(wait(&[]), 30_000.0);
    }
}
