//! Time as the core sees it: a value that is passed in, never a global that is read.
//!
//! Durations and waits are measured on a monotonic clock, so a step of the wall clock changes no
//! time-to-live in memory, no refill and no deadline. The wall clock is read only for what leaves the process:
//! expiry times in files and timestamps in traces.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time. All readings are in the units named, never negative.
pub trait Clock: Send + Sync {
    /// Nanoseconds since an arbitrary fixed point; never goes back.
    fn monotonic_nanos(&self) -> u64;

    /// Milliseconds since the Unix epoch, as JavaScript's `Date.now()`.
    fn unix_millis(&self) -> i64;

    /// Milliseconds since an arbitrary fixed point, with fractions; never goes back.
    fn monotonic_millis(&self) -> f64 {
        self.monotonic_nanos() as f64 / 1e6
    }
}

/// The machine's clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn monotonic_nanos(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = START.get_or_init(Instant::now);
        u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn unix_millis(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until it is told to move, for tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    nanos: AtomicU64,
}

impl ManualClock {
    /// Starts at zero on the monotonic scale and at the Unix epoch on the wall scale.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves both scales forward.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn monotonic_nanos(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed)
    }

    fn unix_millis(&self) -> i64 {
        i64::try_from(self.nanos.load(Ordering::Relaxed) / 1_000_000).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new();
        assert_eq!(clock.unix_millis(), 0);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.unix_millis(), 1500);
        assert_eq!(clock.monotonic_millis(), 1500.0);
    }

    #[test]
    fn the_system_clock_never_goes_back() {
        let first = SystemClock.monotonic_nanos();
        assert!(SystemClock.monotonic_nanos() >= first);
    }
}
