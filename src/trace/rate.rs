//! A limit on traces per second: a token bucket that holds one second's worth, and one trace at least.

/// The bucket. Times are monotonic milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct RateLimit {
    per_second: f64,
    tokens: f64,
    at_ms: f64,
}

impl RateLimit {
    /// A full bucket; an infinite rate admits everything.
    pub fn new(per_second: f64) -> Self {
        Self { per_second, tokens: per_second.max(1.0), at_ms: f64::NEG_INFINITY }
    }

    /// Whether one more trace may be exported now.
    pub fn admits(&mut self, now_ms: f64) -> bool {
        if self.per_second == f64::INFINITY {
            return true;
        }
        let passed = (now_ms - self.at_ms).clamp(0.0, 1e9);
        self.at_ms = self.at_ms.max(now_ms);
        self.tokens = (self.tokens + passed / 1e3 * self.per_second).min(self.per_second.max(1.0));
        // Tenths do not add up to one exactly.
        let admitted = self.tokens >= 1.0 - 1e-9;
        self.tokens -= f64::from(u8::from(admitted));
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limit: &mut RateLimit, times: impl Iterator<Item = f64>) -> usize {
        times.filter(|&now_ms| limit.admits(now_ms)).count()
    }

    #[test]
    fn a_burst_takes_a_seconds_worth_and_then_the_rate_holds() {
        let mut limit = RateLimit::new(10.0);
        assert_eq!(admitted(&mut limit, (0..100).map(|_| 0.0)), 10);
        assert_eq!(admitted(&mut limit, (1..=10_000).map(f64::from)), 100);
    }

    #[test]
    fn less_than_one_a_second_is_a_rate_too() {
        let mut limit = RateLimit::new(0.1);
        assert_eq!(admitted(&mut limit, (0..=90).map(|second| f64::from(second) * 1e3)), 10);
    }

    #[test]
    fn no_limit_admits_everything_and_nonsense_nothing_new() {
        assert_eq!(admitted(&mut RateLimit::new(f64::INFINITY), (0..100).map(|_| 0.0)), 100);
        let mut limit = RateLimit::new(1.0);
        assert!(limit.admits(5.0) && !limit.admits(4.0) && !limit.admits(5.0));
    }
}
