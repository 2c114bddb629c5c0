//! Which value leaves memory: S3-FIFO as quick_cache has it (small and main queue with a ghost list of hashes),
//! by number of values and, if asked for, by their bytes.
//!
//! Values are known by a slot number that JavaScript chose and a hash of their key. Hits arrive late and in bulk.

use quick_cache::unsync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// A slot and what it weighs.
#[derive(Clone, Copy)]
struct Held {
    slot: u32,
    weight: u64,
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<u64, Held> for ByWeight {
    fn weight(&self, _key: &u64, held: &Held) -> u64 {
        held.weight
    }
}

/// Collects the slots that have to go.
#[derive(Clone)]
struct Collect;

impl Lifecycle<u64, Held> for Collect {
    type RequestState = Vec<u32>;

    fn on_evict(&self, gone: &mut Vec<u32>, _key: u64, held: Held) {
        gone.push(held.slot);
    }
}

/// The keys are hashes already.
#[derive(Default, Clone, Copy)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _bytes: &[u8]) {}
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Values = Cache<u64, Held, ByWeight, BuildHasherDefault<Identity>, Collect>;

/// Weights are fractions of this when values are bounded in two ways.
const WHOLE: u64 = 1 << 40;
/// The policy's tables are made for this many values at first and grow.
const FIRST_ESTIMATE: u64 = 1 << 16;

/// The share of the room that is for values that were used again. With less, loops over more than fits wash out more of it;
/// measured by `policy_traces.rs`.
const PROVEN: f64 = 0.999;
/// How many keys that had to go are remembered, as a share of those that stay. With more, what comes round again in a loop
/// drives out what would have stayed; with less, Zipf's long tail is not recognised.
const REMEMBERED: f64 = 0.2;

/// The eviction policy of one instance.
pub struct Policy {
    values: Values,
    hashes: Vec<u64>,
    seed: RandomState,
    max_items: u64,
    max_bytes: Option<u64>,
}

impl Policy {
    /// Room for `max_items` values that stand for `max_bytes` of JSON at most.
    pub fn new(max_items: u64, max_bytes: Option<u64>) -> Self {
        let capacity = if max_bytes.is_some() { WHOLE } else { max_items };
        let estimate = max_items.min(FIRST_ESTIMATE) as usize;
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(estimate).weight_capacity(capacity);
        let tuned = options.clone().hot_allocation(PROVEN).ghost_allocation(REMEMBERED).build();
        let values = match tuned.or_else(|_| options.build()) {
            Ok(options) => Cache::with_options(options, ByWeight, BuildHasherDefault::default(), Collect),
            Err(_) => Cache::with(estimate, capacity, ByWeight, BuildHasherDefault::default(), Collect),
        };
        Self { values, hashes: Vec::new(), seed: RandomState::new(), max_items, max_bytes }
    }

    /// The weight of a value of `bytes`: the larger of its shares of the two bounds, so that keeping the sum below
    /// the whole keeps both.
    fn weight(&self, bytes: u64) -> u64 {
        let Some(max_bytes) = self.max_bytes else { return 1 };
        let share = |part: u64, of: u64| (u128::from(part) * u128::from(WHOLE)).div_ceil(u128::from(of.max(1)));
        share(1, self.max_items).max(share(bytes, max_bytes)).min(u128::from(u64::MAX >> 8)) as u64
    }

    /// Keeps the value of `key` in `slot` and returns the slots that have to go for it; a value too large for
    /// memory is among them itself.
    pub fn insert(&mut self, slot: u32, key: &str, bytes: u64) -> Vec<u32> {
        let hash = self.seed.hash_one(key);
        let index = slot as usize;
        if index as u64 > self.max_items.saturating_add(1) {
            return vec![slot];
        }
        if self.hashes.len() <= index {
            self.hashes.resize(index + 1, 0);
        }
        self.hashes[index] = hash;
        let weight = self.weight(bytes);
        let mut gone = Vec::new();
        // Another key with the same hash would be replaced without a word.
        if let Some(other) = self.values.peek(&hash).map(|held| held.slot).filter(|&other| other != slot) {
            gone.push(other);
        }
        self.values.insert_with_lifecycle(hash, Held { slot, weight }, &mut gone);
        gone
    }

    /// Learns of a hit.
    pub fn touch(&mut self, slot: u32) {
        if let Some(hash) = self.hashes.get(slot as usize) {
            self.values.get(hash);
        }
    }

    /// Forgets a value that is gone for another reason.
    pub fn remove(&mut self, slot: u32) {
        if let Some(hash) = self.hashes.get(slot as usize) {
            self.values.remove_if(hash, |held| held.slot == slot);
        }
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        self.values.clear();
    }

    /// How many values are kept.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// What JavaScript does with the policy: a map, and slots that are used again.
    struct Memory {
        policy: Policy,
        slots: HashMap<String, u32>,
        keys: Vec<String>,
        free: Vec<u32>,
        bytes: HashMap<u32, u64>,
    }

    impl Memory {
        fn new(max_items: u64, max_bytes: Option<u64>) -> Self {
            let policy = Policy::new(max_items, max_bytes);
            Self { policy, slots: HashMap::new(), keys: Vec::new(), free: Vec::new(), bytes: HashMap::new() }
        }

        fn set(&mut self, key: &str, bytes: u64) {
            let slot = self.slots.get(key).copied().or_else(|| self.free.pop()).unwrap_or_else(|| {
                self.keys.push(String::new());
                (self.keys.len() - 1) as u32
            });
            self.keys[slot as usize] = key.into();
            self.slots.insert(key.into(), slot);
            self.bytes.insert(slot, bytes);
            for gone in self.policy.insert(slot, key, bytes) {
                self.slots.remove(&self.keys[gone as usize]);
                self.bytes.remove(&gone);
                self.free.push(gone);
            }
        }
    }

    #[test]
    fn the_value_just_set_stays_and_the_bound_holds() {
        for max in 1..40 {
            let mut memory = Memory::new(max, None);
            for index in 0..500 {
                let key = format!("key {index}");
                memory.set(&key, 10);
                assert!(memory.slots.contains_key(&key), "{index} of {max}");
                assert!(memory.slots.len() as u64 <= max);
                memory.policy.touch(index % 7);
            }
            assert_eq!(memory.slots.len() as u64, max);
        }
    }

    #[test]
    fn bytes_are_bounded_too_and_a_giant_is_not_kept() {
        let mut memory = Memory::new(100, Some(10_000));
        for index in 0..1000u64 {
            memory.set(&format!("key {}", index % 300), index % 900);
            assert!(memory.bytes.values().sum::<u64>() <= 10_000);
        }
        assert!(memory.slots.len() > 10);
        memory.set("giant", 20_000);
        assert!(!memory.slots.contains_key("giant"));
    }

    #[test]
    fn a_scan_does_not_wash_out_what_is_used() {
        let mut memory = Memory::new(100, None);
        for _ in 0..3 {
            for index in 0..50 {
                let key = format!("hot {index}");
                match memory.slots.get(&key) {
                    Some(&slot) => memory.policy.touch(slot),
                    None => memory.set(&key, 1),
                }
            }
        }
        (0..5000).for_each(|index| memory.set(&format!("scan {index}"), 1));
        let left = (0..50).filter(|index| memory.slots.contains_key(&format!("hot {index}"))).count();
        assert!(left >= 45, "{left} of 50 left");
    }

    #[test]
    fn a_removed_value_makes_room() {
        let mut policy = Policy::new(2, None);
        assert!(policy.insert(0, "a", 1).is_empty());
        policy.remove(0);
        policy.remove(0);
        assert!(policy.is_empty());
        assert!(policy.insert(0, "b", 1).is_empty() && policy.insert(1, "c", 1).is_empty());
        assert_eq!(policy.len(), 2);
    }
}

#[cfg(test)]
#[path = "policy_traces.rs"]
mod traces;
