//! Who waits for tokens: a line for each client, in arrival order, and when something is due.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// Names a line. A client has one for each class of priority that it waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineId {
    /// The client.
    pub slot: u32,
    /// 0 is served first; without a limit that clients share there is only class 0.
    pub class: u8,
}

impl LineId {
    /// The client's only line, where there are no classes.
    pub fn of(slot: u32) -> Self {
        Self { slot, class: 0 }
    }
}

/// One waiting request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waiter {
    /// Its name; later arrivals have larger ones.
    pub ticket: u64,
    /// Tokens it waits for.
    pub cost: f64,
    /// When it came, ms.
    pub queued_at: f64,
    /// Whether somebody was promised when its tokens are there, and will not be told.
    pub reserved: bool,
    deadline: u64,
}

#[derive(Debug, Default)]
struct Line {
    waiters: VecDeque<Waiter>,
    due: Option<u64>,
    reserved: usize,
}

/// The lines of all clients of a limiter. Clients without waiters take no place.
#[derive(Debug, Default)]
pub struct Queues {
    lines: HashMap<LineId, Line>,
    owners: HashMap<u64, LineId>,
    due: BTreeSet<(u64, LineId)>,
    deadlines: BTreeSet<(u64, u64)>,
    last_ticket: u64,
    /// The highest class that was ever used.
    last_class: u8,
}

/// Deadlines are ordered as whole microseconds.
fn micros(ms: f64) -> u64 {
    (ms * 1e3) as u64
}

impl Queues {
    /// How many wait for this client.
    pub fn len(&self, slot: u32) -> usize {
        if self.lines.is_empty() { 0 } else { self.len_before(LineId { slot, class: self.last_class }) }
    }

    /// How many wait in this line and in the client's lines of classes before it.
    pub fn len_before(&self, line: LineId) -> usize {
        self.of(line.slot, line.class).map(|(_, line)| line.waiters.len()).sum()
    }

    /// How many of this client's waiters are reservations.
    pub fn reserved(&self, slot: u32) -> usize {
        if self.lines.is_empty() { 0 } else { self.of(slot, self.last_class).map(|(_, line)| line.reserved).sum() }
    }

    /// How many wait in all.
    pub fn total(&self) -> usize {
        self.owners.len()
    }

    fn of(&self, slot: u32, last_class: u8) -> impl Iterator<Item = (LineId, &Line)> {
        let ids = (0..=last_class.min(self.last_class)).map(move |class| LineId { slot, class });
        ids.filter_map(|id| Some((id, self.lines.get(&id)?)))
    }

    /// The client's lines in which somebody waits.
    pub fn lines_of(&self, slot: u32) -> Vec<LineId> {
        self.of(slot, self.last_class).map(|(id, _)| id).collect()
    }

    /// What those in the line wait for, in order.
    pub fn costs(&self, line: LineId) -> impl Iterator<Item = f64> {
        self.waiters(line).map(|waiter| waiter.cost)
    }

    /// Whether nobody waits at all.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Adds a waiter at the end of the line.
    pub fn push(&mut self, line: LineId, cost: f64, now: f64, deadline_ms: f64) -> u64 {
        self.add(line, cost, now, deadline_ms, false)
    }

    /// As [`Queues::push`], for callers that number the tickets; each larger than all before.
    pub fn push_numbered(&mut self, ticket: u64, line: LineId, cost: f64, now: f64, deadline_ms: f64) {
        self.last_ticket = self.last_ticket.max(ticket - 1);
        self.push(line, cost, now, deadline_ms);
    }

    /// Who waits in the line, in order.
    pub fn waiters(&self, line: LineId) -> impl Iterator<Item = &Waiter> {
        self.lines.get(&line).into_iter().flat_map(|line| line.waiters.iter())
    }

    /// Adds a reservation at the end of the line; it has no deadline.
    pub fn push_reserved(&mut self, line: LineId, cost: f64, now: f64) -> u64 {
        self.add(line, cost, now, f64::INFINITY, true)
    }

    fn add(&mut self, id: LineId, cost: f64, now: f64, deadline_ms: f64, reserved: bool) -> u64 {
        self.last_ticket += 1;
        self.last_class = self.last_class.max(id.class);
        let (ticket, deadline) = (self.last_ticket, micros(deadline_ms));
        let line = self.lines.entry(id).or_default();
        line.reserved += usize::from(reserved);
        line.waiters.push_back(Waiter { ticket, cost, queued_at: now, reserved, deadline });
        self.owners.insert(ticket, id);
        self.deadlines.insert((deadline, ticket));
        ticket
    }

    /// Who is next.
    pub fn head(&self, line: LineId) -> Option<Waiter> {
        self.lines.get(&line)?.waiters.front().copied()
    }

    /// Takes the next one out of the line.
    pub fn pop(&mut self, line: LineId) -> Option<Waiter> {
        let head = self.head(line)?;
        self.remove(head.ticket)?;
        Some(head)
    }

    /// Takes one out, wherever it stands; the others keep their places. Returns its line and what it was.
    pub fn remove(&mut self, ticket: u64) -> Option<(LineId, Waiter)> {
        let id = self.owners.remove(&ticket)?;
        let line = self.lines.get_mut(&id)?;
        let index = line.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()?;
        let waiter = line.waiters.remove(index)?;
        line.reserved -= usize::from(waiter.reserved);
        self.deadlines.remove(&(waiter.deadline, ticket));
        if line.waiters.is_empty() {
            self.plan(id, None);
            self.lines.remove(&id);
        }
        Some((id, waiter))
    }

    /// Sets the tick at which the line has to be looked at.
    pub fn plan(&mut self, id: LineId, tick: Option<u64>) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        if let Some(before) = line.due {
            self.due.remove(&(before, id));
        }
        line.due = tick;
        if let Some(tick) = tick {
            self.due.insert((tick, id));
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
    pub fn take_due(&mut self, tick: u64) -> Option<LineId> {
        let &(due, line) = self.due.first()?;
        if due > tick {
            return None;
        }
        self.plan(line, Some(tick + 1));
        Some(line)
    }

    /// A waiter whose deadline has passed, taken out of its line.
    pub fn take_expired(&mut self, now: f64) -> Option<(LineId, Waiter)> {
        let &(deadline, ticket) = self.deadlines.first()?;
        if deadline > micros(now) { None } else { self.remove(ticket) }
    }

    /// Forgets everybody. Returns the lines there were.
    pub fn clear(&mut self) -> Vec<LineId> {
        let lines = self.lines.keys().copied().collect();
        *self = Self { last_ticket: self.last_ticket, ..Self::default() };
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_served_in_arrival_order() {
        let mut queues = Queues::default();
        let tickets: Vec<_> = (0..5).map(|_| queues.push(LineId::of(7), 1.0, 0.0, 100.0)).collect();
        assert_eq!(queues.len(7), 5);
        queues.remove(tickets[2]);
        let served: Vec<_> = std::iter::from_fn(|| queues.pop(LineId::of(7))).map(|waiter| waiter.ticket).collect();
        assert_eq!(served, [tickets[0], tickets[1], tickets[3], tickets[4]]);
        assert!(queues.is_empty() && queues.next_deadline().is_none());
    }

    #[test]
    fn only_those_past_their_deadline_expire() {
        let mut queues = Queues::default();
        let late = queues.push(LineId::of(1), 1.0, 0.0, 300.0);
        let soon = queues.push(LineId::of(1), 1.0, 0.0, 100.0);
        assert_eq!(queues.next_deadline(), Some(100.0));
        assert!(queues.take_expired(99.0).is_none());
        assert_eq!(queues.take_expired(100.0).unwrap().1.ticket, soon);
        assert!(queues.take_expired(100.0).is_none());
        assert_eq!(queues.head(LineId::of(1)).unwrap().ticket, late);
    }

    #[test]
    fn due_lines_come_earliest_first_and_only_once_a_tick() {
        let mut queues = Queues::default();
        for (slot, tick) in [(1, 9), (2, 5), (3, 7)] {
            queues.push(LineId::of(slot), 1.0, 0.0, 100.0);
            queues.plan(LineId::of(slot), Some(tick));
        }
        assert_eq!(queues.next_due(), Some(5));
        let due: Vec<_> = std::iter::from_fn(|| queues.take_due(7)).map(|line| line.slot).collect();
        assert_eq!(due, [2, 3]);
        assert_eq!(queues.next_due(), Some(8));
        while queues.pop(LineId::of(2)).is_some() {}
        assert_eq!(queues.take_due(8), Some(LineId::of(3)));
    }
}
