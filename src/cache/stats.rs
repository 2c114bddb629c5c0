//! Counting hits.

use crate::stats::percent;

/// The share of hits in all lookups as `"50.00%"`; `"0%"` without lookups.
pub fn hit_rate(hits: f64, misses: f64) -> String {
    percent(hits, hits + misses, "0%")
}

/// What is on its way to the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PendingStats {
    /// Sets and deletes accepted and not yet on disk, for this folder.
    pub writes: usize,
    /// Bytes they hold in memory, in the whole process.
    pub bytes: usize,
}
