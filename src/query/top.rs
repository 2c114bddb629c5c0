//! What queries cost, by fingerprint: the text without its literals.

use super::fingerprint;
use super::slow::cut;
use crate::options::{self, OptionError, Options, Scalar};
use crate::stats::Histogram;
use std::collections::HashMap;
use std::time::Duration;

/// Fingerprints kept; beyond, the one that took the least time in all makes room.
const KEPT: usize = 500;
/// Fingerprints shown by default.
const SHOWN: u64 = 10;

/// By what the queries are ordered, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// The time of all calls.
    #[default]
    Total,
    /// The number of calls.
    Calls,
    /// The mean time of a call.
    Mean,
    /// The longest call.
    Max,
}

/// Which queries are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    by: By,
    limit: usize,
}

impl Wanted {
    /// Reads `{ by, limit }`.
    pub fn read(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let by = match options::text(options, "by")?.as_deref() {
            None | Some("totalMs") => By::Total,
            Some("calls") => By::Calls,
            Some("meanMs") => By::Mean,
            Some("maxMs") => By::Max,
            Some(other) => {
                let value = Scalar::Text(other.into());
                return Err(OptionError::out_of_range("by", "totalMs, calls, meanMs or maxMs", &value));
            }
        };
        Ok(Self { by, limit: options::count(options, "limit", SHOWN, 1, KEPT as u64)? as usize })
    }
}

/// What is known about one fingerprint.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// The text without its values, cut when it is long.
    pub query: String,
    /// Queries.
    pub calls: f64,
    /// Milliseconds of all calls.
    pub total_ms: f64,
    /// Milliseconds of the longest.
    pub max_ms: f64,
    /// Rows of all calls.
    pub rows: f64,
    /// Microseconds.
    times: Histogram,
}

impl Cost {
    /// Milliseconds of a call, on average.
    pub fn mean_ms(&self) -> f64 {
        if self.calls > 0.0 { self.total_ms / self.calls } else { 0.0 }
    }

    /// Milliseconds below which this share of the batches stayed.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        self.times.quantile(share).unwrap_or(0.0) / 1e3
    }

    fn rank(&self, by: By) -> f64 {
        match by {
            By::Total => self.total_ms,
            By::Calls => self.calls,
            By::Mean => self.mean_ms(),
            By::Max => self.max_ms,
        }
    }
}

/// The costs of one optimizer.
#[derive(Debug, Default)]
pub struct TopQueries {
    /// Fingerprint → cost.
    costs: HashMap<String, Cost>,
}

impl TopQueries {
    /// Records a batch of `calls` queries of one text, of which each took `latency_ms`.
    pub fn record(&mut self, text: &str, calls: f64, latency_ms: f64, rows: f64) {
        let all = [calls, latency_ms, rows];
        if !all.iter().all(|value| value.is_finite() && *value >= 0.0) {
            return;
        }
        let text = fingerprint::without_literals(text);
        let name = fingerprint::short(&text);
        if !self.costs.contains_key(&name) && self.costs.len() >= KEPT {
            let least = self.costs.iter().min_by(|(_, a), (_, b)| a.total_ms.total_cmp(&b.total_ms));
            if let Some(least) = least.map(|(name, _)| name.clone()) {
                self.costs.remove(&least);
            }
        }
        let cost = self.costs.entry(name).or_insert_with(|| Cost { query: cut(&text), ..Cost::default() });
        cost.calls += calls;
        cost.total_ms += calls * latency_ms;
        cost.max_ms = cost.max_ms.max(latency_ms);
        cost.rows += rows;
        let time = Duration::try_from_secs_f64(latency_ms / 1e3).unwrap_or(Duration::MAX);
        cost.times.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// The most expensive ones, by their fingerprints.
    pub fn top(&self, wanted: Wanted) -> Vec<(&str, &Cost)> {
        let mut all: Vec<_> = self.costs.iter().map(|(name, cost)| (name.as_str(), cost)).collect();
        all.sort_by(|(a, x), (b, y)| {
            y.rank(wanted.by).total_cmp(&x.rank(wanted.by)).then_with(|| (&x.query, a).cmp(&(&y.query, b)))
        });
        all.truncate(wanted.limit);
        all
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.costs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_differ_by_their_literals_are_one() {
        let mut top = TopQueries::default();
        top.record("SELECT a FROM t WHERE b = 'x'", 2.0, 10.0, 4.0);
        top.record("select a  from t where b = 'y'", 1.0, 40.0, 1.0);
        top.record("select 1", 100.0, 0.5, 100.0);
        let wanted = Wanted::read(&[("by", Scalar::Text("totalMs".into()))][..]).unwrap();
        let found = top.top(wanted);
        assert_eq!(found[0].1.query, "select a from t where b = ?");
        assert_eq!(found[0].0, fingerprint::short("select a from t where b = ?"));
        let cost = found[0].1;
        assert_eq!((cost.calls, cost.total_ms, cost.mean_ms(), cost.max_ms, cost.rows), (3.0, 60.0, 20.0, 40.0, 5.0));
        assert!((cost.quantile_ms(0.99) - 40.0).abs() < 1.0);
        let by_calls = Wanted { by: By::Calls, limit: 1 };
        assert_eq!(top.top(by_calls).iter().map(|(_, cost)| cost.query.as_str()).collect::<Vec<_>>(), ["select ?"]);
    }

    #[test]
    fn the_number_of_fingerprints_is_bounded() {
        let mut top = TopQueries::default();
        (0..KEPT * 2).for_each(|index| top.record(&format!("select a{index}_"), 1.0, index as f64, 0.0));
        assert_eq!(top.costs.len(), KEPT);
        assert!(top.costs.contains_key(&fingerprint::short(&format!("select a{}_", KEPT * 2 - 1))));
        top.record(&"x".repeat(1 << 20), 1.0, 1e9, 0.0);
        assert!(top.costs.values().all(|cost| cost.query.len() < 5_000));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let error = Wanted::read(&[("by", Scalar::Text("speed".into()))][..]).unwrap_err();
        assert_eq!(error.to_string(), "option \"by\" must be totalMs, calls, meanMs or maxMs, got \"speed\"");
    }
}
