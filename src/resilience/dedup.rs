//! What a request deduplicator is set to. Runs that are under way and results live with the caller, as the values and
//! promises they are; how long they stay is in [`super::lifetime`].

use crate::options::{OptionError, Options, count, number};
use crate::resilience::lifetime::{MAX_ENTRIES, RESULT_TTL_MS};

/// A deduplicator's settings. Durations are milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct DedupConfig {
    /// How long a result is kept; negative: not at all. Default one hour.
    pub cache_ttl: f64,
    /// Kept for callers that read it; nothing depends on it. Default 100.
    pub max_concurrency: f64,
    /// Results kept at most; the least recently used go first. Default 10,000.
    pub max_entries: u32,
    /// How long a run may take before its callers are told so; 0: as long as it likes. Default 0.
    pub timeout: f64,
    /// How long an expired result is still served while it is refreshed. Default 0.
    pub stale: f64,
}

impl Default for DedupConfig {
    fn default() -> Self {
        Self { cache_ttl: RESULT_TTL_MS, max_concurrency: 100.0, max_entries: MAX_ENTRIES, timeout: 0.0, stale: 0.0 }
    }
}

impl DedupConfig {
    /// Reads the options. `ttlMs` stands in for an absent `cacheTTL`.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let base = Self::default();
        let any = f64::NEG_INFINITY;
        let alias = number(options, "ttlMs", base.cache_ttl, any, f64::INFINITY)?;
        Ok(Self {
            cache_ttl: number(options, "cacheTTL", alias, any, f64::INFINITY)?,
            max_concurrency: number(options, "maxConcurrency", base.max_concurrency, any, f64::INFINITY)?,
            max_entries: count(options, "maxEntries", base.max_entries.into(), 1, 16_000_000)? as u32,
            timeout: number(options, "timeoutMs", base.timeout, 0.0, f64::INFINITY)?,
            stale: number(options, "staleWhileRevalidateMs", base.stale, 0.0, f64::INFINITY)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Scalar;

    #[test]
    fn the_older_name_of_the_lifetime_wins() {
        let both = [("cacheTTL", Scalar::Number(5.0)), ("ttlMs", Scalar::Number(7.0))];
        assert_eq!(DedupConfig::from_options(&both[..]).unwrap().cache_ttl, 5.0);
        assert_eq!(DedupConfig::from_options(&both[1..]).unwrap().cache_ttl, 7.0);
        assert_eq!(DedupConfig::from_options(&[][..] as &[(&str, Scalar)]).unwrap(), DedupConfig::default());
    }

    #[test]
    fn a_bound_below_one_is_refused() {
        let error = DedupConfig::from_options(&[("maxEntries", Scalar::Number(-1.0))][..]).unwrap_err();
        assert_eq!(error.to_string(), "option \"maxEntries\" must be a whole number from 1 to 16000000, got -1");
    }
}
