//! Reservations: tokens promised for a time to come, as Guava's `RateLimiter.reserve` promises them.
//!
//! A reservation stands in its client's line like any waiter, so it comes after those who wait already and before those
//! who come later; but nobody waits for it. Its time is worked out by going through the line: each in front of it takes
//! its tokens with the first refill that pays for them. A promise holds: when the bucket is emptied by force in the
//! meantime, the reservation still stands in line, and those behind it pay for it. While it stands there, direct probes
//! take nothing.

use super::bucket::Bucket;
use super::limiter::{Limiter, Refusal};
use super::queue::LineId;
use super::ticks::Ticks;

/// A promise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reservation {
    /// Its place in line; `None` when the tokens were there and are taken.
    pub ticket: Option<u64>,
    /// Milliseconds until its tokens are there.
    pub wait_ms: f64,
}

impl Limiter {
    /// Reserves `cost`, unless it comes later than `max_wait_ms`. Limiters that share no tokens only: whose turn it
    /// will be for shared ones depends on who comes; see [`Limiter::reserve_turn`].
    pub fn reserve(
        &mut self,
        slot: u32,
        bucket: &mut Bucket,
        cost: f64,
        max_wait_ms: f64,
        now: f64,
    ) -> Result<Reservation, Refusal> {
        let line = LineId::of(slot);
        self.may_wait(line, bucket, cost, now)?;
        if self.queues.head(line).is_none() && bucket.take(cost) {
            return Ok(Reservation { ticket: None, wait_ms: 0.0 });
        }
        let tick = paid_at(bucket, self.queues.costs(line).chain([cost]), &self.ticks).ok_or(Refusal::TooLate)?;
        let wait_ms = (self.ticks.begins(tick) - now).max(0.0).ceil();
        if wait_ms > max_wait_ms {
            return Err(Refusal::TooLate);
        }
        let ticket = self.queues.push_reserved(line, cost, now);
        self.plan(slot, bucket);
        Ok(Reservation { ticket: Some(ticket), wait_ms })
    }
}

/// The tick with which the last of these costs is paid, when each is taken as soon as the refills pay for it.
fn paid_at(bucket: &Bucket, costs: impl Iterator<Item = f64>, ticks: &Ticks) -> Option<u64> {
    let mut ahead = *bucket;
    for cost in costs {
        let tick = ahead.pays_at(cost, ticks).filter(|_| ticks.running())?;
        ahead.blocked_until = 0.0;
        ahead.settle_at(tick, ticks);
        ahead.remove(cost);
    }
    Some(ahead.settled)
}

#[cfg(test)]
mod tests {
    use super::super::config::LimiterConfig;
    use super::super::limiter::Verdict;
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn limiter(limit: f64, rate: f64, interval_ms: u64) -> (Limiter, Bucket) {
        let config = LimiterConfig {
            rate_limit: limit,
            refill_rate: rate,
            refill_interval: Duration::from_millis(interval_ms),
            max_queue_length: 20,
            ..LimiterConfig::default()
        };
        let mut limiter = Limiter::new(config);
        limiter.start(0.0);
        let bucket = Bucket::full(limit, rate, &limiter.ticks, 0.0);
        (limiter, bucket)
    }

    #[test]
    fn what_is_there_is_reserved_at_once() {
        let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
        let now = limiter.reserve(0, &mut bucket, 10.0, 0.0, 0.0).unwrap();
        assert_eq!(now, Reservation { ticket: None, wait_ms: 0.0 });
        assert_eq!(bucket.tokens, 0.0);
    }

    #[test]
    fn a_reservation_comes_after_those_who_wait_and_before_those_who_come() {
        let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
        bucket.tokens = 0.0;
        let first = limiter.enqueue(LineId::of(0), &mut bucket, 2.0, None, 0.0).unwrap();
        let reserved = limiter.reserve(0, &mut bucket, 3.0, 9e9, 100.0).unwrap();
        assert_eq!(reserved.wait_ms, 2400.0);
        let last = limiter.enqueue(LineId::of(0), &mut bucket, 1.0, None, 200.0).unwrap();
        let served: Vec<_> = limiter.serve(0, &mut bucket, 3000.0, 9).iter().map(|one| one.ticket).collect();
        assert_eq!(served, [first, reserved.ticket.unwrap(), last]);
    }

    #[test]
    fn probes_leave_what_is_reserved() {
        let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
        bucket.tokens = 1.0;
        let ticket = limiter.reserve(0, &mut bucket, 3.0, 9e9, 0.0).unwrap().ticket.unwrap();
        assert_eq!(limiter.take(0, &mut bucket, 1.0, 0.0), Verdict::Denied);
        assert!(limiter.look(0, &bucket, 1.0, 0.0).1 >= 500.0);
        limiter.cancel(ticket, 0.0);
        assert_eq!(limiter.take(0, &mut bucket, 1.0, 0.0), Verdict::Allowed);
    }

    #[test]
    fn what_comes_too_late_or_never_is_not_reserved() {
        let (mut limiter, mut bucket) = limiter(10.0, 2.0, 500);
        bucket.tokens = 0.0;
        assert_eq!(limiter.reserve(0, &mut bucket, 2.0, 999.0, 0.0), Err(Refusal::TooLate));
        assert_eq!(limiter.reserve(0, &mut bucket, 11.0, 9e9, 0.0), Err(Refusal::CostExceedsLimit));
        assert_eq!(limiter.reserve(0, &mut bucket, -1.0, 9e9, 0.0), Err(Refusal::Invalid));
        for _ in 0..20 {
            limiter.reserve(0, &mut bucket, 1.0, 9e9, 0.0).unwrap();
        }
        assert_eq!(limiter.reserve(0, &mut bucket, 1.0, 9e9, 0.0), Err(Refusal::QueueFull));
        limiter.stop(0.0);
        assert_eq!(limiter.reserve(0, &mut bucket, 1.0, 9e9, 0.0), Err(Refusal::TooLate));
    }

    proptest! {
        #[test]
        fn an_undisturbed_line_keeps_every_promise_to_the_tick(
            limit in 1.0..20.0, rate in 0.5..50.0, interval in 1u64..900,
            costs in prop::collection::vec((0.0..1.0, 0.0..400.0), 1..20),
        ) {
            let (mut limiter, mut bucket) = limiter(limit, rate, interval);
            let (mut now, mut promised) = (0.0, Vec::new());
            let mut served = std::collections::HashMap::new();
            type Times = std::collections::HashMap<u64, f64>;
            let step = |limiter: &mut Limiter, bucket: &mut Bucket, now: f64, served: &mut Times| {
                while limiter.take_due(now).is_some() {
                    for one in limiter.serve(0, bucket, now, 99) { served.insert(one.ticket, now); }
                }
            };
            for (part, pause) in costs {
                let cost = part * limit;
                let answer = limiter.reserve(0, &mut bucket, cost, f64::INFINITY, now).unwrap();
                if let Some(ticket) = answer.ticket { promised.push((ticket, now + answer.wait_ms)); }
                let until = now + pause;
                while let Some(ms) = limiter.next_event_ms(now).filter(|ms| now + ms <= until) {
                    now += ms.max(1e-6);
                    step(&mut limiter, &mut bucket, now, &mut served);
                }
                now = until;
            }
            for _ in 0..100_000 {
                let Some(ms) = limiter.next_event_ms(now).filter(|ms| *ms < 2e9) else { break };
                now += ms.max(1e-6);
                step(&mut limiter, &mut bucket, now, &mut served);
            }
            for (ticket, at) in promised {
                let got = served[&ticket];
                prop_assert!(got <= at + 1e-3 && got > at - 1.0 - 1e-3, "promised {at}, got {got}");
            }
        }
    }
}
