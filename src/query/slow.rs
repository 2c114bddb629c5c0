//! Slow batches, kept for whoever asks.

use super::fingerprint;
use crate::stats::Ring;

/// How many slow batches are kept.
pub const KEPT: usize = 100;
/// How many of them, the latest, are shown.
pub const SHOWN: usize = 20;
/// Texts are kept up to about this many bytes.
const TEXT_BYTES: usize = 4_096;

/// A batch that took longer than the threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct SlowBatch {
    /// Milliseconds.
    pub latency: f64,
    /// Queries in the batch, as the caller gave it; `None` when that was no number.
    pub batch_size: Option<f64>,
    /// When it ended, in milliseconds since the Unix epoch.
    pub at_unix_ms: i64,
    /// What its text was. `None` when it was recorded without one.
    pub text: Option<SlowText>,
    /// Counts the slow batches.
    pub serial: u64,
}

/// The text of a slow batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowText {
    /// The batch's key: the normal form of its text, literals included, never a parameter.
    pub key: String,
    /// The text without its values.
    pub query: String,
    /// The short name of `query`.
    pub fingerprint: String,
}

impl SlowText {
    /// Of a batch's key. Very long texts are cut, so that the log stays small.
    pub fn of(key: &str) -> Self {
        let query = fingerprint::without_literals(key);
        Self { key: cut(key), fingerprint: fingerprint::short(&query), query: cut(&query) }
    }
}

/// A text up to about [`TEXT_BYTES`], ending with `…` where it was cut.
pub fn cut(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let end = (0..=TEXT_BYTES).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or(""))
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
    /// Keeps a slow batch and gives it its number, from 1 on.
    pub fn push(&mut self, mut batch: SlowBatch) -> u64 {
        self.seen += 1;
        batch.serial = self.seen;
        self.entries.push(batch);
        self.seen
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
        SlowBatch { latency, batch_size: Some(1.0), at_unix_ms: 0, text: Some(SlowText::of(key)), serial: 0 }
    }

    #[test]
    fn a_hundred_are_kept_and_the_last_twenty_shown() {
        let mut log = SlowLog::default();
        let serials: Vec<u64> = (0..250).map(|number| log.push(batch(f64::from(number), "select 1"))).collect();
        assert_eq!(log.kept().len(), 100);
        let shown: Vec<f64> = log.shown().map(|entry| entry.latency).collect();
        assert_eq!((shown.len(), shown.first(), shown.last()), (20, Some(&230.0), Some(&249.0)));
        assert_eq!(log.kept().last().map(|entry| entry.serial), serials.last().copied());
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = SlowText::of(&"é💡".repeat(10_000));
        assert!(text.key.len() < 4_110 && text.key.ends_with('…') && text.query.ends_with('…'));
    }

    #[test]
    fn the_text_of_an_entry_has_no_values() {
        let text = SlowText::of("select a from t where b = 'Secret' and c = 42 -- secret");
        assert_eq!(text.query, "select a from t where b = ? and c = ?");
        assert_eq!(text.fingerprint, fingerprint::short(&text.query));
    }
}
