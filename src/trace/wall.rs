//! Wall time for what was measured on JavaScript's monotonic clock.
//!
//! A trace holds monotonic times only: reading another clock for each was 5 % of its cost, most are never looked at, and
//! whole milliseconds are too coarse to order a request and the answer of another service on the same machine. So
//! the distance between the two clocks is estimated: reading it takes time, so the smallest distance seen is the best
//! one, while a clock that is set or that drifts is followed.

use std::time::{SystemTime, UNIX_EPOCH};

/// How far the distance may grow at once before the wall clock is taken to have been set.
const STEP_MS: f64 = 50.0;
/// How fast clocks may drift apart: 500 parts in a million, which is what NTP slews by.
const DRIFT: f64 = 0.000_5;

/// The estimate.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock {
    seen: Option<(f64, f64)>,
}

impl WallClock {
    /// Reads the wall clock at a monotonic time in milliseconds: what is to be added to such a time now.
    pub fn read(&mut self, monotonic_ms: f64) -> f64 {
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3);
        self.offset(monotonic_ms, unix_ms)
    }

    /// Takes a reading of both clocks, in milliseconds, and answers with what is to be added to a monotonic time.
    pub fn offset(&mut self, monotonic_ms: f64, unix_ms: f64) -> f64 {
        let measured = unix_ms - monotonic_ms;
        let offset = match self.seen {
            Some((at, offset)) if measured > offset && measured - offset < STEP_MS => {
                measured.min(offset + (monotonic_ms - at).max(0.0) * DRIFT)
            }
            _ => measured,
        };
        self.seen = Some((monotonic_ms, offset));
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_reading_does_not_move_the_estimate() {
        let mut wall = WallClock::default();
        assert_eq!(wall.offset(10.0, 1_010.0), 1_000.0);
        assert!((wall.offset(20.0, 1_027.0) - 1_000.005).abs() < 1e-9);
        assert_eq!(wall.offset(30.0, 1_029.5), 999.5);
    }

    #[test]
    fn a_clock_that_was_set_is_followed() {
        let mut wall = WallClock::default();
        wall.offset(0.0, 1_000.0);
        assert_eq!(wall.offset(1.0, 9_001.0), 9_000.0);
        assert_eq!(wall.offset(2.0, 502.0), 500.0);
    }

    #[test]
    fn a_drifting_clock_is_followed_slowly() {
        let mut wall = WallClock::default();
        wall.offset(0.0, 1_000.0);
        assert_eq!(wall.offset(10_000.0, 11_003.0), 1_003.0);
    }
}
