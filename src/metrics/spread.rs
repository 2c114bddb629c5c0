//! How the durations of one operation spread: what a tracer measured, in the shape of the catalogue.

use super::catalogue::BOUNDS;
use super::sparse::Sparse;

/// Requests, errors, the buckets of the histogram and its sum.
const WIDTH: usize = 2 + BOUNDS.len() + 2;

/// The figures of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The numbers of a report of the kind `Operation`.
    pub values: [f64; WIDTH],
    /// The same durations in native buckets.
    pub sparse: Sparse,
}

impl Spread {
    /// `durations`: lowest and middle of each bucket in seconds, and its count. A bucket counts where its lowest
    /// duration belongs, so a bound of the histogram is as exact as the tracer's buckets are wide: 1.6 %.
    pub fn new(errors: u64, seconds: f64, durations: impl Iterator<Item = (f64, f64, u64)>) -> Self {
        let mut spread = Self { values: [0.0; WIDTH], sparse: Sparse::default() };
        for (lowest, middle, count) in durations {
            spread.values[0] += count as f64;
            spread.values[2 + BOUNDS.partition_point(|bound| *bound < lowest)] += count as f64;
            spread.sparse.add(middle, count);
        }
        spread.values[1] = errors as f64;
        spread.values[WIDTH - 1] = seconds;
        spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalogue::{KINDS, OPERATION, kind_of};

    #[test]
    fn it_has_the_shape_of_the_catalogue() {
        assert_eq!(KINDS[kind_of(OPERATION).unwrap()].width(), WIDTH);
    }

    #[test]
    fn each_duration_is_in_one_bucket_of_either_kind() {
        let durations = [(0.0, 0.0, 1), (0.005, 0.005_05, 2), (99.0, 100.0, 3)];
        let spread = Spread::new(4, 300.0, durations.into_iter());
        assert_eq!((spread.values[0], spread.values[1], spread.values[WIDTH - 1]), (6.0, 4.0, 300.0));
        assert_eq!(spread.values[2..WIDTH - 1].iter().sum::<f64>(), 6.0);
        assert_eq!(spread.values[2 + 2], 2.0, "5 ms are not above the bound of 5 ms");
        assert_eq!(spread.sparse.zero + spread.sparse.buckets.values().sum::<u64>(), 6);
    }
}
