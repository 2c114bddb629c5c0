//! What share of the latest calls failed or was slow: over the last N calls, or over the last N milliseconds.
//!
//! Both kinds answer in constant time. The time window has a fixed number of slices, as in resilience4j, so its memory
//! does not grow with the traffic; its edge is therefore a slice coarse.

use std::collections::VecDeque;

/// How many slices a time window has.
const SLICES: usize = 20;

/// Which calls are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Span {
    /// The last so many calls.
    Calls(usize),
    /// The calls of the last so many milliseconds.
    Millis(f64),
}

/// Calls counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All calls.
    pub calls: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that took too long, failed or not.
    pub slow: u32,
}

impl Tally {
    fn one(failed: bool, slow: bool) -> Self {
        Self { calls: 1, failed: u32::from(failed), slow: u32::from(slow) }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.slow += other.slow;
    }

    fn subtract(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failed -= other.failed;
        self.slow -= other.slow;
    }

    /// The share of failed calls; 0 without calls.
    pub fn failure_rate(&self) -> f64 {
        f64::from(self.failed) / f64::from(self.calls.max(1))
    }

    /// The share of slow calls; 0 without calls.
    pub fn slow_rate(&self) -> f64 {
        f64::from(self.slow) / f64::from(self.calls.max(1))
    }
}

/// The latest calls.
#[derive(Debug, Clone)]
pub struct Window {
    span: Span,
    /// One call each, or one slice of time each, oldest first.
    parts: VecDeque<(f64, Tally)>,
    total: Tally,
}

impl Window {
    /// No calls yet.
    pub fn new(span: Span) -> Self {
        Self { span, parts: VecDeque::new(), total: Tally::default() }
    }

    /// Counts one call that ended at `now` (milliseconds).
    pub fn record(&mut self, now: f64, failed: bool, slow: bool) {
        self.record_part(now, Tally::one(failed, slow));
    }

    /// Counts `calls` calls that ended well and in time, all in the slice of `now`.
    pub fn record_successes(&mut self, now: f64, calls: u32) {
        match self.span {
            Span::Calls(size) => {
                for _ in 0..calls.min(size as u32) {
                    self.record_part(now, Tally::one(false, false));
                }
            }
            Span::Millis(_) => self.record_part(now, Tally { calls, ..Tally::default() }),
        }
    }

    /// Until when a call that ends well and in time changes no rate, since every rate is zero: the end of the slice,
    /// where there are slices. `None` where some rate is not zero.
    pub fn quiet_until(&mut self, now: f64) -> Option<f64> {
        let tally = self.tally(now);
        (tally.failed == 0 && tally.slow == 0).then(|| match self.span {
            Span::Calls(_) => f64::INFINITY,
            Span::Millis(size) => {
                let width = size / SLICES as f64;
                ((now / width).floor() + 1.0) * width
            }
        })
    }

    fn record_part(&mut self, now: f64, part: Tally) {
        self.forget(now);
        self.total.add(part);
        match self.span {
            Span::Calls(size) => {
                self.parts.push_back((now, part));
                if self.parts.len() > size.max(1) {
                    self.drop_oldest();
                }
            }
            Span::Millis(size) => {
                let slice = (now / (size / SLICES as f64)).floor();
                match self.parts.back_mut() {
                    Some((last, tally)) if *last >= slice => tally.add(part),
                    _ => self.parts.push_back((slice, part)),
                }
            }
        }
    }

    /// What is in the window at `now`.
    pub fn tally(&mut self, now: f64) -> Tally {
        self.forget(now);
        self.total
    }

    /// Forgets every call.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.total = Tally::default();
    }

    fn forget(&mut self, now: f64) {
        let Span::Millis(size) = self.span else { return };
        let oldest = (now / (size / SLICES as f64)).floor() - SLICES as f64;
        while self.parts.front().is_some_and(|(slice, _)| *slice <= oldest) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, tally)) = self.parts.pop_front() {
            self.total.subtract(tally);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_window_of_calls_covers_the_last_ones_only() {
        let mut window = Window::new(Span::Calls(2));
        for failed in [true, true, false] {
            window.record(0.0, failed, !failed);
        }
        assert_eq!(window.tally(0.0), Tally { calls: 2, failed: 1, slow: 1 });
    }

    #[test]
    fn a_window_of_time_forgets_what_is_older() {
        let mut window = Window::new(Span::Millis(1000.0));
        window.record(0.0, true, false);
        window.record(900.0, false, false);
        assert_eq!(window.tally(900.0).calls, 2);
        assert_eq!(window.tally(1000.0).calls, 1);
        assert_eq!(window.tally(5000.0).failure_rate(), 0.0);
    }

    proptest! {
        #[test]
        fn the_total_is_the_sum_of_the_parts(calls in prop::collection::vec((0.0f64..5000.0, any::<bool>(), any::<bool>()), 0..200)) {
            let mut window = Window::new(Span::Millis(700.0));
            for (now, failed, slow) in calls {
                window.record(now, failed, slow);
                let mut sum = Tally::default();
                window.parts.iter().for_each(|(_, tally)| sum.add(*tally));
                prop_assert_eq!(window.total, sum);
                prop_assert!(window.parts.len() <= SLICES + 1);
            }
        }
    }
}
