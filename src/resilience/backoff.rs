//! How long to wait before the next attempt: exponential growth with equal jitter (Brooker, "Exponential Backoff
//! And Jitter", 2015): half of the delay is fixed, half is random, so callers that failed together do not return
//! together.

use std::time::Duration;

/// A schedule of delays. Pure: the random number is passed in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The longest delay before the first repetition.
    pub first: Duration,
    /// The longest delay at all.
    pub ceiling: Duration,
}

impl Backoff {
    /// The delay before repetition number `attempt` (from 0); `random` is between 0 and 1.
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1u32.checked_shl(attempt).unwrap_or(u32::MAX));
        let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.0 };
        doubled.min(self.ceiling).mul_f64(0.5 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(20), ceiling: Duration::from_millis(500) };

    #[test]
    fn delays_double_up_to_the_ceiling() {
        let delays = [0, 1, 2, 5, 40].map(|attempt| BACKOFF.delay(attempt, 1.0).as_millis());
        assert_eq!(delays, [20, 40, 80, 500, 500]);
    }

    #[test]
    fn half_of_a_delay_is_random() {
        assert_eq!(BACKOFF.delay(0, 0.0).as_millis(), 10);
        assert_eq!(BACKOFF.delay(0, f64::NAN).as_millis(), 10);
    }
}
