//! When a batch goes out.

use super::config::{MAX_BATCH, QueryConfig};
use crate::options::MAX_TIMER_MS;

/// What happens to the queries of one key, decided when the first of them arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// All waiting queries of the key go out at once when there are this many.
    pub flush_at: f64,
    /// Otherwise they go out this many milliseconds after the first one came.
    pub wait_ms: f64,
}

impl Plan {
    /// The plan for the object's fields `batchSize` and `batchTimeout`, which users may write: what cannot be used
    /// there means the default, and a wait is never longer than a timer can hold.
    pub fn new(batch_size: f64, batch_timeout_ms: f64) -> Self {
        let default = QueryConfig::default();
        let usable = |value: f64, fallback: f64| if value > 0.0 { value } else { fallback };
        Self {
            flush_at: usable(batch_size, default.batch_size as f64).ceil().min(MAX_BATCH as f64),
            wait_ms: usable(batch_timeout_ms, default.batch_timeout.as_secs_f64() * 1e3).min(MAX_TIMER_MS),
        }
    }

    /// Whether the first query has to wait for others, and a timer with it.
    pub fn waits(&self) -> bool {
        self.flush_at > 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_goes_out_when_it_is_full_or_its_time_is_over() {
        assert_eq!(Plan::new(5.0, 20.0), Plan { flush_at: 5.0, wait_ms: 20.0 });
        assert!(Plan::new(2.0, 20.0).waits());
        assert!(!Plan::new(1.0, 20.0).waits());
    }

    #[test]
    fn fields_that_cannot_be_used_mean_the_default() {
        for value in [f64::NAN, 0.0, -3.0, f64::NEG_INFINITY] {
            assert_eq!(Plan::new(value, value), Plan { flush_at: 10.0, wait_ms: 100.0 });
        }
    }

    #[test]
    fn a_wait_is_never_longer_than_a_timer_can_hold() {
        let plan = Plan::new(f64::INFINITY, f64::INFINITY);
        assert_eq!(plan, Plan { flush_at: MAX_BATCH as f64, wait_ms: MAX_TIMER_MS });
    }
}
