//! The tracer's options: the only home of their defaults, ranges and caps.

use super::export::environment::Environment;
use crate::options::{self, OptionError, Options, Scalar};
use std::time::Duration;

/// The most traces that may be retained: what a JavaScript `Map` can hold.
const MOST_TRACES: u64 = 16_000_000;

/// A validated configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct TracerConfig {
    /// The name that trace-level metrics are kept under. Default `unknown-service`.
    pub service_name: String,
    /// The share of traces to be exported, 0 to 1. Default 0.1; zero is zero.
    pub sampling_rate: f64,
    /// How many traces are retained; beyond it the oldest goes. Default 10,000.
    pub max_traces: u64,
    /// How often old traces are cleaned up. Default 5 s.
    pub flush_interval: Duration,
    /// Spans kept for a trace, the newest ones. Default 1,000.
    pub max_spans_per_trace: u64,
    /// Tags kept for a trace, the first ones. Default 128.
    pub max_tags_per_trace: u64,
    /// Logs kept for a trace, the newest ones. Default 256.
    pub max_logs_per_trace: u64,
    /// Operation names with metrics of their own; the others share one. Default 512 (of 8 KB each).
    pub max_operations: u64,
    /// How long a trace may stay open before the cleanup drops it. Default 15 minutes.
    pub max_open: Duration,
    /// Traces that took at least this long are exported although the rate left them out. Default 1 s.
    pub slow: Duration,
    /// Traces exported in a second at most; those that other services decided about are not counted. Default: no limit.
    pub traces_per_second: f64,
    /// Whether another service's decision holds for its traces. Default yes; the environment can say no.
    pub parent_based: bool,
}

impl Default for TracerConfig {
    fn default() -> Self {
        Self {
            service_name: "unknown-service".into(),
            sampling_rate: 0.1,
            max_traces: 10_000,
            flush_interval: Duration::from_secs(5),
            max_spans_per_trace: 1_000,
            max_tags_per_trace: 128,
            max_logs_per_trace: 256,
            max_operations: 512,
            max_open: Duration::from_secs(15 * 60),
            slow: Duration::from_secs(1),
            traces_per_second: f64::INFINITY,
            parent_based: true,
        }
    }
}

impl TracerConfig {
    /// How old an ended trace may be when `cleanup()` is told no age.
    pub const MAX_AGE: Duration = Duration::from_secs(300);
    /// How many failed completions are remembered.
    pub const ERRORS_KEPT: u32 = 1_000;
    /// How many of them the metrics show.
    pub const ERRORS_SHOWN: u32 = 10;
    /// How many unsampled traces stay readable after their end; nothing will ever be exported of them. A loop of a
    /// thousand traces, as the consumer's tests have it, finds them all.
    pub const UNSAMPLED_KEPT: u32 = 1_024;
    /// How many traces stay readable after their end where they are exported: what lives on costs the collector of
    /// garbage more than anything else in tracing does.
    pub const EXPORTED_KEPT: u32 = 256;
    /// Spans for each of these traces that there is room for: where they have more, fewer traces stay.
    pub const SPANS_OF_KEPT: u32 = 4;
    /// How far the wall clock may step before the traces kept are dated by what it showed till then.
    pub const CLOCK_STEP: Duration = Duration::from_secs(1);
    /// Characters of an error's text that are kept.
    pub const ERROR_TEXT: u32 = 1_024;

    /// Reads raw options. Falsy means the default, as the original's `||` did, but for a sampling rate of zero.
    pub fn read(raw: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let default = Self::default();
        Ok(Self {
            service_name: options::text(raw, "serviceName")?.unwrap_or(default.service_name),
            sampling_rate: match raw.get("samplingRate") {
                Scalar::Number(0.0) => 0.0,
                _ => options::number(raw, "samplingRate", default.sampling_rate, 0.0, 1.0)?,
            },
            max_traces: options::count(raw, "maxSpans", default.max_traces, 1, MOST_TRACES)?,
            flush_interval: options::millis(raw, "flushInterval", default.flush_interval)?,
            max_spans_per_trace: options::count(raw, "maxSpansPerTrace", default.max_spans_per_trace, 1, 1_000_000)?,
            max_tags_per_trace: options::count(raw, "maxTagsPerTrace", default.max_tags_per_trace, 1, 100_000)?,
            max_logs_per_trace: options::count(raw, "maxLogsPerTrace", default.max_logs_per_trace, 1, 100_000)?,
            max_operations: options::count(raw, "maxOperations", default.max_operations, 1, 10_000)?,
            max_open: options::millis(raw, "maxOpenMs", default.max_open)?,
            slow: options::millis(raw, "slowMs", default.slow)?,
            traces_per_second: options::number(
                raw,
                "tracesPerSecond",
                default.traces_per_second,
                0.001,
                f64::INFINITY,
            )?,
            parent_based: default.parent_based,
        })
    }

    /// Takes from the environment what the options left open: `OTEL_TRACES_SAMPLER` and the service's name.
    pub fn complete(
        &mut self,
        raw: &(impl Options + ?Sized),
        service_name: Option<String>,
        environment: &mut Environment<'_>,
    ) {
        if let Some(name) = service_name.filter(|_| raw.get("serviceName").is_falsy()) {
            self.service_name = name;
        }
        let (variable, argument) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
        let Some(sampler) = environment.text(variable) else { return };
        let own = sampler.strip_prefix("parentbased_");
        let rate = match own.unwrap_or(&sampler) {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => environment.number(&[argument], 0.0, 1.0).unwrap_or(1.0),
            _ => return environment.warn(variable, "a sampler of the specification"),
        };
        self.parent_based = own.is_some();
        if !matches!(raw.get("samplingRate"), Scalar::Number(number) if !number.is_nan()) {
            self.sampling_rate = rate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Coded, ErrorClass};

    fn read(options: &[(&str, Scalar)]) -> Result<TracerConfig, OptionError> {
        TracerConfig::read(options)
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        assert_eq!(read(&[]), Ok(TracerConfig::default()));
        let falsy = read(&[("samplingRate", Scalar::Number(f64::NAN)), ("maxSpans", Scalar::Number(0.0))]);
        assert_eq!(falsy, Ok(TracerConfig::default()));
    }

    #[test]
    fn a_sampling_rate_of_zero_is_honoured() {
        for zero in [0.0, -0.0] {
            assert_eq!(read(&[("samplingRate", Scalar::Number(zero))]).map(|config| config.sampling_rate), Ok(0.0));
        }
    }

    #[test]
    fn rates_outside_zero_to_one_are_refused_by_name() {
        for rate in [-0.1, 1.5, f64::INFINITY] {
            let error = read(&[("samplingRate", Scalar::Number(rate))]).unwrap_err();
            assert_eq!((error.class(), error.option.as_str()), (ErrorClass::RangeError, "samplingRate"));
        }
        let error = read(&[("maxSpans", Scalar::Text("many".into()))]).unwrap_err();
        assert_eq!((error.class(), error.option.as_str()), (ErrorClass::TypeError, "maxSpans"));
    }

    #[test]
    fn the_environment_decides_what_the_options_left_open() {
        let completed = |options: &[(&str, Scalar)], sampler: &str, argument: &str| {
            let texts = [("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)];
            let variables = texts.map(|(name, text)| (name, Scalar::Text(text.into())));
            let variables = &variables[..];
            let mut environment = Environment::new(&variables);
            let mut config = read(options).unwrap();
            config.complete(options, Some("named".into()), &mut environment);
            (config.sampling_rate, config.parent_based, config.service_name, environment.warnings.len())
        };
        let own = [("samplingRate", Scalar::Number(0.0)), ("serviceName", Scalar::Text("own".into()))];
        assert_eq!(completed(&[], "parentbased_traceidratio", "0.25"), (0.25, true, "named".into(), 0));
        assert_eq!(completed(&own, "parentbased_always_on", ""), (0.0, true, "own".into(), 0));
        assert_eq!(completed(&[], "always_off", ""), (0.0, false, "named".into(), 0));
        assert_eq!(completed(&[], "traceidratio", "much"), (1.0, false, "named".into(), 1));
        assert_eq!(completed(&[], "jaeger_remote", ""), (0.1, true, "named".into(), 1));
        assert_eq!(completed(&[], "", ""), (0.1, true, "named".into(), 0));
    }

    #[test]
    fn no_limit_at_all_is_the_largest_limit() {
        let config = read(&[("maxSpans", Scalar::Number(f64::INFINITY))]).unwrap();
        assert_eq!(config.max_traces, MOST_TRACES);
    }
}
