//! Counters, latencies and rates over every completion, sampled or not.

use crate::stats::{Histogram, RateWindow, Ring, fixed2, percent};

/// Durations that `metrics.latencies` shows.
const LATENCIES_KEPT: usize = 1_000;
/// Numbers that describe one operation in [`TracerStats::rows`].
pub const ROW: usize = 7;

/// One ended span or trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completion {
    /// The operation's slot.
    pub slot: u32,
    /// Whether its status was anything but `success`.
    pub failed: bool,
    /// How long it took. Negative or not finite counts as zero.
    pub duration_ms: f64,
    /// When it ended, on a monotonic scale.
    pub ended_ms: f64,
}

impl Completion {
    /// Numbers that a completion takes in the shared log.
    pub const WIDTH: usize = 3;

    /// Reads a log entry: `slot * 2 + failed`, duration, end.
    pub fn from_log(entry: [f64; Self::WIDTH]) -> Self {
        let [tag, duration_ms, ended_ms] = entry;
        // Casts saturate: whatever a caller got into the log becomes some slot, which is checked on use.
        let tag = tag as u64;
        Self { slot: (tag / 2) as u32, failed: tag % 2 == 1, duration_ms, ended_ms }
    }
}

#[derive(Debug, Clone, Default)]
struct Operation {
    count: u64,
    errors: u64,
    total_ms: f64,
    latencies: Histogram,
}

impl Operation {
    fn record(&mut self, failed: bool, duration_ms: f64) {
        self.count += 1;
        self.errors += u64::from(failed);
        self.total_ms += duration_ms;
        self.latencies.record((duration_ms * 1e3).round() as u64);
    }

    fn mean_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.total_ms / self.count as f64 }
    }

    /// In milliseconds; zero without completions.
    fn percentile(&self, quantile: f64) -> f64 {
        self.latencies.quantile(quantile).map_or(0.0, |micros| micros / 1e3)
    }
}

/// What a tracer has measured.
#[derive(Debug)]
pub struct TracerStats {
    operations: Vec<Operation>,
    rate: RateWindow<60>,
    latencies: Ring<f64>,
}

/// The figures over everything, and the texts that the original shows for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Completions, of spans and traces together.
    pub count: u64,
    /// Those with a status other than `success`.
    pub errors: u64,
    /// `"0.67ms"`; `"0ms"` without completions.
    pub average_latency: String,
    /// `"33.33%"` of the completions; `"0%"` without completions.
    pub error_rate: String,
    /// `"0.00 req/s"`: completions in the last 60 seconds, divided by 60.
    pub throughput: String,
    /// The same as a number.
    pub per_second: f64,
    /// Milliseconds.
    pub average_ms: f64,
    /// Milliseconds, within 1.6 %.
    pub p50_ms: f64,
    /// Milliseconds, within 1.6 %.
    pub p95_ms: f64,
    /// Milliseconds, within 1.6 %.
    pub p99_ms: f64,
}

impl Default for TracerStats {
    fn default() -> Self {
        Self { operations: Vec::new(), rate: RateWindow::default(), latencies: Ring::new(LATENCIES_KEPT) }
    }
}

impl TracerStats {
    /// Counts a completion. `slots` is how many slots there are: a slot beyond them is not an operation.
    pub fn record(&mut self, completion: Completion, slots: usize) {
        let slot = completion.slot as usize;
        if slot >= slots {
            return;
        }
        if slot >= self.operations.len() {
            self.operations.resize_with(slots, Operation::default);
        }
        let duration = if completion.duration_ms.is_finite() { completion.duration_ms.max(0.0) } else { 0.0 };
        self.operations[slot].record(completion.failed, duration);
        self.latencies.push(duration);
        self.rate.record(nanos(completion.ended_ms));
    }

    /// Everything together: added up when somebody asks, which is seldom, and not for each completion.
    fn whole(&self) -> Operation {
        self.operations.iter().filter(|operation| operation.count > 0).fold(Operation::default(), |mut whole, each| {
            whole.count += each.count;
            whole.errors += each.errors;
            whole.total_ms += each.total_ms;
            whole.latencies.add(&each.latencies);
            whole
        })
    }

    /// The figures over everything.
    pub fn summary(&mut self, now_ms: f64) -> Summary {
        let whole = self.whole();
        let per_second = self.rate.per_second(nanos(now_ms));
        Summary {
            count: whole.count,
            errors: whole.errors,
            average_latency: if whole.count == 0 { "0ms".into() } else { format!("{}ms", fixed2(whole.mean_ms())) },
            error_rate: percent(whole.errors as f64, whole.count as f64, "0%"),
            throughput: format!("{} req/s", fixed2(per_second)),
            per_second,
            average_ms: whole.mean_ms(),
            p50_ms: whole.percentile(0.5),
            p95_ms: whole.percentile(0.95),
            p99_ms: whole.percentile(0.99),
        }
    }

    /// Each operation that completed, as its slot, its numbers (count, errors, total, p50, p95 and p99 in ms) and its
    /// average as text.
    pub fn rows(&self) -> impl Iterator<Item = ([f64; ROW], String)> {
        self.operations.iter().enumerate().filter(|(_, operation)| operation.count > 0).map(|(slot, operation)| {
            let total_ms = (operation.total_ms * 1e3).round() / 1e3;
            let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|quantile| operation.percentile(quantile));
            let numbers = [slot as f64, operation.count as f64, operation.errors as f64, total_ms, p50, p95, p99];
            (numbers, fixed2(operation.mean_ms()))
        })
    }

    /// Each operation that completed: its slot, failures, all durations together in milliseconds, and how they spread
    /// (lowest and middle of each bucket in microseconds, and its count).
    pub fn spreads(&self) -> impl Iterator<Item = (usize, u64, f64, impl Iterator<Item = (f64, f64, u64)>)> {
        let completed = self.operations.iter().enumerate().filter(|(_, operation)| operation.count > 0);
        completed.map(|(slot, operation)| (slot, operation.errors, operation.total_ms, operation.latencies.filled()))
    }

    /// The last durations in milliseconds, oldest first.
    pub fn latencies(&self) -> impl ExactSizeIterator<Item = f64> {
        self.latencies.iter().copied()
    }
}

fn nanos(millis: f64) -> u64 {
    (millis * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use proptest::prelude::*;
    use std::time::Duration;

    fn done(slot: u32, failed: bool, duration_ms: f64, ended_ms: f64) -> Completion {
        Completion { slot, failed, duration_ms, ended_ms }
    }

    #[test]
    fn nothing_measured_shows_the_empty_texts() {
        let summary = TracerStats::default().summary(0.0);
        assert_eq!(summary.average_latency, "0ms");
        assert_eq!(summary.error_rate, "0%");
        assert_eq!(summary.throughput, "0.00 req/s");
        assert_eq!((summary.p50_ms, summary.p99_ms), (0.0, 0.0));
    }

    #[test]
    fn the_error_rate_is_a_share_of_what_was_recorded() {
        let mut stats = TracerStats::default();
        (0..3).for_each(|_| stats.record(done(1, true, 1.0, 0.0), 2));
        assert_eq!(stats.summary(0.0).error_rate, "100.00%");
        (0..6).for_each(|_| stats.record(done(1, false, 0.0, 0.0), 2));
        assert_eq!(stats.summary(0.0).error_rate, "33.33%");
        assert_eq!(stats.summary(0.0).average_latency, "0.33ms");
    }

    #[test]
    fn the_throughput_is_that_of_the_last_minute() {
        let (mut stats, clock) = (TracerStats::default(), ManualClock::new());
        for _ in 0..30 {
            stats.record(done(0, false, 1.0, clock.monotonic_millis()), 1);
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(stats.summary(clock.monotonic_millis()).throughput, "0.50 req/s");
        clock.advance(Duration::from_secs(60));
        assert_eq!(stats.summary(clock.monotonic_millis()).throughput, "0.00 req/s");
    }

    #[test]
    fn nonsense_is_counted_as_zero_or_not_at_all() {
        let mut stats = TracerStats::default();
        for duration in [f64::NAN, f64::INFINITY, -5.0] {
            stats.record(done(0, false, duration, f64::NAN), 1);
        }
        stats.record(Completion::from_log([f64::INFINITY, 1.0, 1.0]), 1);
        let summary = stats.summary(f64::NAN);
        assert_eq!((summary.count, summary.average_ms), (3, 0.0));
    }

    #[test]
    fn the_latencies_kept_are_the_last_ones() {
        let mut stats = TracerStats::default();
        (0..LATENCIES_KEPT + 5).for_each(|number| stats.record(done(0, false, number as f64, 0.0), 1));
        assert_eq!((stats.latencies().len(), stats.latencies().next()), (LATENCIES_KEPT, Some(5.0)));
    }

    proptest! {
        #[test]
        fn the_figures_are_those_of_a_naive_model(
            log in prop::collection::vec((0u32..4, any::<bool>(), 0.0f64..5_000.0), 1..300),
        ) {
            let mut stats = TracerStats::default();
            for &(slot, failed, duration) in &log {
                let tag = f64::from(slot * 2 + u32::from(failed));
                stats.record(Completion::from_log([tag, duration, 1_000.0]), 4);
            }
            let summary = stats.summary(1_000.0);
            prop_assert_eq!(summary.count, log.len() as u64);
            prop_assert_eq!(summary.errors, log.iter().filter(|entry| entry.1).count() as u64);
            prop_assert!((summary.per_second - log.len() as f64 / 60.0).abs() < 1e-9);
            for (numbers, average) in stats.rows() {
                let of_slot: Vec<_> = log.iter().filter(|entry| f64::from(entry.0) == numbers[0]).collect();
                let mut durations: Vec<_> = of_slot.iter().map(|entry| entry.2).collect();
                durations.sort_by(f64::total_cmp);
                let total: f64 = of_slot.iter().map(|entry| entry.2).sum();
                prop_assert_eq!(numbers[1], of_slot.len() as f64);
                prop_assert_eq!(numbers[2], of_slot.iter().filter(|entry| entry.1).count() as f64);
                prop_assert!((numbers[3] - total).abs() < 0.002);
                prop_assert!((average.parse::<f64>().unwrap() - total / of_slot.len() as f64).abs() < 0.006);
                for (got, quantile) in [(numbers[4], 0.5), (numbers[5], 0.95), (numbers[6], 0.99)] {
                    let rank = ((quantile * durations.len() as f64).ceil() as usize).max(1) - 1;
                    prop_assert!((got - durations[rank]).abs() <= durations[rank] * 0.016 + 0.01);
                }
            }
        }
    }
}
