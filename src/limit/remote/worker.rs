//! The task that asks the store: what was asked in one turn leaves together, requests of one client in one question.
//!
//! Requests of a client stand in a line and are asked about in order, one question under way at a time; whoever is
//! refused is asked about again with the refill that pays for him. What is under way when its caller leaves, or runs
//! out of time, and is granted all the same, is given back.

use super::insurance::Insured;
use super::journey::{Journey, Journeys};
use super::message::{Acquire, Message, Outcome, Verdict};
use super::ops::{Op, Reply, Request};
use super::store::{Departed, Origin, Store};
use crate::clock::{Clock, SystemClock};
use crate::limit::queue::{LineId, Queues};
use crate::limit::ticks::Ticks;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Waiters of one client that one question is about.
const MOST_HEADS: usize = 1024;
/// A refill is not asked about sooner than this after the last answer, ms: the clocks of two machines differ a little.
const SOONEST_MS: f64 = 1.0;
/// Calls that may be under way.
const MOST_AT_A_TIME: usize = 512;
/// Calls that may be under way before another one waits until it is full.
const PARTIAL_AT_A_TIME: usize = 4;
/// The same while the last call took less than [`QUICK_MS`]: one that the server answers while this process attends to
/// the other. A server answers what has come together in one go, so with more of them both would take turns in waiting
/// for each other.
const PARTIAL_WHEN_QUICK: usize = 2;
/// A call that takes this long, ms, goes over a slow network, where waiting for it costs more than that.
const QUICK_MS: f64 = 5.0;
/// So many outcomes are told in two parts.
const PARTED_FROM: usize = 16;
/// Waits for a block that somebody may lift, ms.
const LOOK_AGAIN_MS: f64 = 1000.0;

#[derive(Debug)]
struct Line {
    key: Arc<str>,
    limit: f64,
    rate: f64,
    asking: bool,
    refused: bool,
    remaining: f64,
    retry_at: f64,
}

/// See the module.
pub struct Worker<S> {
    store: Arc<S>,
    insured: Arc<Mutex<Insured>>,
    tell: Box<dyn Fn(Vec<Outcome>) + Send>,
    max_queue_length: usize,
    ticks: Ticks,
    interval_ms: f64,
    queues: Queues,
    lines: HashMap<LineId, Line>,
    /// Who did not want to wait and has no answer yet.
    probing: HashSet<u64>,
    leaving: Vec<Departed>,
    journeys: Journeys,
    /// How long the last journey took, ms.
    took_ms: f64,
    flushes: Vec<Flush>,
    /// Whether a call failed since the last flush.
    failed: bool,
    outcomes: Vec<Outcome>,
}

struct Flush {
    open: HashSet<u64>,
    confirmed: bool,
    tell: Box<dyn FnOnce(bool) + Send>,
}

impl<S: Store> Worker<S> {
    /// A worker for buckets that are refilled every `interval_ms`.
    pub fn new(
        store: Arc<S>,
        insured: Arc<Mutex<Insured>>,
        interval_ms: f64,
        max_queue_length: u64,
        tell: Box<dyn Fn(Vec<Outcome>) + Send>,
    ) -> Self {
        let mut ticks = Ticks::new(interval_ms);
        ticks.start(0.0);
        Self {
            store,
            insured,
            tell,
            max_queue_length: max_queue_length as usize,
            ticks,
            interval_ms,
            queues: Queues::default(),
            lines: HashMap::new(),
            probing: HashSet::new(),
            leaving: Vec::new(),
            journeys: Journeys::default(),
            took_ms: 0.0,
            flushes: Vec::new(),
            failed: false,
            outcomes: Vec::new(),
        }
    }

    /// Works until nobody can ask any more and everything is answered.
    pub async fn run(mut self, mut inbox: UnboundedReceiver<Message>) {
        let mut open = true;
        while open || !self.journeys.is_empty() || !self.leaving.is_empty() {
            let now = SystemClock.monotonic_millis();
            let wake = self.next_event(now).map(|ms| Duration::from_secs_f64(ms / 1e3));
            tokio::select! {
                biased;
                message = inbox.recv(), if open => {
                    open = message.is_some();
                    let now = SystemClock.monotonic_millis();
                    self.hear(message.unwrap_or(Message::Stop), now);
                    while let Ok(message) = inbox.try_recv() {
                        self.hear(message, now);
                    }
                }
                Some((journey, answered)) = self.journeys.next() => self.returned(journey, answered, SystemClock.monotonic_millis()),
                // The answers of a busy loop may lie in its socket: they come first.
                () = tokio::time::sleep(wake.unwrap_or_default()), if wake.is_some() => self.store.hurry().await,
            }
            self.tell();
            while let Some((journey, answered)) = self.journeys.back() {
                self.returned(journey, answered, SystemClock.monotonic_millis());
                self.tell();
            }
            self.look(SystemClock.monotonic_millis());
            self.depart();
            self.tell();
        }
    }

    /// Tells what became of everybody, each call's apart, and in two parts what the server has just said while it has
    /// nothing else to do: it works on what the first ask next while the others hear of it.
    fn tell(&mut self) {
        if self.outcomes.len() >= PARTED_FROM && self.journeys.is_empty() && self.leaving.is_empty() {
            let rest = self.outcomes.split_off(self.outcomes.len() / 2);
            (self.tell)(std::mem::replace(&mut self.outcomes, rest));
        }
        if !self.outcomes.is_empty() {
            (self.tell)(std::mem::take(&mut self.outcomes));
        }
    }

    fn next_event(&self, now: f64) -> Option<f64> {
        let due = self.queues.next_due().map(|micros| micros as f64 / 1e3);
        let next = [due, self.queues.next_deadline()].into_iter().flatten().reduce(f64::min)?;
        Some((next - now).clamp(0.0, crate::options::MAX_TIMER_MS))
    }

    fn hear(&mut self, message: Message, now: f64) {
        match message {
            Message::Acquire(acquire) if acquire.in_turn => self.stand_in_line(acquire, now),
            Message::Acquire(Acquire { ticket, key, limit, rate, cost, .. }) => {
                let request = Request { key, limit, rate, ops: vec![Op::Probe(cost, 1)] };
                self.probing.insert(ticket);
                self.leaving.push(Departed { request, origin: Origin::Probe { ticket, cost } });
            }
            Message::Withdraw(ticket) => self.leave(ticket),
            Message::Call(request, answered) => {
                self.leaving.push(Departed { request, origin: Origin::Call(answered) });
            }
            Message::Flush(tell) => {
                self.depart_all();
                let open = self.journeys.numbers().collect();
                self.flushes.push(Flush { open, confirmed: !std::mem::take(&mut self.failed), tell });
                self.settle_flushes();
            }
            Message::Stop => {
                self.queues.clear();
                self.lines.clear();
                self.probing.clear();
            }
        }
    }

    fn stand_in_line(&mut self, acquire: Acquire, now: f64) {
        let Acquire { ticket, slot, key, limit, rate, cost, timeout_ms, .. } = acquire;
        let id = LineId::of(slot);
        let line = self.lines.entry(id).or_insert_with(|| Line {
            key: key.clone(),
            limit,
            rate,
            asking: false,
            refused: false,
            remaining: 0.0,
            retry_at: now,
        });
        (line.key, line.limit, line.rate) = (key, limit, rate);
        if self.queues.len(slot) >= self.max_queue_length {
            let (remaining, retry_after_ms) = (line.remaining, (line.retry_at - now).max(0.0));
            let verdict = Verdict::LineFull;
            return self.outcomes.push(Outcome { ticket, verdict, remaining, retry_after_ms, waited_ms: 0.0 });
        }
        let first = self.queues.head(id).is_none();
        let deadline = now + timeout_ms.min(crate::options::MAX_TIMER_MS);
        self.queues.push_numbered(ticket, id, cost, now, deadline);
        if first && !line.asking {
            self.queues.plan(id, Some(0));
        }
    }

    /// Tells, too: whoever was answered before this was heard is known to have been granted his tokens.
    fn leave(&mut self, ticket: u64) {
        let line = self.queues.remove(ticket).map(|(id, _)| id);
        line.into_iter().for_each(|id| self.head_left(id));
        if line.is_some() || self.probing.remove(&ticket) {
            let (verdict, remaining, retry_after_ms, waited_ms) = (Verdict::Refused, 0.0, 0.0, 0.0);
            self.outcomes.push(Outcome { ticket, verdict, remaining, retry_after_ms, waited_ms });
        }
    }

    /// The next one may be cheaper; a line without anybody is forgotten.
    fn head_left(&mut self, id: LineId) {
        let Some(line) = self.lines.get(&id) else { return };
        match (line.asking, self.queues.head(id).is_some()) {
            (false, true) => self.queues.plan(id, Some(0)),
            (false, false) => _ = self.lines.remove(&id),
            (true, _) => {}
        }
    }

    /// Asks about who is due, and turns away whose time is up.
    fn look(&mut self, now: f64) {
        while let Some((id, waiter)) = self.queues.take_expired(now) {
            let (remaining, retry_at) = self.lines.get(&id).map_or((0.0, now), |line| (line.remaining, line.retry_at));
            let (retry_after_ms, waited_ms) = ((retry_at - now).max(0.0).ceil(), (now - waiter.queued_at).round());
            let verdict = Verdict::TimedOut;
            self.outcomes.push(Outcome { ticket: waiter.ticket, verdict, remaining, retry_after_ms, waited_ms });
            self.head_left(id);
        }
        while let Some(id) = self.queues.take_due((now * 1e3) as u64) {
            self.queues.plan(id, None);
            self.ask(id);
        }
    }

    fn ask(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let mut groups: Vec<(f64, Vec<u64>)> = Vec::new();
        for waiter in self.queues.waiters(id).take(MOST_HEADS) {
            match groups.last_mut() {
                Some((cost, tickets)) if *cost == waiter.cost => tickets.push(waiter.ticket),
                _ => groups.push((waiter.cost, vec![waiter.ticket])),
            }
        }
        if groups.is_empty() {
            return;
        }
        line.asking = true;
        let ops = groups.iter().map(|(cost, tickets)| Op::Take(*cost, tickets.len() as u32)).collect();
        let request = Request { key: line.key.clone(), limit: line.limit, rate: line.rate, ops };
        self.leaving.push(Departed { request, origin: Origin::Line { id, groups } });
    }

    /// Sends what is to leave, as far as there is room: what has to wait goes together with what comes meanwhile.
    fn depart(&mut self) {
        while !self.leaving.is_empty() && self.journeys.len() < self.room() {
            self.depart_some();
        }
    }

    /// How many calls may be under way for the next one to leave.
    fn room(&self) -> usize {
        match () {
            () if self.leaving.len() >= self.store.together() => MOST_AT_A_TIME,
            () if self.took_ms < QUICK_MS => PARTIAL_WHEN_QUICK,
            () => PARTIAL_AT_A_TIME,
        }
    }

    fn depart_all(&mut self) {
        while !self.leaving.is_empty() {
            self.depart_some();
        }
    }

    fn depart_some(&mut self) {
        let count = self.leaving.len().min(self.store.together());
        let parts = self.leaving.drain(..count).map(|departed| (departed.request, departed.origin));
        let (requests, origins): (Vec<Request>, Vec<Origin>) = parts.unzip();
        self.journeys.depart(&self.store, requests, origins, SystemClock.monotonic_millis());
    }

    fn returned(&mut self, journey: Journey, answered: Option<Vec<Reply>>, now: f64) {
        let Journey { number, requests, origins, departed } = journey;
        self.took_ms = now - departed;
        for flush in &mut self.flushes {
            flush.confirmed &= !flush.open.remove(&number) || answered.is_some();
        }
        self.settle_flushes();
        self.failed |= answered.is_none() && origins.iter().any(|origin| matches!(origin, Origin::Call(_)));
        let insured = self.insured.clone();
        let mut insured = insured.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.is_some() {
            insured.end();
        }
        let from_store = answered.is_some();
        let ticks = if from_store { self.ticks.clone() } else { insured.ticks().clone() };
        let mut replies = answered.map(Vec::into_iter);
        for (request, origin) in requests.iter().zip(origins) {
            let reply = match (&mut replies, &origin) {
                (Some(replies), _) => replies.next(),
                (None, Origin::Call(_)) if !request.is_insured() => None,
                (None, _) => insured.answer(request, now),
            };
            self.arrived(request, origin, reply.map(|reply| (reply, &ticks)), now, from_store);
        }
    }

    fn settle_flushes(&mut self) {
        let (done, open) = std::mem::take(&mut self.flushes).into_iter().partition(|flush| flush.open.is_empty());
        self.flushes = open;
        Vec::into_iter(done).for_each(|flush: Flush| (flush.tell)(flush.confirmed));
    }

    fn arrived(
        &mut self,
        request: &Request,
        origin: Origin,
        reply: Option<(Reply, &Ticks)>,
        now: f64,
        from_store: bool,
    ) {
        match origin {
            Origin::Call(answered) => answered(reply.map(|(reply, _)| reply)),
            Origin::Probe { ticket, cost } => self.probe_answered(ticket, cost, request, reply, from_store),
            Origin::Line { id, groups } => self.line_answered(id, request, groups, reply, now, from_store),
        }
    }

    fn probe_answered(
        &mut self,
        ticket: u64,
        cost: f64,
        request: &Request,
        reply: Option<(Reply, &Ticks)>,
        from_store: bool,
    ) {
        let (verdict, remaining, retry_after_ms) = match reply {
            None => (Verdict::Away, 0.0, LOOK_AGAIN_MS),
            Some((reply, ticks)) => {
                let remaining = reply.bucket.tokens.max(0.0).floor();
                if reply.answers.first().is_some_and(|&times| times >= 1.0) {
                    (Verdict::Granted { waited: false }, remaining, 0.0)
                } else {
                    (Verdict::Refused, remaining, reply.bucket.retry_after_ms(cost, ticks, reply.now))
                }
            }
        };
        if self.probing.remove(&ticket) {
            self.outcomes.push(Outcome { ticket, verdict, remaining, retry_after_ms, waited_ms: 0.0 });
        } else if from_store && verdict == (Verdict::Granted { waited: false }) {
            self.give_back(cost, request);
        }
    }

    /// Gives back what was granted to somebody who had left.
    fn give_back(&mut self, amount: f64, request: &Request) {
        let request = Request { ops: vec![Op::Give(amount)], ..request.clone() };
        self.leaving.push(Departed { request, origin: Origin::Call(Box::new(|_| ())) });
    }

    fn line_answered(
        &mut self,
        id: LineId,
        request: &Request,
        groups: Vec<(f64, Vec<u64>)>,
        reply: Option<(Reply, &Ticks)>,
        now: f64,
        from_store: bool,
    ) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.asking = false;
        }
        let Some((reply, ticks)) = reply else {
            for ticket in groups.into_iter().flat_map(|(_, tickets)| tickets) {
                self.end(ticket, Verdict::Away, 0.0, LOOK_AGAIN_MS, now);
            }
            return self.head_left(id);
        };
        let remaining = reply.bucket.tokens.max(0.0).floor();
        let waited = self.lines.get(&id).is_some_and(|line| line.refused);
        let (mut nobody_wants, mut all) = (0.0, true);
        for ((cost, tickets), &granted) in groups.into_iter().zip(&reply.answers) {
            all &= granted >= tickets.len() as f64;
            for ticket in tickets.into_iter().take(granted as usize) {
                if !self.end(ticket, Verdict::Granted { waited }, remaining, 0.0, now) {
                    nobody_wants += cost;
                }
            }
        }
        if nobody_wants > 0.0 && from_store {
            self.give_back(nobody_wants, request);
        }
        let Some(line) = self.lines.get_mut(&id) else { return };
        (line.refused, line.remaining) = (!all, remaining);
        // Those who can never be paid do not hold up the others.
        while let Some(head) = self.queues.head(id).filter(|_| !all) {
            if head.cost <= reply.bucket.limit.max(reply.bucket.tokens) {
                break;
            }
            self.end(head.ticket, Verdict::TooDear, remaining, f64::INFINITY, now);
        }
        let (Some(head), Some(line)) = (self.queues.head(id), self.lines.get_mut(&id)) else {
            return self.head_left(id);
        };
        let wait = if all { 0.0 } else { reply.bucket.retry_after_ms(head.cost, ticks, reply.now).max(SOONEST_MS) };
        line.retry_at = now + wait;
        // A limit, a balance or a block may be changed by others in the meantime.
        let look = now + wait.min(LOOK_AGAIN_MS.max(self.interval_ms));
        self.queues.plan(id, Some((look * 1e3) as u64));
    }

    /// Says what became of somebody, unless he has left.
    fn end(&mut self, ticket: u64, verdict: Verdict, remaining: f64, retry_after_ms: f64, now: f64) -> bool {
        let Some((_, waiter)) = self.queues.remove(ticket) else { return false };
        let waited_ms = (now - waiter.queued_at).round();
        self.outcomes.push(Outcome { ticket, verdict, remaining, retry_after_ms, waited_ms });
        true
    }
}
