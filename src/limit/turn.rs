//! Reservations where clients share a limit: a turn of fair queueing, taken in advance.
//!
//! In line a reservation could be promised nothing: a client's turn comes the later, the more come before it, and a
//! more urgent class goes first at any time. So the tokens are taken from both buckets at once, if need be into debt,
//! which the refills pay; whoever comes later pays for it. The promised time is when the refills have paid, and when
//! everybody who waits in the ring could have had as many turns as the reservation is worth. So one that reserves again
//! and again gets no more than its share, and holds up another by no more than one turn: a client that holds a
//! reservation is given no second one beyond `quantum` times its weight before the first has come.

use super::bucket::Bucket;
use super::global::Global;
use super::limiter::{Limiter, Refusal};
use super::queue::{LineId, Queues};
use super::ticks::Ticks;
use std::collections::HashMap;

/// Turns that were taken in advance and have not come yet.
#[derive(Debug, Default)]
pub struct Promised {
    /// For each client when they come, and what they cost.
    turns: HashMap<u32, Vec<(f64, f64)>>,
}

impl Promised {
    /// What this client holds.
    fn of(&mut self, slot: u32, now: f64) -> f64 {
        let Some(turns) = self.turns.get_mut(&slot) else { return 0.0 };
        turns.retain(|&(at, _)| at > now);
        let held = turns.iter().map(|&(_, cost)| cost).sum();
        if turns.is_empty() {
            self.turns.remove(&slot);
        }
        held
    }

    fn has(&self, slot: u32) -> bool {
        self.turns.contains_key(&slot)
    }

    fn add(&mut self, slot: u32, at: f64, cost: f64) {
        self.turns.entry(slot).or_default().push((at, cost));
    }

    fn take_out(&mut self, slot: u32, cost: f64, now: f64) -> bool {
        let turns = self.turns.get_mut(&slot);
        let found = turns.and_then(|turns| {
            let place = turns.iter().position(|&(at, held)| at > now && held == cost)?;
            Some(turns.swap_remove(place))
        });
        self.of(slot, now);
        found.is_some()
    }
}

impl Global {
    /// What the lines of others, that wait in the ring, may spend in so many rounds.
    fn spent_by_others(&self, slot: u32, rounds: f64, queues: &Queues) -> f64 {
        let lines = self.fair.shares(rounds).filter(|(line, _)| line.slot != slot);
        lines.map(|(line, most)| waits_for(queues, line, most)).sum()
    }
}

/// What those in a line wait for, at most `most`.
fn waits_for(queues: &Queues, line: LineId, most: f64) -> f64 {
    let mut sum = 0.0;
    for cost in queues.costs(line) {
        sum += cost;
        if sum >= most {
            return most;
        }
    }
    sum
}

/// Milliseconds until the refills have paid for `cost`; `None` for never.
fn earned_in(bucket: &Bucket, cost: f64, ticks: &Ticks, now: f64) -> Option<f64> {
    if bucket.covers(cost) {
        return Some(0.0);
    }
    let tick = bucket.earns_at(cost, ticks).filter(|_| ticks.running())?;
    Some((ticks.begins(tick) - now).max(0.0).ceil())
}

impl Limiter {
    /// Takes `cost` of the client's bucket and of the shared one, and says in how many milliseconds it is paid.
    pub fn reserve_turn(
        &mut self,
        slot: u32,
        bucket: &mut Bucket,
        cost: f64,
        weight: f64,
        max_wait_ms: f64,
        now: f64,
    ) -> Result<f64, Refusal> {
        self.may_wait(LineId { slot, class: 0 }, bucket, cost, now)?;
        let own = earned_in(bucket, cost, &self.ticks, now).ok_or(Refusal::TooLate)?;
        let Some(global) = &mut self.global else { return Err(Refusal::Invalid) };
        global.bucket.settle(&global.ticks, now);
        let (share, held) = (global.config.quantum * weight, global.promised.of(slot, now));
        if held > 0.0 && held + cost > share {
            return Err(Refusal::TurnTaken);
        }
        let others = global.spent_by_others(slot, (cost / share).ceil().max(1.0), &self.queues);
        let shared = earned_in(&global.bucket, cost + others, &global.ticks, now).ok_or(Refusal::TooLate)?;
        let wait_ms = own.max(shared);
        if wait_ms > max_wait_ms {
            return Err(Refusal::TooLate);
        }
        bucket.charge(cost);
        global.bucket.charge(cost);
        if wait_ms > 0.0 {
            global.promised.add(slot, now + wait_ms, cost);
        }
        Ok(wait_ms)
    }

    /// Gives back what was reserved at this cost and has not come; says whether there was such a turn.
    pub fn cancel_turn(&mut self, slot: u32, bucket: &mut Bucket, cost: f64, now: f64) -> bool {
        bucket.settle(&self.ticks, now);
        let Some(global) = self.global.as_mut().filter(|global| global.promised.has(slot)) else { return false };
        if !global.promised.take_out(slot, cost, now) {
            return false;
        }
        bucket.add(cost);
        global.bucket.settle(&global.ticks, now);
        global.bucket.add(cost);
        self.plan(slot, bucket);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{GlobalConfig, LimiterConfig};
    use super::super::limiter::Verdict;
    use super::*;
    use std::time::Duration;

    const CLASS: u8 = 5;

    /// Refills of one token every 100 ms for all, and plenty for each client; a bucket for each of four clients.
    fn world(quantum: f64) -> (Limiter, Vec<Bucket>) {
        let second = Duration::from_millis(100);
        let config = LimiterConfig {
            rate_limit: 100.0,
            refill_rate: 1000.0,
            refill_interval: second,
            global: Some(GlobalConfig {
                rate_limit: 10.0,
                refill_rate: 10.0,
                refill_interval: second,
                quantum,
                max_queue_length: 1000,
            }),
            ..LimiterConfig::default()
        };
        let mut limiter = Limiter::new(config);
        limiter.start(0.0);
        let bucket = Bucket::full(100.0, 1000.0, &limiter.ticks, 0.0);
        (limiter, vec![bucket; 4])
    }

    fn enqueue(limiter: &mut Limiter, buckets: &mut [Bucket], slot: u32, cost: f64, now: f64) {
        let line = LineId { slot, class: CLASS };
        limiter.enqueue(line, &mut buckets[slot as usize], cost, Some(1e9), now).unwrap();
    }

    /// Serves who can be served; what each client was given.
    fn serve(limiter: &mut Limiter, buckets: &mut [Bucket], now: f64) -> [usize; 4] {
        let mut given = [0; 4];
        while let Some(slot) = limiter.next_turn(now) {
            given[slot as usize] += limiter.serve(slot, &mut buckets[slot as usize], now, 99).len();
        }
        given
    }

    #[test]
    fn what_is_there_is_reserved_at_once_and_what_is_not_when_the_refills_have_paid() {
        let (mut limiter, mut buckets) = world(3.0);
        assert_eq!(limiter.reserve_turn(0, &mut buckets[0], 10.0, 1.0, 9e9, 0.0), Ok(0.0));
        assert_eq!(limiter.reserve_turn(0, &mut buckets[0], 3.0, 1.0, 9e9, 0.0), Ok(300.0));
        assert_eq!(limiter.reserve_turn(1, &mut buckets[1], 2.0, 1.0, 9e9, 50.0), Ok(450.0));
        assert_eq!(limiter.reserve_turn(2, &mut buckets[2], 1.0, 1.0, 499.0, 50.0), Err(Refusal::TooLate));
        assert_eq!(limiter.reserve_turn(2, &mut buckets[2], 11.0, 1.0, 9e9, 50.0), Err(Refusal::CostExceedsLimit));
    }

    #[test]
    fn a_promise_counts_the_turns_of_those_who_wait_and_no_newcomer_delays_it() {
        let (mut limiter, mut buckets) = world(2.0);
        limiter.reserve_turn(0, &mut buckets[0], 10.0, 1.0, 9e9, 0.0).unwrap();
        for _ in 0..5 {
            enqueue(&mut limiter, &mut buckets, 1, 1.0, 0.0);
        }
        // Two turns, since it is dearer than one: four of the five that wait, and its own three.
        assert_eq!(limiter.reserve_turn(2, &mut buckets[2], 3.0, 1.0, 9e9, 0.0), Ok(700.0));
        for _ in 0..50 {
            enqueue(&mut limiter, &mut buckets, 3, 1.0, 1.0);
        }
        let mut given = 0;
        for now in (100..=700).step_by(100) {
            given += serve(&mut limiter, &mut buckets, f64::from(now)).iter().sum::<usize>();
        }
        assert_eq!(given, 4, "by the promised time the refills have paid for it and for no more than four others");
        assert!(limiter.global.as_ref().unwrap().bucket.tokens >= 0.0);
    }

    #[test]
    fn reserving_again_and_again_leaves_another_his_share() {
        let (mut limiter, mut buckets) = world(1.0);
        limiter.reserve_turn(0, &mut buckets[0], 10.0, 1.0, 9e9, 0.0).unwrap();
        for _ in 0..200 {
            enqueue(&mut limiter, &mut buckets, 1, 1.0, 0.0);
        }
        let (mut reserved, mut given) = (0, 0);
        for now in (0..20_000).step_by(50).map(f64::from) {
            given += serve(&mut limiter, &mut buckets, now)[1];
            while limiter.reserve_turn(0, &mut buckets[0], 1.0, 1.0, 9e9, now).is_ok() {
                reserved += 1;
            }
        }
        assert!(reserved >= 90 && given >= 95, "{reserved} reserved, {given} given");
    }

    #[test]
    fn a_second_turn_has_to_wait_for_the_first_and_a_cancelled_one_comes_back() {
        let (mut limiter, mut buckets) = world(2.0);
        limiter.reserve_turn(0, &mut buckets[0], 10.0, 1.0, 9e9, 0.0).unwrap();
        assert_eq!(limiter.reserve_turn(0, &mut buckets[0], 1.0, 1.0, 9e9, 0.0), Ok(100.0));
        assert_eq!(limiter.reserve_turn(0, &mut buckets[0], 1.0, 1.0, 9e9, 0.0), Ok(200.0));
        assert_eq!(limiter.reserve_turn(0, &mut buckets[0], 1.0, 1.0, 9e9, 0.0), Err(Refusal::TurnTaken));
        assert_eq!(limiter.reserve_turn(0, &mut buckets[0], 1.0, 2.0, 9e9, 0.0), Ok(300.0), "a weight of two");
        assert!(
            !limiter.cancel_turn(0, &mut buckets[0], 9.0, 0.0) && !limiter.cancel_turn(1, &mut buckets[1], 1.0, 0.0)
        );
        assert!((0..3).all(|_| limiter.cancel_turn(0, &mut buckets[0], 1.0, 0.0)));
        assert_eq!(limiter.take(0, &mut buckets[0], 1.0, 100.0), Verdict::Allowed);
        assert!(!limiter.cancel_turn(0, &mut buckets[0], 1.0, 500.0));
    }
}
