//! The limiter: buckets, ticks and lines put together.

use super::bucket::Bucket;
use super::config::{LimiterConfig, is_cost};
use super::queue::Queues;
use super::ticks::Ticks;

/// One limiter, without its buckets, which live in the shared arrays.
#[derive(Debug)]
pub struct Limiter {
    /// Its settings.
    pub config: LimiterConfig,
    /// When buckets are refilled.
    pub ticks: Ticks,
    /// Who waits.
    pub queues: Queues,
}

/// The answer to "may it pass now?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The tokens were taken.
    Allowed,
    /// There are too few tokens, or the client is blocked.
    Denied,
    /// What was asked for cannot be charged.
    Invalid,
}

/// Why a request may not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The bucket never holds that much.
    CostExceedsLimit,
    /// Too many wait already.
    QueueFull,
    /// The cost cannot be charged.
    Invalid,
}

/// A waiter that got its tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Served {
    /// Whose.
    pub ticket: u64,
    /// How long it waited, whole ms.
    pub waited_ms: f64,
}

impl Limiter {
    /// A limiter that does not refill until its ticks are started.
    pub fn new(config: LimiterConfig) -> Self {
        let ticks = Ticks::new(config.refill_interval.as_secs_f64() * 1e3);
        Self { config, ticks, queues: Queues::default() }
    }

    /// Settles the bucket and takes `cost`, if it is there. A direct probe: it does not look at who waits.
    pub fn take(&self, bucket: &mut Bucket, cost: f64, now: f64) -> Verdict {
        bucket.settle(&self.ticks, now);
        match () {
            () if !is_cost(cost) => Verdict::Invalid,
            () if bucket.take(cost) => Verdict::Allowed,
            () => Verdict::Denied,
        }
    }

    /// As [`Limiter::take`], but behind those who wait for the same client.
    pub fn take_in_turn(&self, slot: u32, bucket: &mut Bucket, cost: f64, now: f64) -> Verdict {
        let first = !is_cost(cost) || self.queues.len(slot) == 0;
        if first { self.take(bucket, cost, now) } else { Verdict::Denied }
    }

    /// Lets a request wait, at most `timeout_ms`. Returns its ticket.
    pub fn enqueue(
        &mut self,
        slot: u32,
        bucket: &mut Bucket,
        cost: f64,
        timeout_ms: Option<f64>,
        now: f64,
    ) -> Result<u64, Refusal> {
        bucket.settle(&self.ticks, now);
        let waiting = self.queues.len(slot);
        if !is_cost(cost) {
            return Err(Refusal::Invalid);
        }
        if cost > bucket.limit.max(bucket.tokens) {
            return Err(Refusal::CostExceedsLimit);
        }
        if waiting as u64 >= self.config.max_queue_length {
            return Err(Refusal::QueueFull);
        }
        let timeout = timeout_ms.unwrap_or(self.config.max_wait.as_secs_f64() * 1e3);
        let ticket = self.queues.push(slot, cost, now, now + timeout.min(crate::options::MAX_TIMER_MS));
        if waiting == 0 {
            self.plan(slot, bucket);
        }
        Ok(ticket)
    }

    /// Serves the client's waiters, in order, while the tokens suffice, at most `most` of them.
    pub fn serve(&mut self, slot: u32, bucket: &mut Bucket, now: f64, most: usize) -> Vec<Served> {
        bucket.settle(&self.ticks, now);
        let mut served = Vec::new();
        while let Some(head) = self.queues.head(slot).filter(|_| served.len() < most) {
            if !bucket.take(head.cost) {
                break;
            }
            self.queues.pop(slot);
            served.push(Served { ticket: head.ticket, waited_ms: (now - head.queued_at).max(0.0).round() });
        }
        self.plan(slot, bucket);
        served
    }

    /// Plans the next look at a line after its settled bucket or its head has changed: at the tick that pays for the
    /// head, and not before the next one.
    pub fn plan(&mut self, slot: u32, bucket: &Bucket) {
        let Some(head) = self.queues.head(slot) else { return };
        let tick = if self.ticks.running() { bucket.pays_at(head.cost, &self.ticks) } else { None };
        self.queues.plan(slot, tick.map(|tick| tick.max(bucket.settled + 1)));
    }

    /// A line that is due now. It counts as looked at.
    pub fn take_due(&mut self, now: f64) -> Option<u32> {
        let tick = self.ticks.at(now);
        self.queues.take_due(tick)
    }

    /// Takes the ticket out of its line, which is then looked at with the next tick. Returns its client.
    pub fn cancel(&mut self, ticket: u64, now: f64) -> Option<u32> {
        let (slot, _) = self.queues.remove(ticket)?;
        self.look_soon(slot, now);
        Some(slot)
    }

    /// A waiter whose time is up, as (client, ticket); the others of its line keep their places.
    pub fn take_expired(&mut self, now: f64) -> Option<(u32, u64)> {
        let (slot, waiter) = self.queues.take_expired(now)?;
        self.look_soon(slot, now);
        Some((slot, waiter.ticket))
    }

    fn look_soon(&mut self, slot: u32, now: f64) {
        let next = self.ticks.running().then(|| self.ticks.at(now) + 1);
        self.queues.plan(slot, next);
    }

    /// Milliseconds until a line is due or somebody's time is up; `None` when nobody waits.
    pub fn next_event_ms(&self, now: f64) -> Option<f64> {
        let due = self.queues.next_due().map(|tick| self.ticks.begins(tick));
        let next = [due, self.queues.next_deadline()].into_iter().flatten().reduce(f64::min)?;
        Some((next - now).clamp(0.0, crate::options::MAX_TIMER_MS))
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
