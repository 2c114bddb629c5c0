//! What holds for the limiter as a whole.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn limiter(limit: f64, rate: f64, interval_ms: u64) -> (Limiter, Bucket) {
    let config = LimiterConfig {
        rate_limit: limit,
        refill_rate: rate,
        refill_interval: Duration::from_millis(interval_ms),
        max_queue_length: 50,
        ..LimiterConfig::default()
    };
    let mut limiter = Limiter::new(config);
    limiter.start(0.0);
    let bucket = Bucket::full(limit, rate, &limiter.ticks, 0.0);
    (limiter, bucket)
}

#[test]
fn a_waiter_is_due_at_the_tick_that_pays_for_it() {
    let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
    assert_eq!(limiter.take(0, &mut bucket, 10.0, 0.0), Verdict::Allowed);
    limiter.enqueue(LineId::of(0), &mut bucket, 3.0, None, 100.0).unwrap();
    assert_eq!(limiter.next_event_ms(100.0), Some(1400.0));
    assert_eq!(limiter.take_due(1499.0), None);
    assert_eq!(limiter.take_due(1500.0), Some(0));
    let served = limiter.serve(0, &mut bucket, 1500.0, 9);
    assert_eq!(served.iter().map(|one| one.waited_ms).collect::<Vec<_>>(), [1400.0]);
    assert_eq!(limiter.next_event_ms(1500.0), None);
}

#[test]
fn newcomers_do_not_overtake() {
    let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
    bucket.tokens = 1.0;
    limiter.enqueue(LineId::of(0), &mut bucket, 5.0, None, 0.0).unwrap();
    assert_eq!(limiter.take_in_turn(LineId::of(0), &mut bucket, 1.0, 0.0), Verdict::Denied);
    assert_eq!(limiter.take(0, &mut bucket, 1.0, 0.0), Verdict::Allowed);
}

#[test]
fn one_waiter_running_out_of_time_leaves_the_others() {
    let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
    bucket.tokens = 0.0;
    let first = limiter.enqueue(LineId::of(0), &mut bucket, 9.0, Some(600.0), 0.0).unwrap();
    let second = limiter.enqueue(LineId::of(0), &mut bucket, 1.0, Some(5000.0), 0.0).unwrap();
    assert_eq!(limiter.take_expired(600.0), Some((0, first)));
    assert_eq!(limiter.take_expired(600.0), None);
    assert_eq!(limiter.take_due(1000.0), Some(0));
    assert_eq!(limiter.serve(0, &mut bucket, 1000.0, 9)[0].ticket, second);
}

#[test]
fn what_can_never_be_paid_does_not_wait() {
    let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
    assert_eq!(limiter.enqueue(LineId::of(0), &mut bucket, 11.0, None, 0.0), Err(Refusal::CostExceedsLimit));
    assert_eq!(limiter.enqueue(LineId::of(0), &mut bucket, f64::NAN, None, 0.0), Err(Refusal::Invalid));
    for _ in 0..50 {
        limiter.enqueue(LineId::of(0), &mut bucket, 1.0, None, 0.0).unwrap();
    }
    assert_eq!(limiter.enqueue(LineId::of(0), &mut bucket, 1.0, None, 0.0), Err(Refusal::QueueFull));
}

#[test]
fn nothing_is_due_once_refilling_has_stopped() {
    let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
    bucket.tokens = 0.0;
    limiter.ticks.stop(100.0);
    limiter.enqueue(LineId::of(0), &mut bucket, 1.0, Some(50.0), 100.0).unwrap();
    assert_eq!(limiter.take_due(1e9), None);
    assert_eq!(limiter.next_event_ms(100.0), Some(50.0));
}

#[test]
fn an_unserved_line_is_due_again_only_with_the_next_tick() {
    let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
    bucket.tokens = 0.0;
    limiter.enqueue(LineId::of(0), &mut bucket, 1.0, None, 0.0).unwrap();
    assert_eq!((limiter.take_due(500.0), limiter.take_due(999.0)), (Some(0), None));
    assert_eq!(limiter.take_due(1000.0), Some(0));
}

#[derive(Debug, Clone)]
enum Step {
    Wait(f64),
    Take(f64),
    Queue(f64),
    Remove(f64),
    Add(f64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0.0..900.0).prop_map(Step::Wait),
        (-2.0..14.0).prop_map(Step::Take),
        (0.0..12.0).prop_map(Step::Queue),
        (0.0..5.0).prop_map(Step::Remove),
        (0.0..5.0).prop_map(Step::Add),
    ]
}

proptest! {
    #[test]
    fn the_invariants_hold(
        limit in 0.5..12.0, rate in 0.01..40.0, interval in 1u64..700, steps in prop::collection::vec(step(), 1..80),
    ) {
        let (mut limiter, mut bucket) = limiter(limit, rate, interval);
        let (mut now, mut added, mut last_served) = (0.0, 0.0, 0);
        let mut grants: Vec<(f64, f64, f64)> = Vec::new();
        let mut costs = std::collections::HashMap::new();
        for step in steps {
            match step {
                Step::Wait(ms) => now += ms,
                Step::Take(cost) => {
                    let verdict = limiter.take(0, &mut bucket, cost, now);
                    prop_assert_eq!(verdict == Verdict::Invalid, cost < 0.0);
                    if verdict == Verdict::Allowed { grants.push((now, cost, added)); }
                }
                Step::Queue(cost) => {
                    if let Ok(ticket) = limiter.enqueue(LineId::of(0), &mut bucket, cost, None, now) {
                        costs.insert(ticket, cost);
                    }
                }
                Step::Remove(amount) => bucket.remove(amount),
                Step::Add(amount) => { bucket.add(amount); added += amount; }
            }
            while limiter.take_due(now).is_some() {
                for served in limiter.serve(0, &mut bucket, now, 3) {
                    prop_assert!(served.ticket > last_served, "served out of order");
                    last_served = served.ticket;
                    grants.push((now, costs[&served.ticket], added));
                }
            }
            while let Some((_, ticket)) = limiter.take_expired(now) { costs.remove(&ticket); }
            prop_assert!(bucket.tokens >= 0.0 && bucket.tokens <= limit, "{} of {}", bucket.tokens, limit);
            if let Some(due) = limiter.next_event_ms(now) { prop_assert!(due >= 0.0); }
        }
        for (index, &(from, _, added_before)) in grants.iter().enumerate() {
            let mut total = 0.0;
            for &(at, cost, added_by) in &grants[index..] {
                total += cost;
                let ticks = (limiter.ticks.at(at) - limiter.ticks.at(from)) as f64;
                let most = limit + ticks * limiter.ticks.step(rate) + (added_by - added_before);
                prop_assert!(total <= most + 1e-6, "{total} granted, {most} allowed");
            }
        }
    }
}
