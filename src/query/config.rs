//! Options of the optimizer: the only home of their defaults and ranges.

use crate::options::{self, OptionError, Options, Scalar};
use std::time::Duration;

/// How many texts the face remembers with their normal form and advice.
pub const REMEMBERED_TEXTS: u32 = 4_096;
/// Longer texts (in UTF-16 units) are not remembered, which bounds the memory of the texts to about 16 MB.
pub const REMEMBERED_TEXT_LENGTH: u32 = 4_096;
/// The largest batch; what `Infinity` means.
pub const MAX_BATCH: u64 = u32::MAX as u64;

/// A validated configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryConfig {
    /// Queries of one key that make a full batch. Default 10.
    pub batch_size: u64,
    /// How long the first query of a batch waits for others. Default 100 ms.
    pub batch_timeout: Duration,
    /// A batch that takes longer is slow, in milliseconds. Default 1000.
    pub slow_query_threshold: f64,
    /// From this many round trips of one SELECT in one trace on, it runs in a loop. Default 5.
    pub n_plus_one_threshold: u64,
    /// Whether slow entries keep the parameters of their queries. Default false.
    pub record_parameters: bool,
    /// Stored for those who read it; the pool prepares statements by itself. Default true.
    pub enable_prepared_statements: bool,
    /// Whether lookups of a batch go out as one statement where that is certain to change nothing. Default true.
    pub merge_lookups: bool,
    /// Whether identical reads of a batch share one answer. Default true.
    pub deduplicate: bool,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            batch_size: 10,
            batch_timeout: Duration::from_millis(100),
            slow_query_threshold: 1000.0,
            n_plus_one_threshold: 5,
            record_parameters: false,
            enable_prepared_statements: true,
            merge_lookups: true,
            deduplicate: true,
        }
    }
}

impl QueryConfig {
    /// Reads options the way the original coerced them: falsy means the default.
    pub fn read(raw: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let default = Self::default();
        check_kind(raw, "executor", "a function", &["function"])?;
        check_kind(raw, "pool", "an object with query()", &["object", "function"])?;
        Ok(Self {
            batch_size: options::count(raw, "batchSize", default.batch_size, 1, MAX_BATCH)?,
            batch_timeout: options::millis(raw, "batchTimeout", default.batch_timeout)?,
            slow_query_threshold: options::number(
                raw,
                "slowQueryThreshold",
                default.slow_query_threshold,
                0.0,
                f64::INFINITY,
            )?,
            n_plus_one_threshold: options::count(raw, "nPlusOneThreshold", default.n_plus_one_threshold, 2, MAX_BATCH)?,
            record_parameters: switch(raw, "recordParameters", default.record_parameters)?,
            enable_prepared_statements: options::unless_false(raw, "enablePreparedStatements"),
            merge_lookups: options::unless_false(raw, "mergeLookups"),
            deduplicate: options::unless_false(raw, "deduplicate"),
        })
    }
}

/// A switch that nothing but a boolean sets: by accident it would run statements, or keep secrets.
pub fn switch(raw: &(impl Options + ?Sized), name: &str, default: bool) -> Result<bool, OptionError> {
    match raw.get(name) {
        Scalar::Missing | Scalar::Null => Ok(default),
        Scalar::Bool(value) => Ok(value),
        other => Err(OptionError::wrong_type(name, "true or false", &other)),
    }
}

fn check_kind(
    raw: &(impl Options + ?Sized),
    name: &str,
    expected: &str,
    kinds: &[&'static str],
) -> Result<(), OptionError> {
    match raw.get(name) {
        value if value.is_falsy() => Ok(()),
        Scalar::Other(kind) if kinds.contains(&kind) => Ok(()),
        value => Err(OptionError::wrong_type(name, expected, &value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    #[test]
    fn falsy_options_are_the_defaults() {
        let raw = [
            ("batchSize", Scalar::Number(0.0)),
            ("batchTimeout", Scalar::Null),
            ("slowQueryThreshold", Scalar::Bool(false)),
            ("enablePreparedStatements", Scalar::Null),
            ("executor", Scalar::Null),
        ];
        assert_eq!(QueryConfig::read(&raw[..]), Ok(QueryConfig::default()));
    }

    #[test]
    fn a_timeout_longer_than_a_timer_is_clamped() {
        let raw = [("batchTimeout", Scalar::Number(1e12))];
        assert_eq!(QueryConfig::read(&raw[..]).unwrap().batch_timeout, Duration::from_millis(2_147_483_647));
    }

    #[test]
    fn options_of_the_wrong_kind_are_refused_by_name() {
        for (name, value) in [
            ("executor", Scalar::Other("object")),
            ("pool", Scalar::Text("postgres://user:secret@host".into())),
            ("batchSize", Scalar::Text("five".into())),
        ] {
            let error = QueryConfig::read(&[(name, value)][..]).unwrap_err();
            assert_eq!((error.option.as_str(), error.class), (name, ErrorClass::TypeError));
        }
    }
}
