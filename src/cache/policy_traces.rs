//! The policy on traces of the shapes that the literature compares caches by, against LRU and moka.

use super::*;
use crate::random::Random;
use std::collections::{HashMap, VecDeque};

/// Hits of a cache that is asked for each key and given what it has not.
fn ours(capacity: u64, trace: &[u32]) -> usize {
    let mut policy = Policy::new(capacity, None);
    let (mut slots, mut keys, mut free): (HashMap<u32, u32>, Vec<u32>, Vec<u32>) = Default::default();
    let mut hits = 0;
    for &key in trace {
        if let Some(&slot) = slots.get(&key) {
            policy.touch(slot);
            hits += 1;
            continue;
        }
        let slot = free.pop().unwrap_or_else(|| {
            keys.push(0);
            (keys.len() - 1) as u32
        });
        keys[slot as usize] = key;
        slots.insert(key, slot);
        for gone in policy.insert(slot, &key.to_string(), 1) {
            slots.remove(&keys[gone as usize]);
            free.push(gone);
        }
    }
    hits
}

fn lru(capacity: u64, trace: &[u32]) -> usize {
    let (mut last, mut order, mut hits) = (HashMap::<u32, usize>::new(), VecDeque::new(), 0);
    for (now, &key) in trace.iter().enumerate() {
        hits += usize::from(last.insert(key, now).is_some());
        order.push_back((key, now));
        while last.len() as u64 > capacity {
            let Some((key, then)) = order.pop_front() else { break };
            if last.get(&key) == Some(&then) {
                last.remove(&key);
            }
        }
    }
    hits
}

fn moka(capacity: u64, trace: &[u32]) -> usize {
    let (cache, mut hits) = (moka::sync::Cache::new(capacity), 0);
    for &key in trace {
        if cache.get(&key).is_some() {
            hits += 1;
        } else {
            cache.insert(key, ());
        }
        cache.run_pending_tasks();
    }
    hits
}

/// Half of what is asked for is of a hot set that fits, the rest is asked for once, in long runs.
fn scans(capacity: u32, length: usize) -> Vec<u32> {
    let (mut random, mut fresh, mut trace) = (Random { state: 7 }, capacity * 10, Vec::with_capacity(length));
    while trace.len() < length {
        trace.extend((0..capacity).map(|_| random.below(capacity as usize * 8 / 10) as u32));
        trace.extend((0..capacity).map(|step| fresh + step));
        fresh += capacity;
    }
    trace
}

/// One key after another, over and over, half as many again as fit.
fn loops(capacity: u32, length: usize) -> Vec<u32> {
    (0..length).map(|index| index as u32 % (capacity + capacity / 2)).collect()
}

/// Zipf 1.0 over 10,000 keys.
fn zipf(length: usize) -> Vec<u32> {
    let mut sums = vec![0.0];
    for rank in 1..=10_000u32 {
        sums.push(sums[rank as usize - 1] + 1.0 / f64::from(rank));
    }
    let mut random = Random { state: 3 };
    let mut draw = || random.uniform() * sums[10_000];
    (0..length).map(|_| draw()).map(|at| sums.partition_point(|sum| *sum < at) as u32).collect()
}

fn compare(name: &str, capacity: u64, trace: &[u32]) {
    let share = |hits: usize| hits as f64 / trace.len() as f64 * 100.0;
    let [ours, lru, moka] = [ours, lru, moka].map(|hits| share(hits(capacity, trace)));
    println!("{name}, capacity {capacity}: {ours:.1} % hits; LRU {lru:.1}, moka {moka:.1}");
    assert!(ours > lru && ours > moka, "{name}: {ours:.2}, LRU {lru:.2}, moka {moka:.2}");
}

#[test]
fn a_scan_beside_a_hot_set_costs_fewer_hits_than_with_lru_and_moka() {
    compare("scan and hot set", 1000, &scans(1000, 200_000));
}

#[test]
fn a_loop_over_more_than_fits_has_more_hits_than_with_lru_and_moka() {
    compare("loop", 1000, &loops(1000, 200_000));
}

#[test]
fn zipf_has_more_hits_than_with_lru_and_moka() {
    let trace = zipf(200_000);
    compare("zipf", 100, &trace);
    compare("zipf", 1000, &trace);
}
