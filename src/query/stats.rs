//! What the batches took.

use super::repeat::Repeats;
use super::slow::{SlowBatch, SlowLog, SlowText};
use super::top::TopQueries;
use crate::clock::Clock;
use crate::stats::{Ring, fixed2};

/// The mean covers this many batches.
const HISTORY: usize = 1_000;

/// Latencies of one optimizer. What is counted for every query (batched, optimized) the face counts itself.
#[derive(Debug)]
pub struct Latencies {
    history: Ring<f64>,
    slow: SlowLog,
    top: TopQueries,
    repeats: Repeats,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            history: Ring::new(HISTORY),
            slow: SlowLog::default(),
            top: TopQueries::default(),
            repeats: Repeats::default(),
        }
    }
}

impl Latencies {
    /// Records one batch; the number of its slow entry, 0 when it was not slow. A latency that is not a finite number is
    /// no latency and changes nothing.
    pub fn record(
        &mut self,
        latency: f64,
        batch_size: Option<f64>,
        threshold: f64,
        query_key: Option<&str>,
        clock: &impl Clock,
    ) -> u64 {
        if !latency.is_finite() {
            return 0;
        }
        self.history.push(latency);
        if latency <= threshold {
            return 0;
        }
        let (at_unix_ms, text) = (clock.unix_millis(), query_key.map(SlowText::of));
        self.slow.push(SlowBatch { latency, batch_size, at_unix_ms, text, serial: 0 })
    }

    /// Milliseconds of the last batches, oldest first.
    pub fn history(&self) -> impl Iterator<Item = f64> {
        self.history.iter().copied()
    }

    /// The slow ones.
    pub fn slow(&self) -> &SlowLog {
        &self.slow
    }

    /// The costs by fingerprint.
    pub fn top(&mut self) -> &mut TopQueries {
        &mut self.top
    }

    /// The SELECTs that ran in a loop.
    pub fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }

    /// The mean over the last 1000 batches as `"21.00ms"`; `"0ms"` without one. Summed afresh each time, so one huge
    /// sample leaves nothing behind.
    pub fn average(&self) -> String {
        if self.history.is_empty() {
            return "0ms".into();
        }
        let count = self.history.len() as f64;
        format!("{}ms", fixed2(self.history.iter().map(|latency| latency / count).sum()))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.history.clear();
        self.slow.clear();
        self.top.clear();
        self.repeats.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::time::Duration;

    #[test]
    fn the_mean_covers_the_last_thousand_batches() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.average(), "0ms");
        let clock = ManualClock::new();
        latencies.record(1e300, None, 1e308, None, &clock);
        (0..500).for_each(|_| _ = latencies.record(20.0, None, 1000.0, None, &clock));
        (0..500).for_each(|_| _ = latencies.record(22.0, None, 1000.0, None, &clock));
        assert_eq!(latencies.average(), "21.00ms");
    }

    #[test]
    fn slow_is_longer_than_the_threshold() {
        let (mut latencies, clock) = (Latencies::default(), ManualClock::new());
        clock.advance(Duration::from_millis(77));
        assert_eq!(latencies.record(100.0, Some(1.0), 100.0, None, &clock), 0);
        assert_eq!(latencies.record(100.5, Some(3.0), 100.0, Some("select 1"), &clock), 1);
        assert_eq!(latencies.record(f64::NAN, Some(1.0), 100.0, None, &clock), 0);
        let text = Some(SlowText::of("select 1"));
        let expected = SlowBatch { latency: 100.5, batch_size: Some(3.0), at_unix_ms: 77, text, serial: 1 };
        assert_eq!(latencies.slow().kept().collect::<Vec<_>>(), [&expected]);
    }
}
