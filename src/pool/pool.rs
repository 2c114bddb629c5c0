//! The state machine: slots, waiters, and the commands it leaves for whoever holds the connections.
//!
//! Time is passed in (monotonic nanoseconds). Nothing here blocks, allocates on the borrow path or runs foreign code.

use super::command::{AfterFailure, Command, Grant, Purpose, Refusal, Release};
use super::config::{LIFETIME_JITTER, PoolConfig, RETRY_BACKOFF};
use super::stats::{Counters, PoolStats};
use std::collections::VecDeque;
use std::time::Duration;

/// A time that was not read, because reading the clock costs more than lending a connection: [`Pool::acquire`] and
/// [`Pool::release`] take it where [`Pool::needs_time`] says no. [`Pool::reap`] then dates what it first sees idle.
pub const UNDATED: u64 = u64::MAX;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Empty,
    Creating {
        purpose: Purpose,
        attempts: u32,
    },
    Idle {
        since: u64,
    },
    /// Tested on behalf of a waiter; in nobody's hands.
    Testing,
    Active,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    state: State,
    /// Tells reports about an earlier connection of this slot from those about the present one.
    epoch: u32,
    /// When its connection has been used for long enough.
    expires: u64,
}

/// The pool. See the module's documentation for the invariants.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    slots: Vec<Slot>,
    /// Every slot below this index is not idle.
    first_idle: usize,
    idle: usize,
    active: usize,
    creating: usize,
    testing: usize,
    waiters: VecDeque<u64>,
    last_waiter: u64,
    commands: VecDeque<Command>,
    draining: bool,
    counters: Counters,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Never nothing, so that whoever comes back for it is not early.
fn nanos_until(end: u64, now: u64) -> Duration {
    Duration::from_nanos(end.saturating_sub(now)).max(Duration::from_millis(10))
}

impl Pool {
    /// An empty pool.
    pub fn new(config: PoolConfig) -> Self {
        Self {
            config,
            slots: Vec::new(),
            first_idle: 0,
            idle: 0,
            active: 0,
            creating: 0,
            testing: 0,
            waiters: VecDeque::new(),
            last_waiter: 0,
            commands: VecDeque::new(),
            draining: false,
            counters: Counters::default(),
        }
    }

    /// The options in force.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Replaces the options; a larger maximum serves waiters at once.
    pub fn reconfigure(&mut self, config: PoolConfig) {
        self.config = config;
        self.fill();
    }

    /// Whether lending depends on the time: connections idle for long are tested.
    pub fn needs_time(&self) -> bool {
        self.config.validate_after_idle.is_some() || self.config.max_lifetime.is_some()
    }

    /// The next thing to do.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    fn size(&self) -> usize {
        self.idle + self.active + self.testing
    }

    fn used(&self) -> usize {
        self.size() + self.creating
    }

    /// Moves a slot to another state; the only place where the counts change.
    fn enter(&mut self, index: usize, state: State) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let before = std::mem::replace(&mut slot.state, state);
        if state == State::Empty {
            slot.epoch = slot.epoch.wrapping_add(1);
        }
        match before {
            State::Empty => {}
            State::Creating { .. } => self.creating -= 1,
            State::Idle { .. } => self.idle -= 1,
            State::Testing => self.testing -= 1,
            State::Active => self.active -= 1,
        }
        match state {
            State::Empty => {}
            State::Creating { .. } => self.creating += 1,
            State::Idle { .. } => {
                self.idle += 1;
                self.first_idle = self.first_idle.min(index);
            }
            State::Testing => self.testing += 1,
            State::Active => self.active += 1,
        }
    }

    fn state(&self, slot: u32) -> State {
        self.slots.get(slot as usize).map_or(State::Empty, |slot| slot.state)
    }

    fn is_current(&self, slot: u32, epoch: u32) -> bool {
        self.slots.get(slot as usize).is_some_and(|slot| slot.epoch == epoch)
    }

    /// The lowest idle slot, and since when it is idle.
    fn lowest_idle(&mut self) -> Option<(usize, u64)> {
        if self.idle == 0 {
            return None;
        }
        let found = self.slots.iter().enumerate().skip(self.first_idle).find_map(|(index, slot)| match slot.state {
            State::Idle { since } => Some((index, since)),
            _ => None,
        })?;
        self.first_idle = found.0;
        Some(found)
    }

    /// Borrows the lowest free slot, or queues the caller and has a connection made or tested for it.
    pub fn acquire(&mut self, now: u64) -> Grant {
        while !self.draining
            && let Some((index, since)) = self.lowest_idle()
        {
            if self.is_over(index, now) {
                self.expire(index);
                continue;
            }
            let stale = self.config.validate_after_idle.is_some_and(|after| now.saturating_sub(since) > nanos(after));
            if !stale {
                self.enter(index, State::Active);
                self.counters.acquired += 1;
                return Grant::Slot(index as u32);
            }
            self.start_test(index);
            break;
        }
        self.last_waiter += 1;
        self.waiters.push_back(self.last_waiter);
        self.fill();
        let unserved = self.waiters.len().saturating_sub(self.creating + self.testing);
        if unserved > self.config.max_waiting {
            self.waiters.pop_back();
            return Grant::Refused;
        }
        Grant::Wait(self.last_waiter)
    }

    fn is_over(&self, index: usize, now: u64) -> bool {
        let expires = self.slots[index].expires;
        expires != u64::MAX && expires <= now
    }

    /// Closes a connection at the end of its lifetime.
    fn expire(&mut self, index: usize) {
        self.close(index);
        self.counters.expired += 1;
    }

    /// Finds connections for the waiters that nothing under way will serve: free ones, then new ones as far as the
    /// maximum allows.
    fn fill(&mut self) {
        while !self.draining && self.waiters.len() > self.creating + self.testing {
            match self.lowest_idle() {
                Some((index, _)) if self.config.validate_after_idle.is_some() => self.start_test(index),
                Some((index, since)) => self.offer(index as u32, since),
                None if self.used() < self.config.max_connections => self.create(Purpose::Waiter),
                None => break,
            }
        }
    }

    fn start_test(&mut self, index: usize) {
        self.enter(index, State::Testing);
        self.commands.push_back(Command::Test { slot: index as u32, epoch: self.slots[index].epoch });
    }

    fn create(&mut self, purpose: Purpose) {
        let index = self.slots.iter().position(|slot| slot.state == State::Empty).unwrap_or_else(|| {
            self.slots.push(Slot { state: State::Empty, epoch: 0, expires: u64::MAX });
            self.slots.len() - 1
        });
        self.enter(index, State::Creating { purpose, attempts: 0 });
        self.commands.push_back(Command::Create { slot: index as u32, epoch: self.slots[index].epoch });
    }

    /// Asks for one more connection when there are fewer than the minimum. Returns whether there is one to be made.
    pub fn top_up(&mut self, purpose: Purpose) -> bool {
        let missing = !self.draining && self.used() < self.config.min_connections;
        if missing {
            self.create(purpose);
        }
        missing
    }

    /// The oldest waiter gets the slot, or it becomes idle.
    fn offer(&mut self, slot: u32, now: u64) {
        match self.waiters.pop_front() {
            Some(waiter) => {
                self.enter(slot as usize, State::Active);
                self.counters.acquired += 1;
                self.commands.push_back(Command::Serve { slot, waiter });
            }
            None => self.enter(slot as usize, State::Idle { since: now }),
        }
    }

    /// The slot's connection was made. `false`: nobody wants it any more, close it. `random` (0 to 1) spreads the ends.
    pub fn created(&mut self, slot: u32, epoch: u32, now: u64, random: f64) -> bool {
        let expected = matches!(self.state(slot), State::Creating { .. }) && self.is_current(slot, epoch);
        if expected {
            self.counters.created += 1;
            let lifetime = self.config.max_lifetime.map(|most| nanos(most.mul_f64(1.0 - LIFETIME_JITTER * random)));
            self.slots[slot as usize].expires = lifetime.map_or(u64::MAX, |lifetime| now.saturating_add(lifetime));
            self.offer(slot, now);
        }
        expected
    }

    /// The slot's connection could not be made. `random` (0 to 1) spreads the repetitions.
    pub fn create_failed(&mut self, slot: u32, epoch: u32, retryable: bool, random: f64) -> AfterFailure {
        let State::Creating { purpose, attempts } = self.state(slot) else { return AfterFailure::Stale };
        if !self.is_current(slot, epoch) {
            return AfterFailure::Stale;
        }
        let wanted = match purpose {
            Purpose::Initial => false,
            Purpose::Refill => true,
            Purpose::Waiter => !self.waiters.is_empty(),
        };
        if retryable && wanted && attempts < self.config.max_retries {
            self.enter(slot as usize, State::Creating { purpose, attempts: attempts + 1 });
            self.counters.retries += 1;
            return AfterFailure::Retry(RETRY_BACKOFF.delay(attempts, random));
        }
        self.counters.failures += 1;
        self.enter(slot as usize, State::Empty);
        if purpose == Purpose::Waiter
            && let Some(waiter) = self.waiters.pop_front()
        {
            self.commands.push_back(Command::Reject { waiter, why: Refusal::CreateFailed });
        }
        self.fill();
        AfterFailure::GiveUp
    }

    /// A repetition is due. `false`: the creation was given up meanwhile.
    pub fn retry_due(&self, slot: u32, epoch: u32) -> bool {
        matches!(self.state(slot), State::Creating { .. }) && self.is_current(slot, epoch)
    }

    /// A borrow ends.
    pub fn release(&mut self, slot: u32, now: u64) -> Release {
        let alone = self.commands.is_empty();
        let released = self.give_back(slot, now);
        match self.commands.back() {
            Some(&Command::Serve { waiter, .. }) if alone && self.commands.len() == 1 => {
                self.commands.pop_back();
                Release::Serve(waiter)
            }
            _ => released,
        }
    }

    /// A borrow ends, and the next begins.
    pub fn exchange(&mut self, slot: u32, now: u64) -> Grant {
        self.give_back(slot, now);
        self.acquire(now)
    }

    fn give_back(&mut self, slot: u32, now: u64) -> Release {
        if self.state(slot) != State::Active {
            return Release::Ignored;
        }
        self.counters.released += 1;
        if self.draining {
            self.close(slot as usize);
            return Release::Commands;
        }
        if self.is_over(slot as usize, now) {
            self.expire(slot as usize);
            self.fill();
            return Release::Commands;
        }
        self.offer(slot, now);
        if self.commands.is_empty() { Release::Done } else { Release::Commands }
    }

    /// Whether something is to be done: see [`Pool::next_command`].
    pub fn has_commands(&self) -> bool {
        !self.commands.is_empty()
    }

    /// A borrow ends with a connection that is no good any more: it is closed, and its room is filled if need be.
    pub fn discard(&mut self, slot: u32) -> Release {
        if self.state(slot) != State::Active {
            return Release::Ignored;
        }
        self.counters.released += 1;
        self.close(slot as usize);
        self.fill();
        Release::Commands
    }

    /// The verdict on a connection tested for a borrow.
    pub fn tested(&mut self, slot: u32, epoch: u32, healthy: bool, now: u64) {
        if self.state(slot) != State::Testing || !self.is_current(slot, epoch) {
            return;
        }
        if healthy {
            self.offer(slot, now);
        } else {
            self.close(slot as usize);
            self.fill();
        }
    }

    /// A health check found the connection bad. Only an idle one is dropped; returns whether it was.
    pub fn unhealthy(&mut self, slot: u32) -> bool {
        let idle = matches!(self.state(slot), State::Idle { .. });
        if idle {
            self.close(slot as usize);
        }
        idle
    }

    fn close(&mut self, index: usize) {
        self.enter(index, State::Empty);
        self.counters.closed += 1;
        self.commands.push_back(Command::Close { slot: index as u32 });
    }

    /// A waiter gives up. `false`: it is not waiting, because it was served or rejected.
    pub fn cancel(&mut self, waiter: u64, timed_out: bool) -> bool {
        let Ok(index) = self.waiters.binary_search(&waiter) else { return false };
        self.waiters.remove(index);
        self.counters.timeouts += u64::from(timed_out);
        true
    }

    /// Closes what was idle for too long, down to the minimum, highest slots first; never earlier than the limit, and
    /// with undated releases up to a quarter of it later. Returns when to look again; `None` when nothing can become due.
    pub fn reap(&mut self, now: u64) -> Option<Duration> {
        let limit = nanos(self.config.idle_timeout);
        for index in 0..self.slots.len() {
            if matches!(self.slots[index].state, State::Idle { .. }) && self.is_over(index, now) {
                self.expire(index);
            }
        }
        let ends = self.slots.iter().filter(|slot| slot.state != State::Empty).map(|slot| slot.expires);
        let end = ends.min().filter(|&end| end != u64::MAX).map(|end| nanos_until(end, now));
        let idle = self.reap_idle(limit, now);
        match (idle, end) {
            (Some(idle), Some(end)) => Some(idle.min(end)),
            (one, other) => one.or(other),
        }
    }

    fn reap_idle(&mut self, limit: u64, now: u64) -> Option<Duration> {
        let mut next = None;
        for index in (0..self.slots.len()).rev() {
            if self.size() <= self.config.min_connections {
                return None;
            }
            let State::Idle { since } = self.slots[index].state else { continue };
            if since == UNDATED {
                self.slots[index].state = State::Idle { since: now };
                next = Some(next.unwrap_or(u64::MAX).min(limit / 4));
                continue;
            }
            let age = now.saturating_sub(since);
            if age >= limit {
                self.close(index);
                self.counters.reaped += 1;
            } else {
                next = Some(next.unwrap_or(u64::MAX).min(limit - age));
            }
        }
        // Where all are lent, they come back undated.
        (self.size() > self.config.min_connections).then(|| Duration::from_nanos(next.unwrap_or(limit / 4)))
    }

    /// Turns the waiters away. With `gently`, only what is idle is closed now and the rest as it comes back;
    /// otherwise everything is closed. Until [`Pool::drained`], new callers wait and nothing is made.
    pub fn drain(&mut self, gently: bool) {
        // Who came during a gentle drain waits for its end.
        let turned_away = if self.draining { 0 } else { self.waiters.len() };
        self.draining = true;
        for waiter in self.waiters.drain(..turned_away) {
            self.commands.push_back(Command::Reject { waiter, why: Refusal::Drained });
        }
        for index in 0..self.slots.len() {
            match self.slots[index].state {
                State::Empty => {}
                State::Creating { .. } => self.enter(index, State::Empty),
                State::Active if gently => {}
                _ => self.close(index),
            }
        }
    }

    /// The drain is over: the pool may be used again.
    pub fn drained(&mut self) {
        self.draining = false;
        self.fill();
    }

    /// Whether the slot is in somebody's hands.
    pub fn is_active(&self, slot: u32) -> bool {
        self.state(slot) == State::Active
    }

    /// A snapshot.
    pub fn stats(&self) -> PoolStats {
        PoolStats {
            counters: self.counters.clone(),
            active: self.active,
            size: self.size(),
            available: self.idle,
            creating: self.creating,
            waiting: self.waiters.len(),
            utilization: PoolStats::utilization(self.active, self.config.max_connections),
        }
    }
}

#[cfg(test)]
#[path = "pool_test.rs"]
mod tests;
