//! What the remote tier was not told while it was away, and what it was told just before: the first because it would serve
//! something old when it is back, the second because a replica that takes over may not have heard of it.

use std::collections::{HashMap, VecDeque};

/// How long what was told is remembered, in milliseconds: longer than a failover's loss.
const REMEMBERED: f64 = 15_000.0;

/// What is to be done about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// It was invalidated here.
    Remove,
    /// It was written here: this envelope, which lives so many milliseconds.
    Write(Vec<u8>, u64),
}

/// A bounded queue with one entry for a key.
#[derive(Debug, Default)]
pub struct Repairs {
    most: usize,
    most_bytes: usize,
    waiting: HashMap<String, (u64, Repair)>,
    /// Names in the order of their last change, with its number; outdated ones are skipped.
    order: VecDeque<(u64, String)>,
    last: u64,
    bytes: usize,
    told: VecDeque<(f64, String)>,
    /// Whether something was forgotten for lack of room: everything there is suspect then.
    pub overflowed: bool,
}

impl Repairs {
    /// At most so many keys, and bytes of values.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Self { most, most_bytes, ..Self::default() }
    }

    /// How many keys wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Has something repaired later. A value for which there is no room becomes a removal, a removal goes when there are
    /// too many, the oldest first.
    pub fn add(&mut self, name: &str, repair: Repair) {
        let size = if let Repair::Write(bytes, _) = &repair { bytes.len() } else { 0 };
        let repair = if self.bytes + size > self.most_bytes { Repair::Remove } else { repair };
        self.forget(name);
        self.last += 1;
        self.bytes += if let Repair::Write(bytes, _) = &repair { bytes.len() } else { 0 };
        self.waiting.insert(name.to_owned(), (self.last, repair));
        self.order.push_back((self.last, name.to_owned()));
        while self.waiting.len() > self.most {
            let Some((number, name)) = self.order.pop_front() else { return };
            if self.waiting.get(&name).is_some_and(|(current, _)| *current == number) {
                self.forget(&name);
                self.overflowed = true;
            }
        }
    }

    /// Whether what is read under this key may be old: it waits itself, or a tag or a pattern does.
    pub fn concerns(&self, key: &str) -> bool {
        !self.waiting.is_empty()
            && (self.overflowed
                || self.waiting.contains_key(&format!("k{key}"))
                || self.waiting.keys().any(|name| !name.starts_with('k')))
    }

    /// The key is right again.
    pub fn forget(&mut self, name: &str) {
        if let Some((_, Repair::Write(bytes, _))) = self.waiting.remove(name) {
            self.bytes -= bytes.len();
        }
    }

    /// The server took the removal of the key `name` at `now`, in milliseconds.
    pub fn told(&mut self, name: &str, now: f64) {
        while self.told.len() >= self.most || self.told.front().is_some_and(|(time, _)| now - time > REMEMBERED) {
            self.told.pop_front();
        }
        self.told.push_back((now, name.to_owned()));
    }

    /// Whether something was told lately that a failover might have lost.
    pub fn has_told(&self, now: f64) -> bool {
        self.told.back().is_some_and(|(time, _)| now - time <= REMEMBERED)
    }

    /// Takes what there is to do when the server is back, oldest first: what waits, and what was told lately once more.
    pub fn take(&mut self, now: f64) -> Vec<(String, Repair)> {
        let mut all = Vec::with_capacity(self.waiting.len());
        for (time, name) in std::mem::take(&mut self.told) {
            if now - time <= REMEMBERED && !self.waiting.contains_key(&format!("k{name}")) {
                all.push((format!("k{name}"), Repair::Remove));
            }
        }
        for (number, name) in std::mem::take(&mut self.order) {
            if self.waiting.get(&name).is_some_and(|(current, _)| *current == number)
                && let Some((_, repair)) = self.waiting.remove(&name)
            {
                all.push((name, repair));
            }
        }
        self.bytes = 0;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(size: usize) -> Repair {
        Repair::Write(vec![0; size], 1)
    }

    #[test]
    fn the_last_change_of_a_key_counts() {
        let mut repairs = Repairs::new(10, 100);
        repairs.add("a", write(5));
        repairs.add("b", Repair::Remove);
        repairs.add("a", Repair::Remove);
        assert_eq!(repairs.take(0.0), [("b".into(), Repair::Remove), ("a".into(), Repair::Remove)]);
        assert!(repairs.is_empty() && repairs.take(0.0).is_empty());
    }

    #[test]
    fn a_value_without_room_becomes_a_removal() {
        let mut repairs = Repairs::new(10, 100);
        repairs.add("a", write(80));
        repairs.add("b", write(80));
        assert_eq!(repairs.take(0.0)[1], ("b".into(), Repair::Remove));
        repairs.add("c", write(80));
        assert_eq!(repairs.take(0.0), [("c".into(), write(80))]);
    }

    #[test]
    fn a_full_queue_forgets_the_oldest_and_says_so() {
        let mut repairs = Repairs::new(2, 100);
        ["a", "b"].iter().for_each(|name| repairs.add(name, Repair::Remove));
        assert!(!repairs.overflowed);
        repairs.add("c", Repair::Remove);
        assert!(repairs.overflowed);
        assert_eq!(repairs.take(0.0).into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn what_was_told_lately_is_told_again() {
        let mut repairs = Repairs::new(10, 100);
        repairs.told("old", 0.0);
        repairs.told("new", 10_000.0);
        assert!(repairs.has_told(10_000.0) && !repairs.has_told(40_000.0));
        assert_eq!(repairs.take(16_000.0), [("knew".into(), Repair::Remove)]);
    }
}
