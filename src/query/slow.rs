//! Slow batches, kept for whoever asks.

use crate::stats::Ring;

/// How many slow batches are kept.
pub const KEPT: usize = 100;
/// How many of them, the latest, are shown.
pub const SHOWN: usize = 20;
/// Keys are kept up to about this many bytes.
const KEY_BYTES: usize = 4_096;

/// A batch that took longer than the threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct SlowBatch {
    /// Milliseconds.
    pub latency: f64,
    /// Queries in the batch, as the caller gave it; `None` when that was no number.
    pub batch_size: Option<f64>,
    /// When it ended, in milliseconds since the Unix epoch.
    pub at_unix_ms: i64,
    /// The batch's key: the normal form of its text, never a parameter. `None` when it was recorded without one.
    pub query_key: Option<String>,
}

/// The last [`KEPT`] slow batches.
#[derive(Debug)]
pub struct SlowLog {
    entries: Ring<SlowBatch>,
    seen: u64,
}

impl Default for SlowLog {
    fn default() -> Self {
        Self { entries: Ring::new(KEPT), seen: 0 }
    }
}

impl SlowLog {
    /// Keeps a slow batch; a very long key is cut, so that the log stays small.
    pub fn push(&mut self, mut batch: SlowBatch) {
        if let Some(key) = &mut batch.query_key
            && key.len() > KEY_BYTES
        {
            let end = (0..=KEY_BYTES).rev().find(|&at| key.is_char_boundary(at)).unwrap_or(0);
            key.truncate(end);
            key.push('…');
        }
        self.entries.push(batch);
        self.seen += 1;
    }

    /// How many there were, those no longer kept included.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// All that are kept, oldest first.
    pub fn kept(&self) -> impl ExactSizeIterator<Item = &SlowBatch> {
        self.entries.iter()
    }

    /// The latest [`SHOWN`], oldest first.
    pub fn shown(&self) -> impl Iterator<Item = &SlowBatch> {
        self.entries.iter().skip(self.entries.len().saturating_sub(SHOWN))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(latency: f64, key: &str) -> SlowBatch {
        SlowBatch { latency, batch_size: Some(1.0), at_unix_ms: 0, query_key: Some(key.into()) }
    }

    #[test]
    fn a_hundred_are_kept_and_the_last_twenty_shown() {
        let mut log = SlowLog::default();
        (0..250).for_each(|number| log.push(batch(f64::from(number), "select 1")));
        assert_eq!(log.kept().len(), 100);
        let shown: Vec<f64> = log.shown().map(|entry| entry.latency).collect();
        assert_eq!((shown.len(), shown.first(), shown.last()), (20, Some(&230.0), Some(&249.0)));
    }

    #[test]
    fn a_long_key_is_cut_between_characters() {
        let mut log = SlowLog::default();
        log.push(batch(1.0, &"é💡".repeat(10_000)));
        let key = log.kept().next().unwrap().query_key.clone().unwrap();
        assert!(key.len() < 4_110 && key.ends_with('…'));
    }
}
