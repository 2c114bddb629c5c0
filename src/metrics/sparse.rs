//! The buckets of native histograms: exponential ones, of which only those that hold something are sent.
//!
//! The layout is Prometheus' (schema 3: eight buckets to each power of two, each 9 % wider than the one before).

use super::model;
use std::collections::BTreeMap;

/// Buckets to a power of two are 2^SCHEMA.
pub const SCHEMA: i32 = 3;
/// Values up to this, in seconds, are zero. Durations are measured in microseconds.
const ZERO: f64 = 1e-7;

/// Counts by bucket index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sparse {
    /// Values that count as zero.
    pub zero: u64,
    /// Counts of positive values: bucket `i` holds what lies above `2^((i-1)/8)` and not above `2^(i/8)`.
    pub buckets: BTreeMap<i32, u64>,
}

impl Sparse {
    /// Counts `count` observations of a value that is not negative.
    pub fn add(&mut self, value: f64, count: u64) {
        if value <= ZERO {
            self.zero += count;
        } else {
            let index = (value.log2() * f64::from(1 << SCHEMA)).ceil() as i32;
            *self.buckets.entry(index).or_default() += count;
        }
    }

    /// Takes in what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.zero += other.zero;
        for (&index, &count) in &other.buckets {
            *self.buckets.entry(index).or_default() += count;
        }
    }

    /// Writes them as spans (runs of neighbouring buckets) and deltas (each count minus the one before).
    pub fn write(&self, histogram: &mut model::Histogram) {
        histogram.schema = SCHEMA;
        histogram.zero_threshold = ZERO;
        histogram.zero_count = self.zero;
        let (mut next, mut before) = (0, 0);
        for (&index, &count) in &self.buckets {
            match histogram.positive_span.last_mut() {
                Some(span) if index == next => span.length += 1,
                _ => histogram.positive_span.push(model::BucketSpan { offset: index - next, length: 1 }),
            }
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            histogram.positive_delta.push(count - before);
            (next, before) = (index + 1, count);
        }
        if self.buckets.is_empty() {
            // Tells an empty native histogram from a classic one, as Prometheus asks for.
            histogram.positive_span.push(model::BucketSpan { offset: 0, length: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The buckets as a reader of the protobuf sees them.
    fn read(histogram: &model::Histogram) -> BTreeMap<i32, u64> {
        let (mut index, mut count, mut deltas) = (0, 0, histogram.positive_delta.iter());
        let mut found = BTreeMap::new();
        for span in &histogram.positive_span {
            index += span.offset;
            for _ in 0..span.length {
                count += deltas.next().unwrap();
                found.insert(index, count as u64);
                index += 1;
            }
        }
        found
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let mut sparse = Sparse::default();
        for value in [1.0, 2.0, 0.0] {
            sparse.add(value, 1);
        }
        assert_eq!(sparse, Sparse { zero: 1, buckets: BTreeMap::from([(0, 1), (8, 1)]) });
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(values in prop::collection::vec(1e-6f64..1e4, 1..200)) {
            let mut sparse = Sparse::default();
            values.iter().for_each(|&value| sparse.add(value, 1));
            let mut histogram = model::Histogram::default();
            sparse.write(&mut histogram);
            prop_assert_eq!(&read(&histogram), &sparse.buckets);
            for &index in sparse.buckets.keys() {
                let (low, high) = (2f64.powf(f64::from(index - 1) / 8.0), 2f64.powf(f64::from(index) / 8.0));
                prop_assert!(values.iter().any(|&value| value > low * 0.999_999 && value <= high * 1.000_001));
            }
        }
    }
}
