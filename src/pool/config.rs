//! The pool's options: every default and every range.

use crate::options::{self, OptionError, Options};
use crate::resilience::backoff::Backoff;
use std::time::Duration;

/// The most connections a pool can be told to hold.
pub const MAX_CONNECTIONS: u64 = 100_000;
/// How long a connection may lie idle before it is tested on its next borrow, where that is on by default.
pub const VALIDATE_AFTER_IDLE: Duration = Duration::from_millis(500);
/// How long a connection of a server may be used, where that is limited by default.
pub const MAX_LIFETIME: Duration = Duration::from_secs(1800);
/// The share of a lifetime that is rolled for each connection, so that they do not end together.
pub const LIFETIME_JITTER: f64 = 0.1;
/// The waits between attempts to make a connection.
pub const RETRY_BACKOFF: Backoff = Backoff { first: Duration::from_millis(20), ceiling: Duration::from_millis(1000) };

/// A pool's validated options.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolConfig {
    /// Connections made by the initialisation and kept when idle. May exceed `max_connections`.
    pub min_connections: usize,
    /// Connections beyond which callers wait.
    pub max_connections: usize,
    /// The limit of a wait, and of the making of one connection.
    pub connection_timeout: Duration,
    /// Idle connections above the minimum are closed after this time.
    pub idle_timeout: Duration,
    /// How often making a connection is tried again, while somebody waits for it.
    pub max_retries: u32,
    /// Idle for longer than this, a connection is tested before it is handed out. `None`: never.
    pub validate_after_idle: Option<Duration>,
    /// Older than this, less its jitter, a connection is closed when nobody has it. `None`: never.
    pub max_lifetime: Option<Duration>,
    /// Callers that may wait for others to come back; those for whom a connection is being made do not count.
    pub max_waiting: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            min_connections: 2,
            max_connections: 10,
            connection_timeout: Duration::from_millis(5000),
            idle_timeout: Duration::from_millis(30_000),
            max_retries: 3,
            validate_after_idle: None,
            max_lifetime: None,
            max_waiting: usize::MAX,
        }
    }
}

impl PoolConfig {
    /// Reads raw options. `testable` says that testing a connection means something for this pool, so that
    /// validation on borrow is on by default.
    pub fn read(options: &(impl Options + ?Sized), testable: bool) -> Result<Self, OptionError> {
        let default = Self::default();
        let count = |name, default: usize| {
            options::count(options, name, default as u64, 1, MAX_CONNECTIONS).map(|count| count as usize)
        };
        let lifetime = options::millis(options, "maxLifetimeMs", Duration::ZERO)?;
        let validate = options::millis(options, "validateAfterIdleMs", Duration::ZERO)?;
        Ok(Self {
            min_connections: count("minConnections", default.min_connections)?,
            max_connections: count("maxConnections", default.max_connections)?,
            connection_timeout: options::millis(options, "connectionTimeout", default.connection_timeout)?,
            idle_timeout: options::millis(options, "idleTimeout", default.idle_timeout)?,
            max_retries: options::count(options, "maxRetries", u64::from(default.max_retries), 1, 100)? as u32,
            max_lifetime: match lifetime {
                Duration::ZERO => testable.then_some(MAX_LIFETIME),
                given => Some(given),
            },
            max_waiting: match options::count(options, "maxWaiting", 0, 1, 1 << 52)? {
                0 => usize::MAX,
                given => usize::try_from(given).unwrap_or(usize::MAX),
            },
            validate_after_idle: match validate {
                Duration::ZERO => testable.then_some(VALIDATE_AFTER_IDLE),
                given => Some(given),
            },
        })
    }

    /// The limit of one wait: its own `timeoutMs`, or the pool's.
    pub fn wait(&self, options: &(impl Options + ?Sized)) -> Result<Duration, OptionError> {
        options::millis(options, "timeoutMs", self.connection_timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Scalar;

    #[test]
    fn falsy_options_are_the_originals_defaults() {
        let options = [("minConnections", Scalar::Number(0.0)), ("maxConnections", Scalar::Null)];
        assert_eq!(PoolConfig::read(&options[..], false), Ok(PoolConfig::default()));
    }

    #[test]
    fn testable_pools_validate_after_half_a_second() {
        let config = PoolConfig::read(&[][..], true).unwrap();
        assert_eq!(config.validate_after_idle, Some(VALIDATE_AFTER_IDLE));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for value in [Scalar::Number(-1.0), Scalar::Text("ten".into()), Scalar::Other("object")] {
            let error = PoolConfig::read(&[("maxConnections", value)][..], false).unwrap_err();
            assert_eq!(error.option, "maxConnections");
        }
    }
}
