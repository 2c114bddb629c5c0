//! The limiter: buckets, ticks and lines put together.

use super::bucket::Bucket;
use super::config::{LimiterConfig, is_cost};
use super::global::Global;
use super::queue::{LineId, Queues, Waiter};
use super::remote::lease::Remote;
use super::rules::Rules;
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
    /// What all clients share, if there is such a limit.
    pub global: Option<Global>,
    /// What is held of buckets that several processes share, if they are.
    pub remote: Option<Remote>,
    /// Limits by client id.
    pub rules: Rules,
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
    /// The tokens come later than the caller would wait.
    TooLate,
    /// The client's turn for shared tokens is reserved already.
    TurnTaken,
}

/// A waiter that got its tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Served {
    /// Whose.
    pub ticket: u64,
    /// How long it waited, whole ms.
    pub waited_ms: f64,
}

impl Served {
    /// What becomes of a waiter whose tokens were taken.
    pub fn new(waiter: &Waiter, now: f64) -> Self {
        Self { ticket: waiter.ticket, waited_ms: (now - waiter.queued_at).max(0.0).round() }
    }
}

impl Limiter {
    /// A limiter that does not refill until its ticks are started.
    pub fn new(config: LimiterConfig) -> Self {
        let ticks = Ticks::new(config.refill_interval.as_secs_f64() * 1e3);
        let global = config.global.clone().map(Global::new);
        Self { config, ticks, queues: Queues::default(), global, remote: None, rules: Rules::default() }
    }

    /// A limiter whose buckets several processes share. What lies in the arrays is leases, which are not refilled; a
    /// tick is when they are looked at anew.
    pub fn over(config: LimiterConfig, remote: Remote) -> Self {
        let ticks = Ticks::new(remote.config.lease.as_secs_f64() * 1e3);
        Self { ticks, remote: Some(remote), ..Self::new(config) }
    }

    /// Refilling begins.
    pub fn start(&mut self, now: f64) {
        self.ticks.start(now);
        if let Some(global) = &mut self.global {
            global.ticks.start(now);
        }
    }

    /// Refilling ends and nobody waits any more.
    pub fn stop(&mut self, now: f64) {
        self.ticks.stop(now);
        for line in self.queues.clear() {
            self.forget_if_empty(line);
        }
        if let Some(global) = &mut self.global {
            global.ticks.stop(now);
        }
    }

    /// Settles the bucket and takes `cost`, if it is there. A direct probe: it does not look at who waits in the
    /// client's line, but leaves alone what was reserved, and what others wait for in the ring.
    pub fn take(&mut self, slot: u32, bucket: &mut Bucket, cost: f64, now: f64) -> Verdict {
        if let Some(remote) = &mut self.remote {
            bucket.settle(&self.ticks, now);
            return remote.take(slot, bucket, cost, now);
        }
        let free = self.queues.reserved(slot) == 0;
        self.take_if(free, u8::MAX, bucket, cost, now)
    }

    /// As [`Limiter::take`], but behind those who wait for the same client in this class and those before it.
    pub fn take_in_turn(&mut self, line: LineId, bucket: &mut Bucket, cost: f64, now: f64) -> Verdict {
        let first = self.queues.len_before(line) == 0 && self.queues.reserved(line.slot) == 0;
        self.take_if(first, line.class, bucket, cost, now)
    }

    fn take_if(&mut self, first: bool, class: u8, bucket: &mut Bucket, cost: f64, now: f64) -> Verdict {
        bucket.settle(&self.ticks, now);
        if !is_cost(cost) {
            return Verdict::Invalid;
        }
        let passes = self.global.as_mut().is_none_or(|global| global.lets_pass(class, cost, now));
        if !(first && passes && bucket.take(cost)) {
            return Verdict::Denied;
        }
        if let Some(global) = &mut self.global {
            global.bucket.remove(cost);
        }
        Verdict::Allowed
    }

    /// Whether the settled bucket, and what is shared, pays for a probe now, and milliseconds until it does.
    pub fn look(&mut self, slot: u32, bucket: &Bucket, cost: f64, now: f64) -> (bool, f64) {
        let (own, reserved) = (bucket.retry_after_ms(cost, &self.ticks, now), self.queues.reserved(slot) > 0);
        let own = if reserved { own.max((self.ticks.begins(bucket.settled + 1) - now).ceil()) } else { own };
        let shared = self.global.as_mut().map_or(0.0, |global| global.retry_after_ms(u8::MAX, cost, now));
        let retry = own.max(shared);
        (is_cost(cost) && retry == 0.0, retry)
    }

    /// Lets a request wait, at most `timeout_ms`. Returns its ticket.
    pub fn enqueue(
        &mut self,
        line: LineId,
        bucket: &mut Bucket,
        cost: f64,
        timeout_ms: Option<f64>,
        now: f64,
    ) -> Result<u64, Refusal> {
        self.may_wait(line, bucket, cost, now)?;
        let first = self.queues.head(line).is_none();
        let timeout = timeout_ms.unwrap_or(self.config.max_wait.as_secs_f64() * 1e3);
        let ticket = self.queues.push(line, cost, now, now + timeout.min(crate::options::MAX_TIMER_MS));
        if first {
            self.plan_line(line, bucket);
        }
        Ok(ticket)
    }

    /// Settles the bucket and refuses what may not stand in line.
    pub(super) fn may_wait(&self, line: LineId, bucket: &mut Bucket, cost: f64, now: f64) -> Result<(), Refusal> {
        bucket.settle(&self.ticks, now);
        if !is_cost(cost) {
            return Err(Refusal::Invalid);
        }
        let shared = self.global.as_ref().map_or(f64::INFINITY, |global| global.config.rate_limit);
        if cost > bucket.limit.max(bucket.tokens).min(shared) {
            return Err(Refusal::CostExceedsLimit);
        }
        let most = self.global.as_ref().map_or(u64::MAX, |global| global.config.max_queue_length);
        let (own, all) = (self.queues.len(line.slot) as u64, self.queues.total() as u64);
        if own >= self.config.max_queue_length || all >= most { Err(Refusal::QueueFull) } else { Ok(()) }
    }

    /// Serves the client's waiters, in order, while the tokens suffice, at most `most` of them.
    pub fn serve(&mut self, slot: u32, bucket: &mut Bucket, now: f64, most: usize) -> Vec<Served> {
        bucket.settle(&self.ticks, now);
        if self.global.is_some() {
            return self.serve_turn(slot, bucket, now, most);
        }
        let (line, mut served) = (LineId::of(slot), Vec::new());
        while let Some(head) = self.queues.head(line).filter(|_| served.len() < most) {
            if !bucket.take(head.cost) {
                break;
            }
            self.queues.pop(line);
            served.push(Served::new(&head, now));
        }
        self.plan(slot, bucket);
        served
    }

    /// Plans the next look at a client's lines after its settled bucket or a head has changed: at the tick that pays
    /// for the head, and not before the next one. With a shared limit, a line whose head is paid for joins the ring.
    pub fn plan(&mut self, slot: u32, bucket: &Bucket) {
        for line in self.queues.lines_of(slot) {
            self.plan_line(line, bucket);
        }
    }

    pub(super) fn plan_line(&mut self, line: LineId, bucket: &Bucket) {
        let Some(head) = self.queues.head(line) else { return };
        if let Some(global) = self.global.as_mut().filter(|_| bucket.covers(head.cost)) {
            global.join(line);
            return self.queues.plan(line, None);
        }
        let tick = if self.ticks.running() { bucket.pays_at(head.cost, &self.ticks) } else { None };
        self.queues.plan(line, tick.map(|tick| tick.max(bucket.settled + 1)));
    }

    /// The client of a line that is due now. It counts as looked at.
    pub fn take_due(&mut self, now: f64) -> Option<u32> {
        let tick = self.ticks.at(now);
        self.queues.take_due(tick).map(|line| line.slot)
    }

    /// Takes the ticket out of its line, which is then looked at with the next tick. Returns its client.
    pub fn cancel(&mut self, ticket: u64, now: f64) -> Option<u32> {
        let (line, _) = self.queues.remove(ticket)?;
        self.look_soon(line, now);
        Some(line.slot)
    }

    /// A waiter whose time is up, as (client, ticket); the others of its line keep their places.
    pub fn take_expired(&mut self, now: f64) -> Option<(u32, u64)> {
        let (line, waiter) = self.queues.take_expired(now)?;
        self.look_soon(line, now);
        Some((line.slot, waiter.ticket))
    }

    fn look_soon(&mut self, line: LineId, now: f64) {
        self.forget_if_empty(line);
        // In the ring it has its turn; elsewhere the new head may be cheaper.
        let in_ring = self.global.as_ref().is_some_and(|global| global.fair.has(line));
        let next = (self.ticks.running() && !in_ring).then(|| self.ticks.at(now) + 1);
        self.queues.plan(line, next);
    }

    /// What is remembered of a line goes with its last waiter.
    pub fn forget_if_empty(&mut self, line: LineId) {
        if let Some(global) = self.global.as_mut().filter(|_| self.queues.head(line).is_none()) {
            global.forget(line);
        }
    }

    /// Milliseconds until a line is due or somebody's time is up; `None` when nobody waits.
    pub fn next_event_ms(&mut self, now: f64) -> Option<f64> {
        let turn = self.next_turn_ms(now).map(|ms| now + ms);
        let due = self.queues.next_due().map(|tick| self.ticks.begins(tick));
        let next = [due, turn, self.queues.next_deadline()].into_iter().flatten().reduce(f64::min)?;
        Some((next - now).clamp(0.0, crate::options::MAX_TIMER_MS))
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
