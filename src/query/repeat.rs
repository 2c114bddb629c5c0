//! SELECTs that run again and again within one trace: the N+1 pattern, in which each row of one query asks another.
//!
//! What counts is round trips, not queries: those that wait for the same batch go out together, which is the cure.

use std::collections::{HashMap, VecDeque};

/// Traces that are watched at a time; the oldest makes room.
const TRACES: usize = 1_000;
/// Fingerprints watched in one trace.
const FINGERPRINTS: usize = 200;
/// Fingerprints remembered as repeated.
const REPEATED: usize = 500;

/// How often one fingerprint went out in one trace.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Runs {
    count: u64,
    /// The last batch that took one along.
    batch: f64,
}

/// The traces of one optimizer.
#[derive(Debug, Default)]
pub struct Repeats {
    traces: HashMap<String, HashMap<String, Runs>>,
    order: VecDeque<String>,
    /// Fingerprint → traces in which it was repeated.
    found: HashMap<String, u64>,
}

impl Repeats {
    /// Notes that a SELECT goes out with a batch. True when this is the round trip that makes it a repetition, which is
    /// so once in a trace.
    pub fn note(&mut self, trace: &str, fingerprint: &str, batch: f64, threshold: f64) -> bool {
        if !self.traces.contains_key(trace) {
            if self.order.len() >= TRACES
                && let Some(oldest) = self.order.pop_front()
            {
                self.traces.remove(&oldest);
            }
            self.order.push_back(trace.to_owned());
        }
        let runs = self.traces.entry(trace.to_owned()).or_default();
        if !runs.contains_key(fingerprint) && runs.len() >= FINGERPRINTS {
            return false;
        }
        let run = runs.entry(fingerprint.to_owned()).or_insert(Runs { count: 0, batch: f64::NAN });
        if run.batch == batch {
            return false;
        }
        *run = Runs { count: run.count + 1, batch };
        if run.count as f64 != threshold {
            return false;
        }
        if self.found.contains_key(fingerprint) || self.found.len() < REPEATED {
            *self.found.entry(fingerprint.to_owned()).or_default() += 1;
        }
        true
    }

    /// In how many traces a fingerprint was repeated.
    pub fn of(&self, fingerprint: &str) -> u64 {
        self.found.get(fingerprint).copied().unwrap_or(0)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_count_and_each_trace_is_told_of_once() {
        let mut repeats = Repeats::default();
        let told: Vec<bool> = (0..6).map(|batch| repeats.note("t", "f", f64::from(batch), 3.0)).collect();
        assert_eq!(told, [false, false, true, false, false, false]);
        assert!((0..9).all(|_| !repeats.note("u", "f", 7.0, 3.0)), "one batch is one round trip");
        assert_eq!((repeats.of("f"), repeats.of("g")), (1, 0));
        (0..3).for_each(|batch| {
            repeats.note("v", "f", f64::from(batch), 3.0);
        });
        assert_eq!(repeats.of("f"), 2);
        repeats.clear();
        assert_eq!(repeats.of("f"), 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut repeats = Repeats::default();
        for trace in 0..2 * TRACES {
            repeats.note(&format!("t{trace}"), "f", 1.0, 2.0);
        }
        assert_eq!((repeats.traces.len(), repeats.order.len()), (TRACES, TRACES));
        for number in 0..2_000u32 {
            repeats.note("t", &number.to_string(), 1.0, 2.0);
        }
        assert_eq!(repeats.traces["t"].len(), FINGERPRINTS);
        for number in 0..2_000u32 {
            repeats.note(&format!("u{number}"), &number.to_string(), 1.0, 1.0);
        }
        assert_eq!(repeats.found.len(), REPEATED);
    }
}
