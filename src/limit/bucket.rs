//! One client's bucket: a state machine over a passed-in time.

use super::ticks::Ticks;

/// How far below a cost the balance may be by rounding: ten refills of 0.1 are to pay for 1.
const ROUNDING: f64 = 1e-9;

/// The largest limit, rate or balance: JavaScript's `Number.MAX_SAFE_INTEGER`.
pub const MOST: f64 = 9_007_199_254_740_991.0;

/// The state of a bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The balance after the refill of tick `settled`.
    pub tokens: f64,
    /// What a refill fills it up to.
    pub limit: f64,
    /// Tokens a second.
    pub refill_rate: f64,
    /// When the client was last seen, ms.
    pub last_access: f64,
    /// The last tick whose refill is in the balance.
    pub settled: u64,
    /// Everything is denied until then, ms; 0 when not blocked.
    pub blocked_until: f64,
}

impl Bucket {
    /// The full bucket of a new client.
    pub fn full(limit: f64, refill_rate: f64, ticks: &Ticks, now: f64) -> Self {
        Self { tokens: limit, limit, refill_rate, last_access: now, settled: ticks.at(now), blocked_until: 0.0 }
    }

    /// Adds what the ticks up to `now` have refilled, and ends a block that is over.
    pub fn settle(&mut self, ticks: &Ticks, now: f64) {
        self.settle_at(ticks.at(now), ticks);
        if self.blocked_until <= now {
            self.blocked_until = 0.0;
        }
    }

    /// Adds what the ticks up to this one have refilled.
    pub fn settle_at(&mut self, tick: u64, ticks: &Ticks) {
        if tick > self.settled {
            let refill = (tick - self.settled) as f64 * ticks.step(self.refill_rate);
            self.tokens = (self.tokens + refill).min(self.limit);
            self.settled = tick;
        }
    }

    /// Whether the settled balance pays for `cost`.
    pub fn covers(&self, cost: f64) -> bool {
        self.blocked_until == 0.0 && cost <= self.tokens + ROUNDING
    }

    /// Takes `cost` out, if the settled balance pays for it.
    pub fn take(&mut self, cost: f64) -> bool {
        let covered = self.covers(cost);
        if covered {
            self.remove(cost);
        }
        covered
    }

    /// Takes `amount` out, down to zero; a debt stays as it is.
    pub fn remove(&mut self, amount: f64) {
        self.tokens = (self.tokens - amount).max(self.tokens.min(0.0));
    }

    /// Takes `amount` out, if need be into debt, which the refills pay.
    pub fn charge(&mut self, amount: f64) {
        self.tokens -= amount;
        if self.tokens.abs() <= ROUNDING {
            self.tokens = 0.0;
        }
    }

    /// Puts `amount` in, up to the limit.
    pub fn add(&mut self, amount: f64) {
        self.tokens = self.tokens.max((self.tokens + amount).min(self.limit));
    }

    /// Fills it up and ends a block.
    pub fn reset(&mut self) {
        self.tokens = self.limit;
        self.blocked_until = 0.0;
    }

    /// The tick at which the balance will pay for `cost` if nothing else is taken; `None` for never. A settled bucket
    /// that pays already answers with the tick it is settled at, or the end of its block.
    pub fn pays_at(&self, cost: f64, ticks: &Ticks) -> Option<u64> {
        if cost > self.limit.max(self.tokens) + ROUNDING { None } else { self.earns_at(cost, ticks) }
    }

    /// As [`Bucket::pays_at`], for a cost that others take a part of in the meantime, so that the limit is no bound.
    pub fn earns_at(&self, cost: f64, ticks: &Ticks) -> Option<u64> {
        let unblocked = if self.blocked_until > 0.0 { ticks.first_from(self.blocked_until) } else { 0 };
        if cost <= self.tokens + ROUNDING {
            return Some(self.settled.max(unblocked));
        }
        let step = ticks.step(self.refill_rate);
        if step <= 0.0 {
            return None;
        }
        let missing = ((cost - self.tokens - ROUNDING) / step).ceil().max(1.0);
        // Beyond this no timer reaches, and a float no longer counts in ones.
        (missing < MOST).then(|| (self.settled + missing as u64).max(unblocked))
    }

    /// Milliseconds until `cost` can be taken if nothing else is: 0 now, infinite for never.
    pub fn retry_after_ms(&self, cost: f64, ticks: &Ticks, now: f64) -> f64 {
        if self.covers(cost) {
            return 0.0;
        }
        let blocked_for = (self.blocked_until - now).max(0.0);
        if cost <= self.tokens + ROUNDING {
            return blocked_for.ceil();
        }
        let paid_in = self.pays_at(cost, ticks).map_or(f64::INFINITY, |tick| ticks.begins(tick) - now);
        paid_in.max(blocked_for).ceil()
    }

    /// Whether the balance has reached the limit.
    pub fn is_full(&self) -> bool {
        self.tokens + ROUNDING >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(interval_ms: f64) -> Ticks {
        let mut ticks = Ticks::new(interval_ms);
        ticks.start(0.0);
        ticks
    }

    #[test]
    fn a_refill_comes_in_steps_and_stops_at_the_limit() {
        let ticks = started(1000.0);
        let mut bucket = Bucket::full(10.0, 2.0, &ticks, 0.0);
        assert!(bucket.take(10.0));
        for (now, tokens) in [(999.0, 0.0), (1000.0, 2.0), (1500.0, 2.0), (3000.0, 6.0), (60_000.0, 10.0)] {
            bucket.settle(&ticks, now);
            assert_eq!(bucket.tokens, tokens, "at {now}");
        }
    }

    #[test]
    fn fractions_add_up_to_a_whole_token() {
        let ticks = started(100.0);
        let mut bucket = Bucket::full(1.0, 1.0, &ticks, 0.0);
        assert!(bucket.take(1.0));
        for step in 1..=10 {
            bucket.settle(&ticks, f64::from(step) * 100.0);
        }
        assert!(bucket.take(1.0));
        assert_eq!(bucket.tokens, 0.0);
    }

    #[test]
    fn a_bucket_knows_when_it_will_pay() {
        let ticks = started(1000.0);
        let mut bucket = Bucket::full(10.0, 2.0, &ticks, 0.0);
        bucket.remove(10.0);
        assert_eq!(bucket.pays_at(3.0, &ticks), Some(2));
        assert_eq!(bucket.retry_after_ms(3.0, &ticks, 400.0), 1600.0);
        assert_eq!(bucket.pays_at(11.0, &ticks), None);
        assert_eq!(bucket.retry_after_ms(11.0, &ticks, 0.0), f64::INFINITY);
        bucket.refill_rate = 0.0;
        assert_eq!(bucket.pays_at(1.0, &ticks), None);
    }

    #[test]
    fn a_blocked_bucket_pays_when_the_block_is_over() {
        let ticks = started(1000.0);
        let mut bucket = Bucket::full(10.0, 2.0, &ticks, 0.0);
        bucket.blocked_until = 2500.0;
        bucket.settle(&ticks, 100.0);
        assert!(!bucket.take(1.0));
        assert_eq!(bucket.retry_after_ms(1.0, &ticks, 100.0), 2400.0);
        assert_eq!(bucket.pays_at(1.0, &ticks), Some(3));
        bucket.settle(&ticks, 2500.0);
        assert!(bucket.take(1.0));
    }

    #[test]
    fn a_balance_set_above_the_limit_lasts_until_the_next_tick() {
        let ticks = started(1000.0);
        let mut bucket = Bucket::full(10.0, 2.0, &ticks, 0.0);
        bucket.tokens = 50.0;
        bucket.add(5.0);
        assert_eq!(bucket.tokens, 50.0);
        bucket.settle(&ticks, 1000.0);
        assert_eq!(bucket.tokens, 10.0);
    }
}
