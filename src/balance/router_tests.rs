use super::*;
use crate::options::Scalar;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

struct Bench {
    router: Router,
    clock: Arc<AtomicU64>,
}

impl Bench {
    fn new(options: &[(&str, Scalar)], outlier: Option<&[(&str, Scalar)]>, weights: &[f64]) -> Self {
        let clock = Arc::new(AtomicU64::new(1_000_000));
        let read = clock.clone();
        let config = RouterConfig::from_options(options, outlier).unwrap();
        let mut router = Router::new(config, 7, Box::new(move || read.load(Ordering::Relaxed) as f64));
        let service = router.service();
        for (number, weight) in weights.iter().enumerate() {
            router.add(service, &format!("s:{number}"), *weight, false).unwrap();
        }
        Self { router, clock }
    }

    fn advance(&self, by: u64) {
        self.clock.fetch_add(by, Ordering::Relaxed);
    }

    fn pick(&mut self, method: Method) -> Option<u32> {
        self.router.route(0, method, None, &[])
    }

    fn picks(&mut self, method: Method, count: usize) -> Vec<u32> {
        (0..count).filter_map(|_| self.pick(method)).collect()
    }

    fn fail(&mut self, slot: u32, times: usize) {
        (0..times).for_each(|_| self.router.ended(slot, true, f64::NAN, false));
    }
}

#[test]
fn each_as_often_as_its_weight_before_the_next() {
    let mut bench = Bench::new(&[], None, &[1.0, 3.0]);
    assert_eq!(bench.picks(Method::WeightedRoundRobin, 8), [0, 1, 1, 1, 0, 1, 1, 1]);
    let mut halves = Bench::new(&[], None, &[0.5, 1.0]);
    let light = halves.picks(Method::WeightedRoundRobin, 300).iter().filter(|slot| **slot == 0).count();
    assert_eq!(light, 100);
}

#[test]
fn who_is_not_healthy_gets_nothing() {
    let mut bench = Bench::new(&[], None, &[1.0, 1.0, 1.0]);
    bench.router.change(1, |target, _, _| target.set_healthy(false));
    for (_, method) in Method::ALL {
        assert!(!bench.picks(method, 50).contains(&1), "{method:?}");
    }
    bench.router.change(0, |target, _, _| target.drain());
    bench.router.change(2, |target, _, _| target.set_healthy(false));
    assert_eq!(bench.pick(Method::Random), None);
    bench.router.change(1, |target, _, _| target.set_healthy(true));
    assert_eq!(bench.picks(Method::LeastConnections, 2), [1, 1]);
}

#[test]
fn the_fewest_under_way_and_the_lowest_latency() {
    let mut bench = Bench::new(&[], None, &[1.0, 1.0]);
    bench.router.change(0, |_, load, _| load.active = 1);
    assert_eq!(bench.pick(Method::LeastConnections), Some(1));
    bench.router.ended(0, false, 5.0, true);
    assert_eq!(bench.pick(Method::LeastConnections), Some(0));
    assert_eq!(bench.pick(Method::LatencyAware), Some(1));
    bench.router.ended(1, false, 9.0, false);
    assert_eq!(bench.pick(Method::LatencyAware), Some(0));
}

#[test]
fn a_tripped_target_is_tried_once_after_its_time() {
    let mut bench = Bench::new(&[], None, &[1.0, 1.0]);
    bench.fail(0, 7);
    assert_eq!(bench.router.events, [Event::Tripped(0)]);
    assert_eq!(bench.picks(Method::WeightedRoundRobin, 3), [1, 1, 1]);
    bench.advance(60_000);
    assert_eq!(bench.picks(Method::LeastConnections, 3), [0, 1, 1]);
    assert_eq!(bench.router.events[1..], [Event::Reset(0)]);
    bench.router.ended(0, false, 1.0, false);
    assert_eq!(bench.pick(Method::LeastConnections), Some(0));
}

#[test]
fn outliers_go_for_longer_each_time_and_never_all_of_them() {
    let outlier = [("minimumRequests", Scalar::Number(4.0)), ("maxEjectionPercent", Scalar::Number(50.0))];
    let mut bench = Bench::new(&[], Some(&outlier), &[1.0; 4]);
    for slot in 0..4 {
        (0..2).for_each(|_| bench.router.ended(slot, false, 1.0, false));
        bench.fail(slot, 2);
    }
    assert_eq!(bench.router.events, [Event::Ejected(0, 30_000.0), Event::Ejected(1, 30_000.0)]);
    assert!(bench.picks(Method::Random, 50).iter().all(|slot| *slot >= 2));
    bench.advance(30_000);
    bench.router.settle();
    assert_eq!(bench.router.events[2..], [Event::Returned(0), Event::Returned(1)]);
    (0..4).for_each(|_| bench.router.ended(0, false, 1.0, false));
    bench.fail(0, 4);
    assert_eq!(bench.router.events.last(), Some(&Event::Ejected(0, 60_000.0)));
}

#[test]
fn panic_asks_everybody_who_is_not_leaving() {
    let mut bench = Bench::new(&[("panicThreshold", Scalar::Number(0.5))], None, &[1.0; 4]);
    for slot in 0..3 {
        bench.router.change(slot, |target, _, _| target.set_healthy(false));
    }
    bench.router.change(0, |target, _, _| target.drain());
    let mut asked = bench.picks(Method::WeightedRoundRobin, 200);
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked, [1, 2, 3]);
}

#[test]
fn a_new_target_starts_slowly() {
    let mut bench = Bench::new(&[("slowStartMs", Scalar::Number(10_000.0))], None, &[1.0; 9]);
    bench.advance(20_000);
    let new = bench.router.add(0, "s:new", 1.0, false).unwrap();
    let share =
        |bench: &mut Bench| bench.picks(Method::LeastConnections, 1000).iter().filter(|slot| **slot == new).count();
    for slot in 0..9 {
        bench.router.change(slot, |_, load, _| load.active = 1);
    }
    // It has the fewest under way, so all requests would be its own.
    let first = share(&mut bench);
    bench.advance(5_000);
    let half = share(&mut bench);
    bench.advance(5_000);
    assert!(first < 300 && (400..700).contains(&half) && share(&mut bench) == 1000, "{first} {half}");
}

#[test]
fn requests_stay_in_the_zone_while_enough_of_it_is_there() {
    let mut bench = Bench::new(&[], None, &[1.0, 1.0]);
    let local: Vec<u32> =
        (0..4).map(|number| bench.router.add(0, &format!("l:{number}"), 1.0, true).unwrap()).collect();
    assert!(bench.picks(Method::Random, 100).iter().all(|slot| local.contains(slot)));
    for slot in &local[..3] {
        bench.router.change(*slot, |target, _, _| target.set_healthy(false));
    }
    assert!(bench.picks(Method::Random, 100).contains(&0));
}

#[test]
fn a_key_has_its_home_until_that_is_full() {
    let mut bench = Bench::new(&[], None, &[1.0; 4]);
    let key = Some(ring::hash("user 1"));
    let home = bench.router.route(0, Method::ConsistentHash, key, &[]).unwrap();
    assert_eq!(bench.router.route(0, Method::ConsistentHash, key, &[]), Some(home));
    bench.router.change(home, |_, load, _| load.active = 10);
    let second = bench.router.route(0, Method::ConsistentHash, key, &[]).unwrap();
    assert_ne!(second, home);
    bench.router.change(home, |_, load, _| load.active = 0);
    assert_eq!(bench.router.route(0, Method::ConsistentHash, key, &[]), Some(home));
}

#[test]
fn a_retry_goes_elsewhere() {
    let mut bench = Bench::new(&[], None, &[1.0; 3]);
    for _ in 0..20 {
        assert_eq!(bench.router.route(0, Method::Random, None, &[0, 2]), Some(1));
    }
    assert_eq!(bench.router.route(0, Method::Random, None, &[0, 1, 2]), None);
}

#[test]
fn a_slot_is_used_again_after_a_removal() {
    let mut bench = Bench::new(&[], None, &[1.0; 3]);
    bench.router.remove(1);
    assert_eq!(bench.picks(Method::WeightedRoundRobin, 3), [0, 2, 0]);
    assert_eq!(bench.router.add(0, "s:9", 1.0, false), Some(1));
    assert_eq!(bench.router.available(0), [0, 2, 1]);
    assert_eq!(bench.router.filtered, 0.0);
}

/// What the table in docs/balancing.md shows: `cargo test --no-default-features --lib simulation -- --nocapture`.
#[test]
fn simulation_of_a_slow_a_failing_and_a_joining_target() {
    let plain = [Method::WeightedRoundRobin, Method::LeastConnections, Method::P2cEwma];
    let mut rows: Vec<_> = plain.into_iter().map(|method| simulate(method, false)).collect();
    rows.push(simulate(Method::P2cEwma, true));
    for row in &rows {
        println!("{row:?}");
    }
    let [turn, least, two, ejecting] = &rows[..] else { unreachable!("four rows") };
    // In turn, requests pile up at the slow target. By requests under way, those that fail at once attract more.
    assert!(two.p99 < turn.p99 / 100.0 && least.p99 < turn.p99 / 100.0 && ejecting.p99 < turn.p99 / 100.0);
    assert!(ejecting.errors < two.errors && two.errors < turn.errors && turn.errors < least.errors);
}

#[derive(Debug)]
struct Row {
    #[allow(dead_code)] // printed
    method: Method,
    p99: f64,
    errors: f64,
}

/// 60 s of 1,000 requests a second, Poisson arrivals, to 20 targets that serve one request at a time in 10 ms on average
/// (exponential); the first takes ten times as long, the second fails three in ten at once, the last joins after 20 s.
fn simulate(method: Method, ejecting: bool) -> Row {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    let outlier = [("failureRate", Scalar::Number(0.2))];
    let options = [("slowStartMs", Scalar::Number(if ejecting { 5_000.0 } else { 0.0 }))];
    let mut bench = Bench::new(&options, ejecting.then_some(&outlier[..]), &[1.0; 19]);
    let mut random = Random { state: 3 };
    let start = bench.clock.load(Ordering::Relaxed) as f64;
    let (mut now, mut joined, mut failures, mut latencies) = (0.0, false, 0, Vec::new());
    let mut free_at = [0.0f64; 20];
    // When a request ends, in whole nanoseconds, its slot, how long it took, and whether it failed.
    let mut ends: BinaryHeap<Reverse<(u64, u32, u64, bool)>> = BinaryHeap::new();
    while now < 60_000.0 {
        now -= random.uniform().ln();
        while let Some(Reverse((at, slot, took, failed))) =
            ends.peek().copied().filter(|end| end.0.0 as f64 / 1e6 <= now)
        {
            ends.pop();
            bench.clock.store((start + at as f64 / 1e6) as u64, Ordering::Relaxed);
            bench.router.ended(slot, failed, took as f64 / 1e6, true);
        }
        bench.clock.store((start + now) as u64, Ordering::Relaxed);
        if !joined && now > 20_000.0 {
            joined = true;
            bench.router.add(0, "s:19", 1.0, false).unwrap();
        }
        let slot = bench.pick(method).unwrap();
        bench.router.change(slot, |_, load, _| load.active += 1);
        let failed = slot == 1 && random.uniform() < 0.3;
        let mean = if slot == 0 { 100.0 } else { 10.0 };
        let began = free_at[slot as usize].max(now);
        let end = if failed { now + 1.0 } else { began - random.uniform().ln() * mean };
        if !failed {
            free_at[slot as usize] = end;
        }
        ends.push(Reverse(((end * 1e6) as u64, slot, ((end - now) * 1e6) as u64, failed)));
        failures += u32::from(failed);
        latencies.push(end - now);
    }
    latencies.sort_unstable_by(f64::total_cmp);
    let p99 = latencies[latencies.len() * 99 / 100];
    Row { method, p99, errors: f64::from(failures) / latencies.len() as f64 * 100.0 }
}
