//! What this process holds of buckets that several processes share, so that `isAllowed` can answer at once.
//!
//! A lease is tokens that were taken from the shared bucket, at most `leaseTokens` a client. One part lies in the
//! face's array, to be spent without a question; the rest waits here, and when the first part is used up the next lease
//! is asked for while that rest is spent. What lies unused for `leaseMs` goes back.
//!
//! A client that holds nothing, and whose bucket is not known to be short, is not made to wait for the lease: half of
//! one is spent in advance, and taken from the shared bucket at once, if need be into debt, which its refills pay. It
//! holds either a lease or such a debt, so processes let through at most the limit, its refills, and one lease each.

use super::config::StoreConfig;
use super::inbox::{Answered, Inbox};
use super::insurance::Insured;
use super::message::{Acquire, Message};
use super::ops::{Op, Reply, Request};
use super::store::Figures;
use crate::clock::{Clock, SystemClock};
use crate::limit::bucket::Bucket;
use crate::limit::config::is_cost;
use crate::limit::limiter::Verdict;
use crate::limit::ticks::Ticks;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;

/// As in [`Bucket`].
const ROUNDING: f64 = 1e-9;
/// While the store is away, leases are asked for no more often than this, ms.
const ASK_AGAIN_MS: f64 = 50.0;

/// What the store last said about a bucket.
#[derive(Debug, Clone, Copy)]
struct Known {
    bucket: Bucket,
    /// The server's clock minus this process's.
    ahead: f64,
}

#[derive(Debug)]
struct Lease {
    key: Arc<str>,
    limit: f64,
    rate: f64,
    /// Leased, and not yet laid out to be spent.
    back: f64,
    /// Asked for, and not yet answered.
    asked: f64,
    /// Whether it is planned to look for what lies unused.
    watched: bool,
    /// When the store was last asked.
    asked_at: f64,
    /// No lease is to be had before.
    next_ask: f64,
    known: Option<Known>,
    /// Questions asked so far, and the first whose answer counts: those before it were asked before a change from here.
    questions: u64,
    counts_from: u64,
    /// Whether the client is still known; only to be looked at under the inbox's lock.
    open: Arc<AtomicBool>,
    /// Requests that wait for the store.
    waiting: usize,
}

/// The limiter's side of the store.
pub struct Remote {
    /// Its settings.
    pub config: StoreConfig,
    /// To the worker.
    sender: UnboundedSender<Message>,
    insured: Arc<Mutex<Insured>>,
    is_up: Box<dyn Fn() -> bool>,
    figures: Arc<Figures>,
    /// The refills of the shared buckets, on the server's clock.
    ticks: Ticks,
    inbox: Arc<Inbox>,
    leases: HashMap<u32, Lease>,
    /// When leases are looked at for what lies unused, in ms, and whose.
    expiries: BTreeSet<(u64, u32)>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Remote({} clients)", self.leases.len())
    }
}

impl Remote {
    /// A side without clients. `is_up` tells whether the store answers.
    pub fn new(
        config: StoreConfig,
        interval_ms: f64,
        sender: UnboundedSender<Message>,
        insured: Arc<Mutex<Insured>>,
        is_up: Box<dyn Fn() -> bool>,
        figures: Arc<Figures>,
    ) -> Self {
        let mut ticks = Ticks::new(interval_ms);
        ticks.start(0.0);
        let (inbox, leases, expiries) = Default::default();
        Self { config, sender, insured, is_up, figures, ticks, inbox, leases, expiries }
    }

    /// The key of a client's bucket: its id, or a digest of it, behind the prefix.
    pub fn key_of(&self, id: &str) -> Arc<str> {
        let prefix = &self.config.engine.prefix;
        if self.config.plain_keys {
            return [prefix, id].concat().into();
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, id.as_bytes());
        let mut key = String::with_capacity(prefix.len() + 32);
        key.push_str(prefix);
        for byte in &digest.as_ref()[..16] {
            key.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            key.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        }
        key.into()
    }

    fn lease_tokens(&self, limit: f64) -> f64 {
        self.config.lease_tokens.min(limit)
    }

    /// A new client; lays out what it may spend in advance.
    pub fn open(&mut self, slot: u32, id: &str, limit: f64, rate: f64, bucket: &mut Bucket, now: f64) {
        let lease = Lease {
            key: self.key_of(id),
            limit,
            rate,
            back: 0.0,
            asked: 0.0,
            watched: false,
            asked_at: now,
            next_ask: 0.0,
            known: None,
            questions: 0,
            counts_from: 0,
            open: Arc::new(AtomicBool::new(true)),
            waiting: self.waiting(slot),
        };
        (bucket.tokens, bucket.limit, bucket.refill_rate, bucket.blocked_until) = (0.0, limit, 0.0, 0.0);
        self.leases.insert(slot, lease);
    }

    fn lease_ms(&self) -> f64 {
        self.config.lease.as_secs_f64() * 1e3
    }

    fn request(lease: &Lease, ops: Vec<Op>) -> Request {
        Request { key: lease.key.clone(), limit: lease.limit, rate: lease.rate, ops }
    }

    /// Asks questions whose last one may be for a lease.
    fn ask(&mut self, slot: u32, ops: Vec<Op>) {
        let asked = ops.last().map_or(0.0, |op| if let Op::Lease(most) = op { *most } else { 0.0 });
        let Some(lease) = self.leases.get_mut(&slot) else { return };
        lease.questions += 1;
        let (inbox, open, question) = (self.inbox.clone(), lease.open.clone(), lease.questions);
        let request = Self::request(lease, ops);
        let (again, back) = (self.sender.clone(), Request { ops: Vec::new(), ..request.clone() });
        let answered = move |reply: Option<Reply>| {
            let granted = reply.as_ref().and_then(|reply| reply.answers.last().copied()).filter(|_| asked > 0.0);
            let granted = granted.unwrap_or(0.0);
            if !inbox.push(Answered { slot, question, asked, granted, reply }, &open) && granted > 0.0 {
                let _ = again.send(Message::Call(Request { ops: vec![Op::Give(granted)], ..back }, Box::new(|_| ())));
            }
        };
        // Nobody hears it when the worker has ended, which it does only after this.
        let _ = self.sender.send(Message::Call(request, Box::new(answered)));
    }

    /// Takes in what the store has answered.
    pub fn hear(&mut self, now: f64) {
        let answers = self.inbox.take();
        self.heard(answers, now);
    }

    fn heard(&mut self, answers: Vec<Answered>, now: f64) {
        for Answered { slot, question, asked, granted, reply } in answers {
            let lease_ms = self.lease_ms();
            let Some(lease) = self.leases.get_mut(&slot) else { continue };
            lease.back += granted;
            if asked > 0.0 {
                lease.asked = (lease.asked - asked).max(0.0);
                lease.next_ask = match &reply {
                    None => now + ASK_AGAIN_MS,
                    Some(reply) if granted < asked => {
                        let wait = reply.bucket.retry_after_ms(1.0_f64.min(asked), &self.ticks, reply.now);
                        now + wait.clamp(1.0, lease_ms)
                    }
                    Some(_) => 0.0,
                };
            }
            if let Some(reply) = reply.filter(|_| question >= lease.counts_from) {
                (lease.limit, lease.rate) = (reply.bucket.limit, reply.bucket.refill_rate);
                lease.known = Some(Known { bucket: reply.bucket, ahead: reply.now - now });
            }
        }
    }

    /// Something is changed from here: what was asked before says nothing about it.
    fn changed(lease: &mut Lease) {
        lease.known = None;
        lease.counts_from = lease.questions + 1;
        if lease.asked == 0.0 {
            lease.next_ask = 0.0;
        }
    }

    /// A direct probe: spends what is leased, and sees to the next lease.
    pub fn take(&mut self, slot: u32, bucket: &mut Bucket, cost: f64, now: f64) -> Verdict {
        if !is_cost(cost) {
            return Verdict::Invalid;
        }
        self.hear(now);
        self.take_over(slot, bucket, now);
        let up = (self.is_up)();
        self.lay_out(slot, bucket, cost, up, now);
        let paid = bucket.take(cost);
        self.see_to_lease(slot, bucket, cost, paid, now);
        match () {
            () if paid => Verdict::Allowed,
            () if up || bucket.blocked_until > 0.0 => Verdict::Denied,
            () => self.insured(slot, cost),
        }
    }

    /// Lays out the rest of the lease when the first part is used up; when there is nothing at all, an advance.
    fn lay_out(&mut self, slot: u32, bucket: &mut Bucket, cost: f64, up: bool, now: f64) {
        let most = self.lease_tokens(bucket.limit);
        let Some(lease) = self.leases.get_mut(&slot).filter(|_| bucket.tokens + ROUNDING < cost) else { return };
        bucket.tokens += std::mem::take(&mut lease.back);
        let nothing = bucket.tokens < 1.0_f64.min(most) && lease.asked == 0.0 && now >= lease.next_ask;
        let known_short = lease.known.is_some_and(|mut known| {
            known.bucket.settle(&self.ticks, now + known.ahead);
            known.bucket.tokens < most
        });
        if !(nothing && up && bucket.blocked_until == 0.0) || known_short {
            return;
        }
        let advance = advance(most);
        bucket.tokens += advance;
        (lease.asked, lease.next_ask, lease.asked_at) = (most - advance, f64::INFINITY, now);
        let asked = lease.asked;
        self.ask(slot, vec![Op::Debit(advance), Op::Lease(asked)]);
        self.watch(slot, now);
    }

    /// Asks for the next lease in time; and now and then whether another process has blocked or limited the client.
    fn see_to_lease(&mut self, slot: u32, bucket: &Bucket, cost: f64, paid: bool, now: f64) {
        let (most, lease_ms) = (self.lease_tokens(bucket.limit), self.lease_ms());
        let Some(lease) = self.leases.get_mut(&slot) else { return };
        let most = most.max(if paid { 0.0 } else { cost.min(lease.limit) });
        let held = bucket.tokens + lease.back + lease.asked;
        let short = if paid { held <= most / 2.0 } else { held < most };
        let may_ask = lease.asked == 0.0 && now >= lease.next_ask;
        let ask = may_ask && short && bucket.blocked_until == 0.0;
        if !(ask || may_ask && now - lease.asked_at >= lease_ms) {
            return;
        }
        lease.asked_at = now;
        let op = if ask { Op::Lease(most - held) } else { Op::Look };
        if ask {
            // Not again before there is an answer.
            (lease.asked, lease.next_ask) = (most - held, f64::INFINITY);
        }
        self.ask(slot, vec![op]);
        self.watch(slot, now);
    }

    fn watch(&mut self, slot: u32, from: f64) {
        let at = (from + self.lease_ms()) as u64 + 1;
        if let Some(lease) = self.leases.get_mut(&slot).filter(|lease| !lease.watched) {
            lease.watched = true;
            self.expiries.insert((at, slot));
        }
    }

    fn insured(&self, slot: u32, cost: f64) -> Verdict {
        let Some(lease) = self.leases.get(&slot) else { return Verdict::Denied };
        let mut insured = self.insured.lock().unwrap_or_else(PoisonError::into_inner);
        // On the worker's clock, which asks it too.
        let now = SystemClock.monotonic_millis();
        let reply = insured.answer(&Self::request(lease, vec![Op::Probe(cost, 1)]), now);
        let paid = reply.is_some_and(|reply| reply.answers.first() == Some(&1.0));
        if paid { Verdict::Allowed } else { Verdict::Denied }
    }

    /// Takes over a limit or a block that another process has set.
    pub fn take_over(&mut self, slot: u32, bucket: &mut Bucket, now: f64) {
        let Some(lease) = self.leases.get_mut(&slot) else { return };
        if bucket.blocked_until <= now {
            bucket.blocked_until = 0.0;
        }
        bucket.limit = lease.limit;
        let Some(known) = lease.known else { return };
        let until = known.bucket.blocked_until - known.ahead;
        bucket.blocked_until = if until > now { until } else { 0.0 };
        if bucket.blocked_until == 0.0 {
            return;
        }
        let unused = std::mem::take(&mut bucket.tokens) + std::mem::take(&mut lease.back);
        if unused > 0.0 {
            self.ask(slot, vec![Op::Give(unused)]);
        }
    }

    /// A client whose lease may lie unused: [`Remote::give_back`] is to be told of it.
    pub fn unused(&mut self, now: f64) -> Option<u32> {
        loop {
            let &(at, slot) = self.expiries.first().filter(|&&(at, _)| at as f64 <= now)?;
            self.expiries.remove(&(at, slot));
            if let Some(lease) = self.leases.get_mut(&slot) {
                lease.watched = false;
                return Some(slot);
            }
        }
    }

    /// Milliseconds until a lease may lie unused; `None` when there is none.
    pub fn next_unused_ms(&self, now: f64) -> Option<f64> {
        self.expiries.first().map(|&(at, _)| (at as f64 - now).max(0.0))
    }

    /// Sends a client's lease back, if it has not been used for `leaseMs`.
    pub fn give_back(&mut self, slot: u32, bucket: &mut Bucket, now: f64) {
        self.hear(now);
        let lease_ms = self.lease_ms();
        let Some(lease) = self.leases.get_mut(&slot) else { return };
        if now - bucket.last_access < lease_ms || lease.asked > 0.0 {
            return self.watch(slot, bucket.last_access.max(now - lease_ms / 2.0));
        }
        let unused = std::mem::take(&mut bucket.tokens) + std::mem::take(&mut lease.back);
        if unused > 0.0 {
            self.ask(slot, vec![Op::Give(unused)]);
        }
    }

    /// Forgets a client, whose lease goes back.
    pub fn forget(&mut self, slot: u32, held: f64) {
        let Some(open) = self.leases.get(&slot).map(|lease| lease.open.clone()) else { return };
        let answers = self.inbox.take_and_close(Some(&open));
        self.heard(answers, 0.0);
        let unused = held + self.leases.get(&slot).map_or(0.0, |lease| lease.back);
        if unused > 0.0 {
            self.ask(slot, vec![Op::Give(unused)]);
        }
        self.leases.remove(&slot);
    }

    /// Puts tokens in or, below zero, takes them out; fills the bucket without a number.
    pub fn adjust(&mut self, slot: u32, bucket: &mut Bucket, by: f64, now: f64) {
        self.hear(now);
        self.take_over(slot, bucket, now);
        let Some(lease) = self.leases.get_mut(&slot) else { return };
        Self::changed(lease);
        let op = match () {
            () if by.is_nan() => {
                bucket.blocked_until = 0.0;
                Op::Fill
            }
            () if by < 0.0 => {
                // What is leased is a part of what the client has.
                let from_back = lease.back.min(-by);
                lease.back -= from_back;
                let from_front = bucket.tokens.min(-by - from_back);
                bucket.tokens -= from_front;
                Op::Remove(-by - from_back - from_front)
            }
            () => Op::Give(by),
        };
        if op != Op::Remove(0.0) {
            self.ask(slot, vec![op]);
        }
    }

    /// Denies everything for so long, everywhere; 0 ends it. Other processes learn of it with their next lease.
    pub fn block(&mut self, slot: u32, bucket: &mut Bucket, ms: f64, now: f64) {
        self.hear(now);
        let Some(lease) = self.leases.get_mut(&slot) else { return };
        let unused = bucket.tokens + std::mem::take(&mut lease.back);
        bucket.tokens = 0.0;
        bucket.blocked_until = if ms > 0.0 { now + ms } else { 0.0 };
        Self::changed(lease);
        self.ask(slot, vec![Op::Give(unused), Op::Block(ms)]);
    }

    /// Gives a client its own limit, everywhere, and a full bucket.
    pub fn set(&mut self, slot: u32, bucket: &mut Bucket, limit: f64, rate: Option<f64>, now: f64) {
        self.hear(now);
        let Some(lease) = self.leases.get_mut(&slot) else { return };
        let rate = rate.unwrap_or(lease.rate);
        Self::changed(lease);
        (lease.limit, lease.rate, lease.back) = (limit, rate, 0.0);
        (bucket.tokens, bucket.limit) = (0.0, limit);
        self.ask(slot, vec![Op::Rate(rate), Op::Limit(limit)]);
    }

    /// Other terms for a client that has none of its own in the store.
    pub fn terms(&mut self, slot: u32, bucket: &mut Bucket, limit: f64, rate: f64) {
        let Some(lease) = self.leases.get_mut(&slot) else { return };
        Self::changed(lease);
        (lease.limit, lease.rate, bucket.limit) = (limit, rate, limit);
        bucket.tokens = bucket.tokens.min(limit);
    }

    /// What is known of the client without asking: whether a probe passes, milliseconds until the store may pay, tokens
    /// at hand and known to be in the store, and milliseconds until the bucket is full.
    pub fn look(&mut self, slot: u32, bucket: &mut Bucket, cost: f64, now: f64) -> (bool, f64, f64, f64) {
        self.hear(now);
        self.take_over(slot, bucket, now);
        let Some(lease) = self.leases.get(&slot) else { return (is_cost(cost), 0.0, bucket.limit, 0.0) };
        let held = bucket.tokens + lease.back;
        let allowed = is_cost(cost) && bucket.blocked_until == 0.0 && cost <= held + ROUNDING;
        let blocked = (bucket.blocked_until - now).max(0.0).ceil();
        let Some(known) = lease.known else {
            let retry = if cost > lease.limit { f64::INFINITY } else { blocked };
            return (allowed, if allowed { 0.0 } else { retry }, held.max(lease.limit).floor(), 0.0);
        };
        let mut there = known.bucket;
        let server = now + known.ahead;
        there.settle(&self.ticks, server);
        let retry = there.retry_after_ms(cost, &self.ticks, server).max(blocked);
        let full = there.retry_after_ms(there.limit, &self.ticks, server);
        (allowed, if allowed { 0.0 } else { retry }, (held + there.tokens.max(0.0)).min(lease.limit).floor(), full)
    }

    /// Somebody who wants tokens from the store itself.
    pub fn acquire(&mut self, slot: u32, ticket: u64, cost: f64, timeout_ms: f64, in_turn: bool) -> bool {
        let Some(lease) = self.leases.get_mut(&slot) else { return false };
        lease.waiting += 1;
        let (key, limit, rate) = (lease.key.clone(), lease.limit, lease.rate);
        let acquire = Acquire { ticket, slot, key, limit, rate, cost, timeout_ms, in_turn };
        self.sender.send(Message::Acquire(acquire)).is_ok()
    }

    /// One of those who wanted tokens has left or was answered.
    pub fn left(&mut self, slot: u32) {
        if let Some(lease) = self.leases.get_mut(&slot) {
            lease.waiting = lease.waiting.saturating_sub(1);
        }
    }

    /// How many of this client's requests wait for the store.
    pub fn waiting(&self, slot: u32) -> usize {
        self.leases.get(&slot).map_or(0, |lease| lease.waiting)
    }

    /// To the worker; lost when it has ended.
    pub fn send(&self, message: Message) {
        let _ = self.sender.send(message);
    }

    /// A question about a client's bucket, for [`Message::Call`].
    pub fn question(&self, id: &str, limit: f64, rate: f64, ops: Vec<Op>) -> Request {
        Request { key: self.key_of(id), limit, rate, ops }
    }

    /// The refills of the shared buckets, on the server's clock.
    pub fn ticks(&self) -> &Ticks {
        &self.ticks
    }

    /// What was asked of the store so far.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Whether the store answers, as far as is known.
    pub fn is_up(&self) -> bool {
        (self.is_up)()
    }
}

/// What a new client may spend before the store was asked: half a lease, in whole tokens if that is one.
fn advance(lease_tokens: f64) -> f64 {
    let half = lease_tokens / 2.0;
    if half >= 1.0 { half.floor() } else { lease_tokens.min(1.0) }
}
