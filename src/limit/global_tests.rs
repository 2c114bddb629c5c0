//! Sharing one limit among clients, on a clock that the test sets.

use super::super::config::LimiterConfig;
use super::super::limiter::{Refusal, Verdict};
use super::*;
use proptest::prelude::*;
use std::time::Duration;

/// A limiter with its buckets, and what each client was given.
struct World {
    limiter: Limiter,
    buckets: Vec<Bucket>,
    costs: HashMap<u64, f64>,
    /// (client, cost, when it was served)
    grants: Vec<(u32, f64, f64)>,
}

const CLASS: u8 = 5;

impl World {
    fn new(clients: usize, own: (f64, f64), global: (f64, f64), quantum: f64) -> Self {
        let config = LimiterConfig {
            rate_limit: own.0,
            refill_rate: own.1,
            refill_interval: Duration::from_millis(100),
            max_queue_length: 100_000,
            global: Some(GlobalConfig {
                rate_limit: global.0,
                refill_rate: global.1,
                refill_interval: Duration::from_millis(100),
                quantum,
                max_queue_length: 1_000_000,
            }),
            ..LimiterConfig::default()
        };
        let mut limiter = Limiter::new(config);
        limiter.start(0.0);
        let bucket = Bucket::full(own.0, own.1, &limiter.ticks, 0.0);
        Self { limiter, buckets: vec![bucket; clients], costs: HashMap::new(), grants: Vec::new() }
    }

    /// Takes at once or waits.
    fn acquire(&mut self, slot: u32, class: u8, weight: f64, cost: f64, now: f64) -> Option<u64> {
        let (line, bucket) = (LineId { slot, class }, &mut self.buckets[slot as usize]);
        if self.limiter.take_in_turn(line, bucket, cost, now) == Verdict::Allowed {
            self.grants.push((slot, cost, now));
            return None;
        }
        self.limiter.global.as_mut().unwrap().weigh(line, weight);
        let ticket = self.limiter.enqueue(line, bucket, cost, Some(1e9), now).unwrap();
        self.costs.insert(ticket, cost);
        Some(ticket)
    }

    /// Serves who can be served now.
    fn serve(&mut self, now: f64) {
        while let Some(slot) = self.limiter.take_due(now) {
            self.buckets[slot as usize].settle(&self.limiter.ticks, now);
            self.limiter.plan(slot, &self.buckets[slot as usize]);
        }
        while let Some(slot) = self.limiter.next_turn(now) {
            for one in self.limiter.serve(slot, &mut self.buckets[slot as usize], now, 64) {
                self.grants.push((slot, self.costs[&one.ticket], now));
            }
        }
    }

    /// Lets time pass from event to event.
    fn run(&mut self, mut now: f64, until: f64) {
        while let Some(ms) = self.limiter.next_event_ms(now).filter(|ms| now + ms <= until) {
            now += ms.max(1e-6);
            self.serve(now);
        }
    }

    fn given(&self, slot: u32) -> f64 {
        self.grants.iter().filter(|grant| grant.0 == slot).map(|grant| grant.1).sum()
    }
}

/// Jain's index of fairness: 1 when all have the same, 1/n when one has everything.
fn jain(shares: &[f64]) -> f64 {
    let (sum, squares): (f64, f64) = (shares.iter().sum(), shares.iter().map(|share| share * share).sum());
    sum * sum / (shares.len() as f64 * squares)
}

#[test]
fn equal_clients_get_equal_shares_whatever_they_ask_for() {
    let mut world = World::new(20, (1e6, 1e6), (100.0, 100.0), 1.0);
    world.limiter.global.as_mut().unwrap().bucket.tokens = 0.0;
    for slot in 0..20 {
        // The first asks for a hundred times what the last asks for, in larger pieces.
        for _ in 0..(2000 / (slot + 1)).max(150) {
            world.acquire(slot, CLASS, 1.0, f64::from(1 + slot % 3), 0.0);
        }
    }
    world.run(0.0, 20_000.0);
    let shares: Vec<f64> = (0..20).map(|slot| world.given(slot)).collect();
    let index = jain(&shares);
    assert!(index >= 0.99, "Jain's index {index}: {shares:?}");
    assert!(shares.iter().sum::<f64>() <= 100.0 + 100.0 * 20.0 + 1e-6);
}

#[test]
fn weighted_clients_get_shares_of_their_weights() {
    let mut world = World::new(3, (1e6, 1e6), (10.0, 100.0), 1.0);
    for slot in 0..3 {
        for _ in 0..5000 {
            world.acquire(slot, CLASS, f64::from(1 << slot), 1.0, 0.0);
        }
    }
    world.run(0.0, 40_000.0);
    let shares: Vec<f64> = (0..3).map(|slot| world.given(slot) / f64::from(1 << slot)).collect();
    assert!(jain(&shares) >= 0.99, "{shares:?}");
}

#[test]
fn a_flood_delays_one_that_sends_little_by_no_more_than_its_quantum() {
    let quantum = 4.0;
    let mut world = World::new(2, (1e6, 1e6), (10.0, 10.0), quantum);
    for _ in 0..10_000 {
        world.acquire(0, CLASS, 1.0, 1.0, 0.0);
    }
    for round in 1..200 {
        let now = f64::from(round) * 777.0;
        world.run(now - 777.0, now);
        let before = world.given(0);
        world.acquire(1, CLASS, 1.0, 1.0, now).expect("waits");
        let mut time = now;
        while world.given(1) < f64::from(round) {
            time += world.limiter.next_event_ms(time).unwrap().max(1e-6);
            world.serve(time);
            assert!(world.given(0) - before <= 2.0 * quantum, "the flood went on");
        }
        let index = world.grants.iter().rposition(|grant| grant.0 == 1).unwrap();
        let ahead = world.grants[..index].iter().filter(|grant| grant.0 == 0).count() as f64 - before;
        assert!(ahead <= quantum, "{ahead} of the flood went ahead of it");
    }
}

#[test]
fn an_urgent_request_goes_first_also_within_its_client() {
    let mut world = World::new(2, (1e6, 1e6), (10.0, 10.0), 1.0);
    for _ in 0..30 {
        world.acquire(0, CLASS, 1.0, 1.0, 0.0);
    }
    world.acquire(0, 0, 1.0, 2.0, 50.0);
    world.acquire(1, 9, 1.0, 1.0, 50.0);
    world.run(50.0, 5000.0);
    assert_eq!(world.grants[10].1, 2.0);
    assert_eq!(world.grants.last().unwrap().0, 1);
}

#[test]
fn a_client_whose_own_bucket_is_short_holds_nobody_up() {
    let mut world = World::new(2, (2.0, 1.0), (10.0, 100.0), 1.0);
    for _ in 0..6 {
        world.acquire(0, CLASS, 1.0, 1.0, 0.0);
    }
    assert_eq!(world.acquire(1, CLASS, 1.0, 2.0, 10.0), None);
    world.run(0.0, 4100.0);
    assert_eq!((world.given(0), world.given(1)), (6.0, 2.0));
}

#[test]
fn nobody_passes_by_those_who_wait_for_shared_tokens() {
    let mut world = World::new(3, (100.0, 100.0), (10.0, 10.0), 1.0);
    for _ in 0..9 {
        world.acquire(0, CLASS, 1.0, 1.0, 0.0);
    }
    let ticket = world.acquire(1, CLASS, 1.0, 5.0, 0.0).expect("waits");
    let line = LineId { slot: 2, class: CLASS };
    assert_eq!(world.limiter.take(2, &mut world.buckets[2], 1.0, 0.0), Verdict::Denied);
    assert_eq!(world.limiter.take_in_turn(line, &mut world.buckets[2], 1.0, 0.0), Verdict::Denied);
    assert!(world.limiter.look(2, &world.buckets[2], 1.0, 0.0).1 >= 1.0);
    world.limiter.cancel(ticket, 0.0);
    assert_eq!(world.limiter.take(2, &mut world.buckets[2], 1.0, 0.0), Verdict::Allowed);
}

#[test]
fn what_the_shared_bucket_never_holds_does_not_wait() {
    let mut world = World::new(1, (100.0, 100.0), (10.0, 10.0), 1.0);
    let line = LineId { slot: 0, class: CLASS };
    assert_eq!(world.limiter.enqueue(line, &mut world.buckets[0], 11.0, None, 0.0), Err(Refusal::CostExceedsLimit));
    world.limiter.global.as_mut().unwrap().config.max_queue_length = 1;
    world.acquire(0, CLASS, 1.0, 10.0, 0.0);
    world.acquire(0, CLASS, 1.0, 10.0, 0.0).expect("waits");
    assert_eq!(world.limiter.enqueue(line, &mut world.buckets[0], 1.0, None, 0.0), Err(Refusal::QueueFull));
}

proptest! {
    /// Whatever is asked for when: neither limit is ever exceeded in any window, and everybody is served in the end.
    #[test]
    fn both_limits_hold(
        quantum in 0.1..8.0, own in 1.0..30.0, shared in 1.0..30.0,
        asks in prop::collection::vec((0u32..5, 0u8..3, 0.1..4.0, 0.0..1.0, 0.0..150.0), 1..120),
    ) {
        let mut world = World::new(5, (own, 20.0), (shared, 30.0), quantum);
        let (mut now, mut asked) = (0.0, 0);
        for (slot, class, weight, part, pause) in asks {
            world.acquire(slot, class, weight, part * own.min(shared), now);
            asked += 1;
            world.run(now, now + pause);
            now += pause;
        }
        world.run(now, now + 1e7);
        prop_assert_eq!(world.grants.len(), asked);
        for (index, &(_, _, from)) in world.grants.iter().enumerate() {
            let (mut all, mut each) = (0.0, [0.0; 5]);
            for &(slot, cost, at) in &world.grants[index..] {
                all += cost;
                each[slot as usize] += cost;
                let ticks = (world.limiter.ticks.at(at) - world.limiter.ticks.at(from)) as f64;
                prop_assert!(all <= shared + ticks * 3.0 + 1e-6, "{} shared tokens", all);
                prop_assert!(each[slot as usize] <= own + ticks * 2.0 + 1e-6);
            }
        }
    }
}
