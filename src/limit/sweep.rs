//! Which clients can be forgotten, and which ask for the most.

use super::shared::{STRIDE, Slot};
use super::ticks::Ticks;
use std::cell::Cell;

/// When a client is idle.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// It was not seen for longer than this, ms.
    pub for_ms: f64,
    /// Only if forgetting it changes nothing: its bucket would be full by now and its limit is the usual one.
    pub only_unchanged: bool,
    /// The limit of a new client; `NaN` where every limit may be a usual one.
    pub usual_limit: f64,
    /// The refill rate of a new client.
    pub usual_rate: f64,
}

/// The fill of a bucket that may be forgotten, 0 to 1; `None` while somebody waits for it, it is blocked or vacant.
fn fill(slot: Slot<'_>, idle: &Idle, ticks: &Ticks, now: f64) -> Option<f64> {
    let mut bucket = slot.load()?;
    bucket.settle(ticks, now);
    // Where limits go by client id, each is usual; the face knows who was given his own.
    let any = idle.usual_limit.is_nan();
    let unusual = !any && (bucket.limit != idle.usual_limit || bucket.refill_rate != idle.usual_rate);
    let kept = slot.waiting() > 0 || bucket.blocked_until > 0.0 || (idle.only_unchanged && unusual);
    let silent = now - bucket.last_access > idle.for_ms;
    let full = bucket.is_full();
    (!kept && silent).then(|| if full { 1.0 } else { bucket.tokens / bucket.limit })
}

fn slots(chunk: &[Cell<f64>], from: usize, count: usize) -> impl Iterator<Item = (usize, Slot<'_>)> {
    (from..from.saturating_add(count)).map_while(|index| Some((index, Slot::at(chunk, index * STRIDE)?)))
}

/// The indexes of idle clients among `count` slots of a chunk.
pub fn idle_slots(chunk: &[Cell<f64>], from: usize, count: usize, idle: Idle, ticks: &Ticks, now: f64) -> Vec<usize> {
    slots(chunk, from, count)
        .filter(|(_, slot)| fill(*slot, &idle, ticks, now).is_some_and(|fill| !idle.only_unchanged || fill == 1.0))
        .map(|(index, _)| index)
        .collect()
}

/// The client among `count` slots whose bucket is the fullest, so that forgetting it gives the least away.
pub fn fullest(chunk: &[Cell<f64>], from: usize, count: usize, idle: Idle, ticks: &Ticks, now: f64) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, slot) in slots(chunk, from, count) {
        let Some(fill) = fill(slot, &idle, ticks, now) else { continue };
        if best.is_none_or(|(_, most)| fill > most) {
            best = Some((index, fill));
        }
    }
    best.map(|(index, _)| index)
}

/// A client that has less than its limit, or is waited for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Busy {
    /// Its slot among those of the chunk.
    pub index: usize,
    /// What is left.
    pub tokens: f64,
    /// What a refill fills it up to.
    pub limit: f64,
    /// Requests in line.
    pub waiting: usize,
    /// How long it is denied everything, ms.
    pub blocked_ms: f64,
}

impl Busy {
    /// The share of the limit that is not to be had, 0 to 1.
    fn used(&self) -> f64 {
        if self.limit > 0.0 && self.blocked_ms == 0.0 { 1.0 - self.tokens / self.limit } else { 1.0 }
    }

    /// Whether this client comes before another one: the longer line first, then the emptier bucket, or one that is
    /// blocked.
    fn before(&self, other: &Self) -> bool {
        self.waiting > other.waiting || (self.waiting == other.waiting && self.used() > other.used())
    }
}

/// The busiest clients among `count` slots of a chunk, the busiest first, at most `most`.
pub fn busiest(chunk: &[Cell<f64>], from: usize, count: usize, most: usize, ticks: &Ticks, now: f64) -> Vec<Busy> {
    let mut found: Vec<Busy> = Vec::with_capacity(most.saturating_add(1).min(count.saturating_add(1)));
    for (index, slot) in slots(chunk, from, count) {
        let Some(mut bucket) = slot.load() else { continue };
        bucket.settle(ticks, now);
        let (waiting, blocked_ms) = (slot.waiting(), (bucket.blocked_until - now).max(0.0));
        if bucket.is_full() && waiting == 0 && blocked_ms == 0.0 {
            continue;
        }
        let one = Busy { index, tokens: bucket.tokens, limit: bucket.limit, waiting, blocked_ms };
        if found.len() >= most && !found.last().is_some_and(|last| one.before(last)) {
            continue;
        }
        let at = found.partition_point(|earlier| !one.before(earlier));
        found.insert(at, one);
        found.truncate(most);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::bucket::Bucket;
    use super::*;

    const IDLE: Idle = Idle { for_ms: 1000.0, only_unchanged: true, usual_limit: 10.0, usual_rate: 1.0 };

    /// Slots: full; emptied long ago but full again by now; just emptied; waited for; blocked; own limit; vacant.
    fn chunk(ticks: &Ticks) -> Vec<Cell<f64>> {
        let chunk = vec![Cell::new(-1.0); 7 * STRIDE];
        let store = |index: usize, change: fn(&mut Bucket), waiting: usize| {
            let mut bucket = Bucket::full(10.0, 1.0, ticks, 0.0);
            change(&mut bucket);
            Slot::at(&chunk, index * STRIDE).unwrap().store(&bucket, waiting, ticks);
        };
        store(0, |_| (), 0);
        store(1, |bucket| bucket.tokens = 0.0, 0);
        store(2, |bucket| (bucket.tokens, bucket.settled) = (0.0, 20), 0);
        store(3, |_| (), 1);
        store(4, |bucket| bucket.blocked_until = 1e9, 0);
        store(5, |bucket| bucket.limit = 20.0, 0);
        chunk
    }

    #[test]
    fn only_full_usual_clients_without_waiters_are_forgotten() {
        let mut ticks = Ticks::new(1000.0);
        ticks.start(0.0);
        let chunk = chunk(&ticks);
        assert_eq!(idle_slots(&chunk, 0, 99, IDLE, &ticks, 20_000.0), [0, 1]);
        assert_eq!(idle_slots(&chunk, 0, 99, IDLE, &ticks, 500.0), [0usize; 0]);
        let any = Idle { only_unchanged: false, ..IDLE };
        assert_eq!(idle_slots(&chunk, 0, 99, any, &ticks, 20_000.0), [0, 1, 2, 5]);
    }

    #[test]
    fn the_fullest_makes_room() {
        let mut ticks = Ticks::new(1000.0);
        ticks.start(0.0);
        let chunk = chunk(&ticks);
        let now = Idle { for_ms: -1.0, ..IDLE };
        assert_eq!(fullest(&chunk, 1, 99, now, &ticks, 3000.0), Some(1));
        assert_eq!(fullest(&chunk, 3, 4, now, &ticks, 3000.0), None);
    }

    #[test]
    fn the_busiest_are_those_in_line_and_then_the_emptiest() {
        let mut ticks = Ticks::new(1000.0);
        ticks.start(0.0);
        let chunk = chunk(&ticks);
        let indexes = |most: usize, now: f64| -> Vec<usize> {
            busiest(&chunk, 0, 99, most, &ticks, now).iter().map(|busy| busy.index).collect()
        };
        // Full ones and vacant slots are left out; a blocked one has nothing, though its bucket is full.
        assert_eq!(indexes(99, 2000.0), [3, 2, 4, 1, 5]);
        assert_eq!(indexes(2, 2000.0), [3, 2]);
        assert_eq!(indexes(0, 2000.0), [0usize; 0]);
        let busy = busiest(&chunk, 1, 1, 9, &ticks, 3000.0);
        assert_eq!(busy, [Busy { index: 1, tokens: 3.0, limit: 10.0, waiting: 0, blocked_ms: 0.0 }]);
    }
}
