use super::*;
use crate::clock::{Clock, ManualClock};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn pool(min: usize, max: usize) -> Pool {
    Pool::new(PoolConfig { min_connections: min, max_connections: max, ..PoolConfig::default() })
}

fn commands(pool: &mut Pool) -> Vec<Command> {
    std::iter::from_fn(|| pool.next_command()).collect()
}

/// Makes every connection asked for; the other commands come back.
fn make_all(pool: &mut Pool, now: u64) -> Vec<Command> {
    let mut others = Vec::new();
    while let Some(command) = pool.next_command() {
        match command {
            Command::Create { slot, epoch } => assert!(pool.created(slot, epoch, now, 0.0)),
            other => others.push(other),
        }
    }
    others
}

fn filled(min: usize, max: usize) -> Pool {
    let mut pool = pool(min, max);
    while pool.top_up(Purpose::Initial) {}
    make_all(&mut pool, 0);
    pool
}

#[test]
fn the_lowest_free_slot_is_taken() {
    let mut pool = filled(3, 3);
    assert_eq!([pool.acquire(0), pool.acquire(0)], [Grant::Slot(0), Grant::Slot(1)]);
    assert_eq!(pool.release(0, 0), Release::Done);
    assert_eq!(pool.acquire(0), Grant::Slot(0));
}

#[test]
fn creations_under_way_count_towards_the_maximum() {
    let mut pool = pool(1, 2);
    for waiter in 1..=5 {
        assert_eq!(pool.acquire(0), Grant::Wait(waiter));
    }
    assert_eq!(commands(&mut pool).len(), 2);
    assert_eq!(pool.stats().creating, 2);
}

#[test]
fn a_release_names_the_waiter_whose_connection_it_is_now() {
    let mut pool = filled(1, 1);
    assert_eq!(pool.acquire(0), Grant::Slot(0));
    let waiters = [pool.acquire(0), pool.acquire(0)];
    assert!(!pool.has_commands());
    assert_eq!(pool.release(0, 0), Release::Serve(1));
    assert_eq!((waiters, pool.stats().waiting), ([Grant::Wait(1), Grant::Wait(2)], 1));
    assert_eq!(
        [pool.release(0, 0), pool.release(0, 0), pool.release(0, 0)],
        [Release::Serve(2), Release::Done, Release::Ignored]
    );
    assert_eq!(commands(&mut pool), []);
}

#[test]
fn a_failed_creation_is_repeated_a_bounded_number_of_times_and_then_rejects_one_waiter() {
    let mut pool = pool(1, 1);
    pool.acquire(0);
    pool.acquire(0);
    let Some(Command::Create { slot, epoch }) = pool.next_command() else { panic!("nothing to create") };
    for _ in 0..3 {
        assert!(matches!(pool.create_failed(slot, epoch, true, 0.5), AfterFailure::Retry(_)));
    }
    assert_eq!(pool.create_failed(slot, epoch, true, 0.5), AfterFailure::GiveUp);
    assert_eq!(pool.create_failed(slot, epoch, true, 0.5), AfterFailure::Stale);
    let left = commands(&mut pool);
    assert_eq!(left[0], Command::Reject { waiter: 1, why: Refusal::CreateFailed });
    assert!(matches!(left[1], Command::Create { .. }), "the freed room serves the next waiter");
    assert_eq!((pool.stats().counters.failures, pool.stats().counters.retries), (1, 3));
}

#[test]
fn a_connection_idle_for_long_is_tested_before_it_is_lent() {
    let clock = ManualClock::new();
    let mut pool = filled(1, 2);
    pool.config.validate_after_idle = Some(Duration::from_millis(500));
    clock.advance(Duration::from_millis(501));
    let now = clock.monotonic_nanos();
    assert_eq!(pool.acquire(now), Grant::Wait(1));
    let Some(Command::Test { slot, epoch }) = pool.next_command() else { panic!("no test") };
    pool.tested(slot, epoch, false, now);
    let left = commands(&mut pool);
    assert_eq!(left[0], Command::Close { slot: 0 });
    assert!(matches!(left[1], Command::Create { .. }), "the waiter gets a new connection instead");
}

#[test]
fn idle_connections_are_closed_down_to_the_minimum() {
    let clock = ManualClock::new();
    let mut pool = filled(1, 3);
    (0..3).for_each(|_| _ = pool.acquire(0));
    make_all(&mut pool, 0);
    (0..3).for_each(|slot| _ = pool.release(slot, clock.monotonic_nanos()));
    clock.advance(Duration::from_millis(29_000));
    assert_eq!(pool.reap(clock.monotonic_nanos()), Some(Duration::from_millis(1000)));
    clock.advance(Duration::from_millis(1000));
    assert_eq!(pool.reap(clock.monotonic_nanos()), None);
    assert_eq!(commands(&mut pool), [Command::Close { slot: 2 }, Command::Close { slot: 1 }]);
    assert_eq!((pool.stats().size, pool.stats().counters.reaped), (1, 2));
}

#[test]
fn an_undated_release_is_dated_by_the_reaper() {
    let (mut pool, minute) = (filled(2, 2), 60_000_000_000);
    pool.config.min_connections = 1;
    pool.acquire(UNDATED);
    pool.acquire(UNDATED);
    pool.release(1, UNDATED);
    assert_eq!(pool.reap(minute), Some(Duration::from_millis(7500)));
    assert_eq!(pool.reap(minute + 29_000_000_000), Some(Duration::from_millis(1000)));
    assert_eq!(pool.reap(minute + 30_000_000_000), None);
    assert_eq!(commands(&mut pool), [Command::Close { slot: 1 }]);
}

#[test]
fn a_drain_turns_waiters_away_and_late_reports_are_stale() {
    let mut pool = filled(1, 2);
    pool.acquire(0);
    pool.acquire(0);
    let Some(Command::Create { slot, epoch }) = pool.next_command() else { panic!("nothing to create") };
    pool.drain(false);
    let left = commands(&mut pool);
    assert_eq!(left, [Command::Reject { waiter: 1, why: Refusal::Drained }, Command::Close { slot: 0 }]);
    assert!(!pool.created(slot, epoch, 0, 0.0));
    assert_eq!(pool.release(0, 0), Release::Ignored);
    assert_eq!((pool.stats().active, pool.stats().size), (0, 0));
}

#[test]
fn a_gentle_drain_closes_what_comes_back_and_serves_new_callers_afterwards() {
    let mut pool = filled(1, 1);
    pool.acquire(0);
    pool.drain(true);
    assert_eq!(pool.acquire(0), Grant::Wait(1));
    assert_eq!(pool.release(0, 0), Release::Commands);
    assert_eq!(commands(&mut pool), [Command::Close { slot: 0 }]);
    pool.drained();
    assert!(matches!(commands(&mut pool)[..], [Command::Create { .. }]));
}

/// A world around the pool that remembers what it was told, and checks the invariants after every step.
struct World {
    pool: Pool,
    bound: usize,
    now: u64,
    creating: Vec<(u32, u32)>,
    testing: Vec<(u32, u32)>,
    open: BTreeSet<u32>,
    held: BTreeMap<u32, u64>,
    waiting: BTreeSet<u64>,
}

impl World {
    fn settle(&mut self) -> Result<(), TestCaseError> {
        while let Some(command) = self.pool.next_command() {
            match command {
                Command::Create { slot, epoch } => self.creating.push((slot, epoch)),
                Command::Test { slot, epoch } => self.testing.push((slot, epoch)),
                Command::Close { slot } => {
                    prop_assert!(self.open.remove(&slot), "closed twice");
                    self.held.remove(&slot);
                }
                Command::Serve { slot, waiter } => {
                    prop_assert!(self.waiting.remove(&waiter), "served but not waiting");
                    prop_assert!(self.held.insert(slot, waiter).is_none(), "one connection in two hands");
                }
                Command::Reject { waiter, .. } => prop_assert!(self.waiting.remove(&waiter), "rejected twice"),
            }
        }
        let stats = self.pool.stats();
        prop_assert!(stats.size + stats.creating <= self.bound, "above the maximum");
        prop_assert_eq!(stats.active, self.held.len());
        prop_assert_eq!(stats.waiting, self.waiting.len());
        prop_assert_eq!(stats.size, self.open.len());
        let served_soon = stats.available == 0 || stats.waiting <= self.creating.len() + self.testing.len();
        prop_assert!(served_soon, "a waiter sits beside a free connection");
        Ok(())
    }

    fn step(&mut self, action: u8, pick: usize) -> Result<(), TestCaseError> {
        self.now += 200_000_000;
        match action {
            0..=2 => match self.pool.acquire(self.now) {
                Grant::Slot(slot) => {
                    prop_assert!(self.held.insert(slot, 0).is_none(), "one connection in two hands");
                }
                Grant::Wait(waiter) => _ = self.waiting.insert(waiter),
                Grant::Refused => unreachable!("nothing limits the queue here"),
            },
            3 | 4 => {
                let held: Vec<_> = self.held.keys().copied().collect();
                if let Some(&slot) = held.get(pick % held.len().max(1)) {
                    if action == 3 {
                        self.held.remove(&slot);
                        if let Release::Serve(waiter) = self.pool.release(slot, self.now) {
                            prop_assert!(self.waiting.remove(&waiter), "served but not waiting");
                            self.held.insert(slot, waiter);
                        }
                    } else {
                        self.pool.discard(slot);
                    }
                }
            }
            5 if !self.creating.is_empty() => {
                let (slot, epoch) = self.creating.remove(pick % self.creating.len());
                if self.pool.retry_due(slot, epoch) {
                    self.open.insert(slot);
                    self.pool.created(slot, epoch, self.now, 0.0);
                }
            }
            6 if !self.creating.is_empty() => {
                let at = pick % self.creating.len();
                let (slot, epoch) = self.creating[at];
                if !matches!(self.pool.create_failed(slot, epoch, pick.is_multiple_of(2), 0.5), AfterFailure::Retry(_))
                {
                    self.creating.remove(at);
                }
            }
            7 if !self.testing.is_empty() => {
                let (slot, epoch) = self.testing.remove(pick % self.testing.len());
                self.pool.tested(slot, epoch, pick.is_multiple_of(2), self.now);
            }
            8 => _ = self.pool.top_up(Purpose::Refill),
            9 => _ = self.pool.reap(self.now),
            10 => {
                let waiter = pick as u64 % (self.pool.last_waiter + 1);
                prop_assert_eq!(self.pool.cancel(waiter, true), self.waiting.remove(&waiter));
            }
            11 if pick.is_multiple_of(8) => {
                self.pool.drain(pick.is_multiple_of(16));
                self.settle()?;
                self.pool.drain(false);
                self.settle()?;
                self.pool.drained();
            }
            12 => {
                let slot = pick as u32 % 8;
                let idle = self.open.contains(&slot) && !self.held.contains_key(&slot);
                let dropped = self.pool.unhealthy(slot);
                prop_assert!(idle || !dropped, "a borrowed connection was dropped");
            }
            _ => {}
        }
        self.settle()
    }
}

proptest! {
    #[test]
    fn never_above_the_maximum_never_in_two_hands_and_nobody_is_forgotten(
        min in 1usize..4, max in 1usize..6, steps in prop::collection::vec((0u8..13, 0usize..1000), 1..400)
    ) {
        let config = PoolConfig {
            min_connections: min,
            max_connections: max,
            idle_timeout: Duration::from_secs(2),
            validate_after_idle: Some(Duration::from_millis(500)),
            ..PoolConfig::default()
        };
        let mut world = World {
            pool: Pool::new(config), bound: min.max(max), now: 0, creating: vec![], testing: vec![],
            open: BTreeSet::new(), held: BTreeMap::new(), waiting: BTreeSet::new(),
        };
        for (action, pick) in steps {
            world.step(action, pick)?;
        }
        // Everything under way ends well, everybody gives back: all waiters are served.
        for pick in 0..10_000 {
            if world.waiting.is_empty() && world.creating.is_empty() { break; }
            for action in [5, 7, 3] { world.step(action, pick * 2)?; }
        }
        prop_assert!(world.waiting.is_empty(), "a waiter was forgotten");
    }
}

#[test]
fn beyond_the_limit_of_waiters_a_caller_is_refused() {
    let mut pool = Pool::new(PoolConfig { max_connections: 1, max_waiting: 1, ..PoolConfig::default() });
    assert_eq!(pool.acquire(0), Grant::Wait(1));
    // The first is served by the connection being made and does not count.
    assert_eq!(pool.acquire(0), Grant::Wait(2));
    assert_eq!(pool.acquire(0), Grant::Refused);
    assert_eq!(pool.stats().waiting, 2);
}

#[test]
fn a_connection_at_the_end_of_its_lifetime_is_not_lent_again() {
    let lifetime = Some(Duration::from_secs(10));
    let mut pool = Pool::new(PoolConfig { min_connections: 1, max_lifetime: lifetime, ..PoolConfig::default() });
    assert!(pool.top_up(Purpose::Initial) && pool.created(0, 0, 0, 1.0));
    let seconds = |count: u64| count * 1_000_000_000;
    // The jitter takes a tenth at most.
    assert_eq!(pool.acquire(seconds(8)), Grant::Slot(0));
    assert_eq!(pool.release(0, seconds(9)), Release::Commands);
    assert_eq!((pool.stats().counters.expired, pool.stats().size), (1, 0));
}
