//! Who waits for tokens: a line for each client, in arrival order, and when something is due.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// One waiting request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waiter {
    /// Its name; later arrivals have larger ones.
    pub ticket: u64,
    /// Tokens it waits for.
    pub cost: f64,
    /// When it came, ms.
    pub queued_at: f64,
    deadline: u64,
}

#[derive(Debug, Default)]
struct Line {
    waiters: VecDeque<Waiter>,
    due: Option<u64>,
}

/// The lines of all clients of a limiter. Clients without waiters take no place.
#[derive(Debug, Default)]
pub struct Queues {
    lines: HashMap<u32, Line>,
    owners: HashMap<u64, u32>,
    due: BTreeSet<(u64, u32)>,
    deadlines: BTreeSet<(u64, u64)>,
    last_ticket: u64,
}

/// Deadlines are ordered as whole microseconds.
fn micros(ms: f64) -> u64 {
    (ms * 1e3) as u64
}

impl Queues {
    /// How many wait for this client.
    pub fn len(&self, slot: u32) -> usize {
        if self.lines.is_empty() { 0 } else { self.lines.get(&slot).map_or(0, |line| line.waiters.len()) }
    }

    /// Whether nobody waits at all.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Adds a waiter at the end of the client's line.
    pub fn push(&mut self, slot: u32, cost: f64, now: f64, deadline_ms: f64) -> u64 {
        self.last_ticket += 1;
        let (ticket, deadline) = (self.last_ticket, micros(deadline_ms));
        self.lines.entry(slot).or_default().waiters.push_back(Waiter { ticket, cost, queued_at: now, deadline });
        self.owners.insert(ticket, slot);
        self.deadlines.insert((deadline, ticket));
        ticket
    }

    /// Who is next.
    pub fn head(&self, slot: u32) -> Option<Waiter> {
        self.lines.get(&slot)?.waiters.front().copied()
    }

    /// Takes the next one out of the line.
    pub fn pop(&mut self, slot: u32) -> Option<Waiter> {
        let head = self.head(slot)?;
        self.remove(head.ticket)?;
        Some(head)
    }

    /// Takes one out, wherever it stands; the others keep their places. Returns its client and what it was.
    pub fn remove(&mut self, ticket: u64) -> Option<(u32, Waiter)> {
        let slot = self.owners.remove(&ticket)?;
        let line = self.lines.get_mut(&slot)?;
        let index = line.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()?;
        let waiter = line.waiters.remove(index)?;
        self.deadlines.remove(&(waiter.deadline, ticket));
        if line.waiters.is_empty() {
            self.plan(slot, None);
            self.lines.remove(&slot);
        }
        Some((slot, waiter))
    }

    /// Sets the tick at which the client's line has to be looked at.
    pub fn plan(&mut self, slot: u32, tick: Option<u64>) {
        let Some(line) = self.lines.get_mut(&slot) else { return };
        if let Some(before) = line.due {
            self.due.remove(&(before, slot));
        }
        line.due = tick;
        if let Some(tick) = tick {
            self.due.insert((tick, slot));
        }
    }

    /// The earliest tick at which a line has to be looked at.
    pub fn next_due(&self) -> Option<u64> {
        self.due.first().map(|&(tick, _)| tick)
    }

    /// The earliest deadline, ms.
    pub fn next_deadline(&self) -> Option<f64> {
        self.deadlines.first().map(|&(deadline, _)| deadline as f64 / 1e3)
    }

    /// A line that is due at `tick`. It is looked at again one tick later unless it is planned anew before.
    pub fn take_due(&mut self, tick: u64) -> Option<u32> {
        let &(due, slot) = self.due.first()?;
        if due > tick {
            return None;
        }
        self.plan(slot, Some(tick + 1));
        Some(slot)
    }

    /// A waiter whose deadline has passed, taken out of its line.
    pub fn take_expired(&mut self, now: f64) -> Option<(u32, Waiter)> {
        let &(deadline, ticket) = self.deadlines.first()?;
        if deadline > micros(now) { None } else { self.remove(ticket) }
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        *self = Self { last_ticket: self.last_ticket, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_served_in_arrival_order() {
        let mut queues = Queues::default();
        let tickets: Vec<_> = (0..5).map(|_| queues.push(7, 1.0, 0.0, 100.0)).collect();
        assert_eq!(queues.len(7), 5);
        queues.remove(tickets[2]);
        let served: Vec<_> = std::iter::from_fn(|| queues.pop(7)).map(|waiter| waiter.ticket).collect();
        assert_eq!(served, [tickets[0], tickets[1], tickets[3], tickets[4]]);
        assert!(queues.is_empty() && queues.next_deadline().is_none());
    }

    #[test]
    fn only_those_past_their_deadline_expire() {
        let mut queues = Queues::default();
        let late = queues.push(1, 1.0, 0.0, 300.0);
        let soon = queues.push(1, 1.0, 0.0, 100.0);
        assert_eq!(queues.next_deadline(), Some(100.0));
        assert!(queues.take_expired(99.0).is_none());
        assert_eq!(queues.take_expired(100.0).unwrap().1.ticket, soon);
        assert!(queues.take_expired(100.0).is_none());
        assert_eq!(queues.head(1).unwrap().ticket, late);
    }

    #[test]
    fn due_lines_come_earliest_first_and_only_once_a_tick() {
        let mut queues = Queues::default();
        for (slot, tick) in [(1, 9), (2, 5), (3, 7)] {
            queues.push(slot, 1.0, 0.0, 100.0);
            queues.plan(slot, Some(tick));
        }
        assert_eq!(queues.next_due(), Some(5));
        let due: Vec<_> = std::iter::from_fn(|| queues.take_due(7)).collect();
        assert_eq!(due, [2, 3]);
        assert_eq!(queues.next_due(), Some(8));
        while queues.pop(2).is_some() {}
        assert_eq!(queues.take_due(8), Some(3));
    }
}
