//! Counters' small arithmetic, shared by the rooms: ratios as text, windows, percentiles, bounded rings.

use std::collections::VecDeque;

/// `value` with exactly two decimals, as JavaScript's `toFixed(2)` prints it: ties go up, where Rust's own
/// formatting rounds them to even.
pub fn fixed2(value: f64) -> String {
    let scaled = value * 100.0;
    if scaled.abs() < 1e15 && (scaled.abs().fract() - 0.5).abs() == 0.0 && scaled / 100.0 == value {
        return format!("{:.2}", (scaled.trunc() + scaled.signum()) / 100.0);
    }
    format!("{value:.2}")
}

/// `part` of `whole` as `"50.00%"`; `empty` where there is no whole.
pub fn percent(part: f64, whole: f64, empty: &str) -> String {
    if whole > 0.0 { format!("{}%", fixed2(part / whole * 100.0)) } else { empty.into() }
}

/// The last `capacity` items, oldest first.
#[derive(Debug, Clone)]
pub struct Ring<T> {
    items: VecDeque<T>,
    capacity: usize,
}

impl<T> Ring<T> {
    /// An empty ring; a capacity of zero keeps nothing.
    pub fn new(capacity: usize) -> Self {
        Self { items: VecDeque::new(), capacity }
    }

    /// Adds an item and returns the one that had to go, if any.
    pub fn push(&mut self, item: T) -> Option<T> {
        self.items.push_back(item);
        if self.items.len() > self.capacity { self.items.pop_front() } else { None }
    }

    /// Items from the oldest to the newest.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.items.iter()
    }

    /// How many items are kept now.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

/// The mean over the last `capacity` samples, in constant time.
#[derive(Debug, Clone)]
pub struct MovingMean {
    samples: Ring<f64>,
    sum: f64,
}

impl MovingMean {
    /// No samples yet.
    pub fn new(capacity: usize) -> Self {
        Self { samples: Ring::new(capacity), sum: 0.0 }
    }

    /// Adds a sample. Samples that are not finite are ignored, so one of them cannot spoil the mean for good.
    pub fn record(&mut self, sample: f64) {
        if sample.is_finite() {
            self.sum += sample;
            self.sum -= self.samples.push(sample).unwrap_or(0.0);
        }
    }

    /// The mean, `None` without samples.
    pub fn mean(&self) -> Option<f64> {
        (!self.samples.is_empty()).then(|| self.sum / self.samples.len() as f64)
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = f64> {
        self.samples.iter().copied()
    }

    /// Forgets every sample.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.sum = 0.0;
    }
}

/// Events per second over the last `SECONDS` seconds, in one-second buckets.
#[derive(Debug, Clone)]
pub struct RateWindow<const SECONDS: usize> {
    buckets: [u32; SECONDS],
    newest_second: u64,
}

impl<const SECONDS: usize> Default for RateWindow<SECONDS> {
    fn default() -> Self {
        Self { buckets: [0; SECONDS], newest_second: 0 }
    }
}

impl<const SECONDS: usize> RateWindow<SECONDS> {
    /// Counts one event at `now_nanos` (monotonic).
    pub fn record(&mut self, now_nanos: u64) {
        let second = self.roll(now_nanos);
        self.buckets[(second % SECONDS as u64) as usize] += 1;
    }

    /// Events a second up to `now_nanos`.
    pub fn per_second(&mut self, now_nanos: u64) -> f64 {
        self.roll(now_nanos);
        self.buckets.iter().map(|&count| f64::from(count)).sum::<f64>() / SECONDS as f64
    }

    fn roll(&mut self, now_nanos: u64) -> u64 {
        let second = (now_nanos / 1_000_000_000).max(self.newest_second);
        let gone = (second - self.newest_second).min(SECONDS as u64);
        for step in 1..=gone {
            self.buckets[((self.newest_second + step) % SECONDS as u64) as usize] = 0;
        }
        self.newest_second = second;
        second
    }
}

/// Percentiles of non-negative values within 1.6 %, in 8 KB: log-linear buckets, 64 to each power of two, as in
/// HdrHistogram (Gil Tene). Values are in microseconds when the room measures time.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u32>,
    count: u64,
}

const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;
const MAX_VALUE: u64 = (1 << 37) - 1;

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; Self::index(MAX_VALUE) + 1], count: 0 }
    }
}

impl Histogram {
    fn index(value: u64) -> usize {
        if value < SUB {
            return value as usize;
        }
        let shift = 63 - value.leading_zeros() - SUB_BITS;
        (u64::from(shift + 1) * SUB + ((value >> shift) - SUB)) as usize
    }

    fn middle(index: usize) -> f64 {
        let index = index as u64;
        if index < SUB {
            return index as f64;
        }
        let shift = index / SUB - 1;
        let low = (index % SUB + SUB) << shift;
        low as f64 + ((1u64 << shift) - 1) as f64 / 2.0
    }

    /// Adds a value; larger ones than 2^37 - 1 (38 hours of microseconds) count as that.
    pub fn record(&mut self, value: u64) {
        self.buckets[Self::index(value.min(MAX_VALUE))] += 1;
        self.count += 1;
    }

    /// Adds what another one has recorded.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *count = count.saturating_add(*more);
        }
        self.count += other.count;
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The buckets that hold something, smallest first: lowest value, middle and count.
    pub fn filled(&self) -> impl Iterator<Item = (f64, f64, u64)> {
        let filled = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(index, &count)| {
            let middle = Self::middle(index);
            // The widths of buckets are powers of two, of which the smallest ones hold one value each.
            let shift = (index as u64 / SUB).saturating_sub(1);
            (middle - ((1u64 << shift) - 1) as f64 / 2.0, middle, u64::from(count))
        })
    }

    /// The value below which `quantile` (0 to 1) of the values lie; `None` without values.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let wanted = ((quantile.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        self.buckets.iter().enumerate().find_map(|(index, &count)| {
            seen += u64::from(count);
            (count > 0 && seen >= wanted).then(|| Self::middle(index))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_decimals_are_rounded_as_javascript_rounds_them() {
        for (value, text) in
            [(0.125, "0.13"), (0.375, "0.38"), (1.005, "1.00"), (66.666_666, "66.67"), (0.0, "0.00"), (2.5, "2.50")]
        {
            assert_eq!(fixed2(value), text);
        }
    }

    #[test]
    fn no_whole_gives_the_empty_text() {
        assert_eq!(percent(0.0, 0.0, "0%"), "0%");
        assert_eq!(percent(1.0, 2.0, "0%"), "50.00%");
    }

    #[test]
    fn a_rate_forgets_what_is_older_than_its_window() {
        let mut rate = RateWindow::<60>::default();
        (0..120).for_each(|_| rate.record(0));
        assert_eq!(rate.per_second(59_000_000_000), 2.0);
        assert_eq!(rate.per_second(60_000_000_000), 0.0);
    }

    #[test]
    fn a_moving_mean_covers_the_last_samples_only() {
        let mut mean = MovingMean::new(2);
        assert_eq!(mean.mean(), None);
        [10.0, f64::NAN, 2.0, 4.0].into_iter().for_each(|sample| mean.record(sample));
        assert_eq!(mean.mean(), Some(3.0));
    }

    #[test]
    fn a_value_lies_between_the_lowest_and_the_highest_of_its_bucket() {
        for value in [0, 1, 63, 64, 127, 128, 5_000, 1_000_000, MAX_VALUE] {
            let mut histogram = Histogram::default();
            histogram.record(value);
            let (lowest, middle, count) = histogram.filled().next().unwrap();
            assert_eq!(count, 1);
            assert!(lowest <= value as f64 && value as f64 <= 2.0 * middle - lowest, "{value}: {lowest} {middle}");
        }
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_two_percent_of_the_sorted_list(mut values in prop::collection::vec(0u64..10_000_000, 1..500), quantile in 0.0f64..1.0) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|&value| histogram.record(value));
            values.sort_unstable();
            let rank = ((quantile * values.len() as f64).ceil() as usize).max(1) - 1;
            let exact = values[rank] as f64;
            let got = histogram.quantile(quantile).unwrap();
            prop_assert!((got - exact).abs() <= exact * 0.016 + 0.5, "{got} for {exact}");
        }
    }
}
