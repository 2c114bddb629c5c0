//! A limit that all clients share, on top of each client's own.
//!
//! A request passes when both its client's bucket and the shared one pay for it, and takes from both in one step. While
//! somebody waits for shared tokens nobody passes by: they go to whose turn it is ([`Fair`]). A client whose own bucket
//! is short does not stand in the ring; it holds nobody up, and joins again with the tick that pays for it.

use super::bucket::Bucket;
use super::config::GlobalConfig;
use super::fair::Fair;
use super::limiter::{Limiter, Served};
use super::queue::LineId;
use super::ticks::Ticks;
use super::turn::Promised;
use std::collections::HashMap;

/// The shared bucket, and whose turn it is.
#[derive(Debug)]
pub struct Global {
    /// Its settings.
    pub config: GlobalConfig,
    /// What is there for all.
    pub bucket: Bucket,
    /// When it is refilled.
    pub ticks: Ticks,
    /// Who stands in the ring.
    pub fair: Fair,
    /// Turns that were taken in advance.
    pub(super) promised: Promised,
    /// Weights other than 1 of the lines in which somebody waits.
    weights: HashMap<LineId, f64>,
}

impl Global {
    /// A full bucket that is not refilled until its ticks are started.
    pub fn new(config: GlobalConfig) -> Self {
        let ticks = Ticks::new(config.refill_interval.as_secs_f64() * 1e3);
        let bucket = Bucket::full(config.rate_limit, config.refill_rate, &ticks, 0.0);
        let fair = Fair::new(config.quantum);
        Self { config, bucket, ticks, fair, promised: Promised::default(), weights: HashMap::new() }
    }

    /// Whether a newcomer of this class finds enough, and nobody in the ring to stand behind.
    pub fn lets_pass(&mut self, class: u8, cost: f64, now: f64) -> bool {
        self.bucket.settle(&self.ticks, now);
        self.fair.is_idle(class) && self.bucket.covers(cost)
    }

    /// Milliseconds until a newcomer of this class may find enough: 0 now, infinite for never.
    pub fn retry_after_ms(&mut self, class: u8, cost: f64, now: f64) -> f64 {
        self.bucket.settle(&self.ticks, now);
        let wait = self.bucket.retry_after_ms(cost, &self.ticks, now);
        if self.fair.is_idle(class) {
            return wait;
        }
        wait.max((self.ticks.begins(self.bucket.settled + 1) - now).ceil()).max(1.0)
    }

    /// Sets what a line's share weighs, from now on.
    pub fn weigh(&mut self, line: LineId, weight: f64) {
        if weight == 1.0 {
            self.weights.remove(&line);
        } else {
            self.weights.insert(line, weight);
        }
    }

    /// Puts a line into the ring.
    pub fn join(&mut self, line: LineId) {
        self.fair.join(line, self.weights.get(&line).copied().unwrap_or(1.0));
    }

    /// Forgets a line in which nobody waits any more.
    pub fn forget(&mut self, line: LineId) {
        self.fair.leave(line);
        self.weights.remove(&line);
    }
}

impl Limiter {
    /// The client whose turn it is for shared tokens that are there; `None` when nobody can be served now.
    pub fn next_turn(&mut self, now: f64) -> Option<u32> {
        let (global, queues) = (self.global.as_mut()?, &self.queues);
        global.bucket.settle(&global.ticks, now);
        let (line, cost) = global.fair.turn(|line| queues.head(line).map(|head| head.cost))?;
        global.bucket.covers(cost).then_some(line.slot)
    }

    /// Serves the client whose turn it is, at most `most` of its waiters and no longer than its turn. Nobody else's
    /// turn comes from here: that is the next question's.
    pub fn serve_turn(&mut self, slot: u32, bucket: &mut Bucket, now: f64, most: usize) -> Vec<Served> {
        let mut served = Vec::new();
        while self.next_turn(now) == Some(slot) && served.len() < most {
            let Some(global) = self.global.as_mut() else { break };
            let queues = &self.queues;
            let Some((line, cost)) = global.fair.turn(|line| queues.head(line).map(|head| head.cost)) else { break };
            if !bucket.covers(cost) {
                global.fair.leave(line);
                self.plan_line(line, bucket);
                continue;
            }
            bucket.remove(cost);
            global.bucket.remove(cost);
            global.fair.spend(line, cost);
            if let Some(waiter) = self.queues.pop(line) {
                served.push(Served::new(&waiter, now));
            }
            self.forget_if_empty(line);
        }
        served
    }

    /// Milliseconds until the shared bucket pays for the one whose turn it is; `None` when nobody stands in the ring.
    pub fn next_turn_ms(&mut self, now: f64) -> Option<f64> {
        let (global, queues) = (self.global.as_mut()?, &self.queues);
        global.bucket.settle(&global.ticks, now);
        let (_, cost) = global.fair.turn(|line| queues.head(line).map(|head| head.cost))?;
        let tick = global.bucket.pays_at(cost, &global.ticks)?;
        Some((global.ticks.begins(tick) - now).max(0.0))
    }
}

#[cfg(test)]
#[path = "global_tests.rs"]
mod tests;
