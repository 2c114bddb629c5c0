//! What decides while the store is away.

use super::config::Insurance;
use super::ops::{Op, Reply, Request, apply};
use crate::limit::bucket::Bucket;
use crate::limit::ticks::Ticks;
use std::collections::HashMap;
use std::sync::Arc;

/// Clients that are remembered in one outage; beyond it who is not is treated as new.
const MOST_CLIENTS: usize = 1_000_000;

/// Buckets of this process, from one outage to its end.
#[derive(Debug)]
pub struct Insured {
    kind: Insurance,
    share: f64,
    ticks: Ticks,
    buckets: HashMap<Arc<str>, Bucket>,
}

impl Insured {
    /// Nobody is known yet.
    pub fn new(kind: Insurance, share: f64, interval_ms: f64) -> Self {
        let mut ticks = Ticks::new(interval_ms);
        ticks.start(0.0);
        Self { kind, share, ticks, buckets: HashMap::new() }
    }

    /// What it does.
    pub fn kind(&self) -> Insurance {
        self.kind
    }

    /// The refills of its buckets.
    pub fn ticks(&self) -> &Ticks {
        &self.ticks
    }

    /// Answers in the store's place; `None` when nothing is to be let through.
    pub fn answer(&mut self, request: &Request, now: f64) -> Option<Reply> {
        let (limit, rate) = (request.limit * self.share, request.rate * self.share);
        let full = Bucket::full(limit, rate, &self.ticks, now);
        match self.kind {
            Insurance::Deny => None,
            Insurance::Allow => {
                let answers = request.ops.iter().map(|op| match *op {
                    Op::Take(_, times) | Op::Probe(_, times) => f64::from(times),
                    _ => 0.0,
                });
                Some(Reply { bucket: full, now, answers: answers.collect() })
            }
            Insurance::Local => {
                if self.buckets.len() >= MOST_CLIENTS && !self.buckets.contains_key(&request.key) {
                    self.buckets.clear();
                }
                let bucket = self.buckets.entry(request.key.clone()).or_insert(full);
                Some(apply(bucket, &request.ops, &self.ticks, now))
            }
        }
    }

    /// The store is there again.
    pub fn end(&mut self) {
        self.buckets = HashMap::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(ops: Vec<Op>) -> Request {
        Request { key: "k".into(), limit: 10.0, rate: 10.0, ops }
    }

    #[test]
    fn each_kind_does_what_it_says() {
        let take = request(vec![Op::Take(1.0, 20)]);
        let answers = |kind| {
            let mut insured = Insured::new(kind, 0.5, 1000.0);
            insured.answer(&take, 0.0).map(|reply| reply.answers)
        };
        assert_eq!(answers(Insurance::Allow), Some(vec![20.0]));
        assert_eq!(answers(Insurance::Deny), None);
        assert_eq!(answers(Insurance::Local), Some(vec![5.0]));
    }

    #[test]
    fn local_buckets_refill_and_end_with_the_outage() {
        let mut insured = Insured::new(Insurance::Local, 1.0, 1000.0);
        let take = request(vec![Op::Take(1.0, 10)]);
        let mut at = |now| insured.answer(&take, now).unwrap().answers[0];
        assert_eq!((at(0.0), at(999.0), at(1000.0)), (10.0, 0.0, 10.0));
        insured.end();
        assert_eq!(insured.answer(&take, 1001.0).unwrap().answers, [10.0]);
    }
}
