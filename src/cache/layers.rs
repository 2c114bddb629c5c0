//! The layered cache: what its layers are configured with, how long an entry lives, and whose write wins between services.

use crate::options::{OptionError, Options, Scalar, count, millis, number};
use std::time::Duration;

/// A memory layer's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryLayerConfig {
    /// Entries at most. Default 1000.
    pub max_size: u64,
    /// Milliseconds an entry lives. Default 300,000.
    pub default_ttl: f64,
}

const MOST_ENTRIES: u64 = 1 << 24;

impl MemoryLayerConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        Ok(Self {
            max_size: count(options, "maxSize", 1000, 1, MOST_ENTRIES)?,
            default_ttl: number(options, "defaultTTL", 300_000.0, 0.0, f64::INFINITY)?,
        })
    }
}

/// A disk layer's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiskLayerConfig {
    /// Characters of JSON from which on a value counts as compressed. Default 1024.
    pub compression_threshold: f64,
    /// From one removal of what has expired to the next. Default 5 min.
    pub cleanup_interval: Duration,
    /// Bytes on disk at most. Default 100 MiB.
    pub max_db_size: f64,
}

impl DiskLayerConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        Ok(Self {
            compression_threshold: number(options, "compressionThreshold", 1024.0, 0.0, f64::INFINITY)?,
            cleanup_interval: millis(options, "cleanupInterval", Duration::from_secs(300))?,
            max_db_size: number(options, "maxDbSize", 104_857_600.0, 1.0, 9_007_199_254_740_991.0)?,
        })
    }
}

/// How a value is loaded that is not there; milliseconds, `NaN` for not given.
#[derive(Debug, Clone, Copy)]
pub struct LoadConfig {
    /// How long an expired value may stand in for a new one. Default 0.
    pub grace: f64,
    /// How long a caller waits before the expired value is served. Default 0: it is served at once.
    pub soft_timeout: f64,
    /// How long a caller waits at all. Default: as long as it takes.
    pub hard_timeout: f64,
    /// How long it is remembered that there is no value. Default 0.
    pub negative_ttl: f64,
    /// How eagerly a value is loaded anew before it expires; 1 is what the algorithm's authors call optimal. Default 0.
    pub early_refresh: f64,
}

impl LoadConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let millis = |name| number(options, name, 0.0, 0.0, f64::INFINITY);
        Ok(Self {
            grace: millis("graceMs")?,
            soft_timeout: millis("softTimeoutMs")?,
            hard_timeout: number(options, "hardTimeoutMs", f64::INFINITY, 0.0, f64::INFINITY)?,
            negative_ttl: millis("negativeTtlMs")?,
            early_refresh: match options.get("earlyRefresh") {
                Scalar::Bool(true) => 1.0,
                _ => number(options, "earlyRefresh", 0.0, 0.0, 1000.0)?,
            },
        })
    }
}

/// Whether a value that is still good is loaded anew, so that not all who want it wait when it expires: XFetch (Vattani,
/// Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", 2015). `took` is how long the last
/// load took, `random` between 0 and 1.
pub fn refreshes_early(now: f64, expires: f64, took: f64, eagerness: f64, random: f64) -> bool {
    eagerness > 0.0 && now - took * eagerness * random.max(f64::MIN_POSITIVE).ln() >= expires
}

/// When an entry set at `now` expires; `None` when it is not to be stored. What is no number means the layer's own
/// time, `null` counts as 0.
pub fn expiry(ttl: &Scalar, default: f64, now: f64) -> Option<f64> {
    let ttl = match ttl {
        Scalar::Number(ttl) if !ttl.is_nan() => *ttl,
        Scalar::Null => 0.0,
        _ => default,
    };
    (ttl > 0.0).then_some(now + ttl)
}

/// How many entries a layer that is resized holds: a whole number from 0 on; `None` for what is no number.
pub fn size_of(size: f64) -> Option<f64> {
    (!size.is_nan()).then(|| size.trunc().clamp(0.0, MOST_ENTRIES as f64))
}

/// A coordinator's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoordinatorConfig {
    /// From one delivery to the next. Default 1 s.
    pub interval: Duration,
    /// Milliseconds a value lives that another service published. Default 5000.
    pub remote_ttl: f64,
    /// Keys that wait for a peer at most; the oldest go first. Default 10,000.
    pub max_pending: u64,
    /// Deliveries that are tried before what waits for a peer is given up. Default 10.
    pub max_attempts: u64,
}

impl CoordinatorConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        Ok(Self {
            interval: millis(options, "broadcastInterval", Duration::from_secs(1))?,
            remote_ttl: number(options, "remoteTtlMs", 5000.0, 0.0, f64::INFINITY)?,
            max_pending: count(options, "maxPending", 10_000, 1, MOST_ENTRIES)?,
            max_attempts: count(options, "maxAttempts", 10, 1, 1_000_000)?,
        })
    }
}

/// One write of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Write<'a> {
    /// Milliseconds since 1970.
    pub time: f64,
    /// Who wrote.
    pub service: &'a str,
}

/// Whether a write of another service takes the place of the one that is known here.
pub fn remote_wins(strategy: &str, local: Write<'_>, remote: Write<'_>) -> bool {
    match strategy {
        "local-wins" => false,
        "service-priority" => remote.service > local.service,
        // The later write; of two at the same time the larger name's, so that all services agree.
        _ => remote.time > local.time || (remote.time == local.time && remote.service >= local.service),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_positive_number_or_the_default() {
        let expires = |ttl| expiry(&ttl, 50.0, 1000.0);
        assert_eq!(expires(Scalar::Missing), Some(1050.0));
        assert_eq!(expires(Scalar::Number(f64::NAN)), Some(1050.0));
        assert_eq!(expires(Scalar::Text("9".into())), Some(1050.0));
        assert_eq!(expires(Scalar::Number(f64::INFINITY)), Some(f64::INFINITY));
        assert_eq!((expires(Scalar::Null), expires(Scalar::Number(-1.0))), (None, None));
    }

    #[test]
    fn the_nearer_the_end_and_the_longer_the_load_the_likelier_a_refresh() {
        let share = |left: f64, took| {
            let draws = (1..1000).map(|draw| f64::from(draw) / 1000.0);
            draws.filter(|random| refreshes_early(1000.0 - left, 1000.0, took, 1.0, *random)).count()
        };
        assert_eq!(share(500.0, 10.0), 0);
        assert!((300..450).contains(&share(10.0, 10.0)) && share(1.0, 10.0) > 850 && share(10.0, 1.0) < 10);
        assert!(!refreshes_early(999.0, 1000.0, 1e9, 0.0, 0.5));
    }

    #[test]
    fn a_size_is_a_whole_number_from_zero_on() {
        assert_eq!((size_of(-1.0), size_of(2.9), size_of(f64::NAN)), (Some(0.0), Some(2.0), None));
        assert_eq!(size_of(f64::INFINITY), Some(MOST_ENTRIES as f64));
    }

    #[test]
    fn each_strategy_has_its_winner() {
        let (early, late) = (Write { time: 1.0, service: "b" }, Write { time: 2.0, service: "a" });
        let winners = |strategy| (remote_wins(strategy, early, late), remote_wins(strategy, late, early));
        assert_eq!(winners("latest-write-wins"), (true, false));
        assert_eq!(winners("local-wins"), (false, false));
        assert_eq!(winners("service-priority"), (false, true));
        let same = Write { time: 1.0, service: "a" };
        assert_ne!(remote_wins("", early, same), remote_wins("", same, early));
    }
}
