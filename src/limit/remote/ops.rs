//! What can be asked of a bucket that several processes share, and what comes back. `bucket.lua` carries it out on the
//! server; [`apply`] does the same on a bucket of this process, for when the server is away. A test holds both
//! together.

use crate::limit::bucket::Bucket;
use crate::limit::ticks::Ticks;
use std::sync::Arc;

/// As in `bucket.lua`.
const SLACK: f64 = 1e-9;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Op {
    /// Takes the cost as many times as the bucket pays for, unless somebody was turned away before. Answer: how often.
    Take(f64, u32),
    /// As `Take`, whoever was turned away.
    Probe(f64, u32),
    /// Takes what there is in whole tokens, at most so much. Answer: how much.
    Lease(f64),
    /// Takes so much, if need be into debt.
    Debit(f64),
    /// Puts in, up to the limit.
    Give(f64),
    /// Takes away, down to zero.
    Remove(f64),
    /// Fills up and ends a block.
    Fill,
    /// Denies everything for so many ms; 0 ends it.
    Block(f64),
    /// A limit of its own, and filled up to it.
    Limit(f64),
    /// Tokens a second of its own.
    Rate(f64),
    /// Takes so much for a time to come, if need be into debt, unless its refills have paid for it only after so many
    /// ms. Answer: in how many ms they have; [`TOO_LATE`] or [`TOO_DEAR`] when nothing is taken.
    Reserve(f64, u32),
    /// Changes nothing.
    Look,
}

/// The answer to a reservation that comes later than the caller would wait.
pub const TOO_LATE: f64 = -1.0;
/// The answer to a reservation of more than the bucket ever holds.
pub const TOO_DEAR: f64 = -2.0;

/// Questions about one bucket, answered in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The bucket's whole key.
    pub key: Arc<str>,
    /// What it holds, unless it has a limit of its own.
    pub limit: f64,
    /// Tokens a second, unless it has a rate of its own.
    pub rate: f64,
    /// In this order.
    pub ops: Vec<Op>,
}

impl Request {
    /// Whether the insurance answers it, also outside a line, while the store is away: a reservation.
    pub fn is_insured(&self) -> bool {
        matches!(self.ops[..], [Op::Reserve(..)])
    }
}

/// The bucket after the questions were answered, on the clock of who answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// As it is now, settled.
    pub bucket: Bucket,
    /// When that was, ms.
    pub now: f64,
    /// One answer a question.
    pub answers: Vec<f64>,
}

impl Op {
    /// Its code in `bucket.lua`, a value, and for some how many times or how many ms at most.
    fn numbers(self) -> [f64; 3] {
        match self {
            Self::Take(cost, times) => [1.0, cost, times.into()],
            Self::Probe(cost, times) => [2.0, cost, times.into()],
            Self::Lease(most) => [3.0, most, 0.0],
            Self::Reserve(cost, most_ms) => [4.0, cost, most_ms.into()],
            Self::Look => [5.0, 0.0, 0.0],
            Self::Debit(amount) => [6.0, amount, 0.0],
            Self::Give(amount) => [7.0, amount, 0.0],
            Self::Remove(amount) => [8.0, amount, 0.0],
            Self::Fill => [9.0, 0.0, 0.0],
            Self::Block(ms) => [10.0, ms, 0.0],
            Self::Limit(limit) => [11.0, limit, 0.0],
            Self::Rate(rate) => [12.0, rate, 0.0],
        }
    }
}

/// The argument of the script for these requests: little-endian doubles.
pub fn argument(interval_ms: f64, requests: &[Request]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + requests.len() * 48);
    bytes.extend(interval_ms.to_le_bytes());
    for Request { limit, rate, ops, .. } in requests {
        let terms = [*limit, *rate, ops.len() as f64];
        let questions = ops.iter().flat_map(|op| op.numbers());
        bytes.extend(terms.into_iter().chain(questions).flat_map(f64::to_le_bytes));
    }
    bytes
}

/// What the script has answered to these requests; `None` when it is something else.
pub fn replies(bytes: &[u8], ticks: &Ticks, requests: &[Request]) -> Option<Vec<Reply>> {
    let (doubles, rest) = bytes.as_chunks::<8>();
    let mut numbers = doubles.iter().map(|bytes| f64::from_le_bytes(*bytes));
    let now = numbers.next()?;
    let settled = ticks.at(now);
    let mut replies = Vec::with_capacity(requests.len());
    for request in requests {
        let mut next = || numbers.next();
        let (tokens, limit, refill_rate, blocked_until) = (next()?, next()?, next()?, next()?);
        let answers = request.ops.iter().map(|_| next()).collect::<Option<Vec<f64>>>()?;
        let bucket = Bucket { tokens, limit, refill_rate, last_access: now, settled, blocked_until };
        replies.push(Reply { bucket, now, answers });
    }
    (numbers.next().is_none() && rest.is_empty()).then_some(replies)
}

/// Answers the questions on a bucket of this process.
pub fn apply(bucket: &mut Bucket, ops: &[Op], ticks: &Ticks, now: f64) -> Reply {
    bucket.settle(ticks, now);
    let mut turned_away = false;
    let answers = ops.iter().map(|&op| answer(bucket, op, &mut turned_away, ticks, now)).collect();
    Reply { bucket: *bucket, now, answers }
}

fn answer(bucket: &mut Bucket, op: Op, turned_away: &mut bool, ticks: &Ticks, now: f64) -> f64 {
    match op {
        Op::Take(cost, times) => {
            let answer = if *turned_away { 0.0 } else { take(bucket, cost, times) };
            *turned_away |= answer < f64::from(times);
            return answer;
        }
        Op::Probe(cost, times) => return take(bucket, cost, times),
        Op::Lease(most) => return lease(bucket, most),
        Op::Reserve(cost, most_ms) => return reserve(bucket, cost, f64::from(most_ms), ticks, now),
        Op::Debit(amount) => bucket.tokens -= amount,
        Op::Give(amount) => bucket.add(amount),
        Op::Remove(amount) => bucket.tokens = (bucket.tokens - amount).max(bucket.tokens.min(0.0)),
        Op::Fill => bucket.reset(),
        Op::Block(ms) => bucket.blocked_until = if ms > 0.0 { now + ms } else { 0.0 },
        Op::Limit(limit) => (bucket.limit, bucket.tokens) = (limit, limit),
        Op::Rate(rate) => bucket.refill_rate = rate,
        Op::Look => {}
    }
    0.0
}

fn take(bucket: &mut Bucket, cost: f64, times: u32) -> f64 {
    if !bucket.covers(cost) {
        return 0.0;
    }
    let times = f64::from(times);
    let paid = if cost > 0.0 { times.min(((bucket.tokens + SLACK) / cost).floor()) } else { times };
    bucket.remove(paid * cost);
    paid
}

fn reserve(bucket: &mut Bucket, cost: f64, most_ms: f64, ticks: &Ticks, now: f64) -> f64 {
    if cost > bucket.limit.max(bucket.tokens) + SLACK {
        return TOO_DEAR;
    }
    let wait = bucket.retry_after_ms(cost, ticks, now);
    if wait > most_ms {
        return TOO_LATE;
    }
    bucket.charge(cost);
    wait
}

fn lease(bucket: &mut Bucket, most: f64) -> f64 {
    if bucket.blocked_until > 0.0 {
        return 0.0;
    }
    let there = most.min(bucket.tokens).max(0.0);
    let leased = match () {
        () if most >= 1.0 => (there + SLACK).floor(),
        () if there < most => 0.0,
        () => there,
    };
    bucket.tokens -= leased;
    leased
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(tokens: f64) -> (Bucket, Ticks) {
        let mut ticks = Ticks::new(1000.0);
        ticks.start(0.0);
        (Bucket { tokens, ..Bucket::full(10.0, 2.0, &ticks, 0.0) }, ticks)
    }

    #[test]
    fn nobody_is_served_after_one_who_was_turned_away() {
        let (mut bucket, ticks) = bucket(5.0);
        let ops = [Op::Take(2.0, 1), Op::Take(4.0, 1), Op::Take(1.0, 2), Op::Probe(1.0, 5)];
        assert_eq!(apply(&mut bucket, &ops, &ticks, 0.0).answers, [1.0, 0.0, 0.0, 3.0]);
        assert_eq!(bucket.tokens, 0.0);
    }

    #[test]
    fn a_lease_is_whole_tokens_and_a_debt_is_paid_by_refills() {
        let (mut bucket, ticks) = bucket(4.7);
        let ops = [Op::Lease(9.0), Op::Debit(3.0), Op::Lease(1.0), Op::Take(0.0, 1), Op::Remove(5.0)];
        assert_eq!(apply(&mut bucket, &ops, &ticks, 0.0).answers, [4.0, 0.0, 0.0, 0.0, 0.0]);
        assert!((bucket.tokens + 2.3).abs() < 1e-9);
        assert_eq!(apply(&mut bucket, &[Op::Lease(1.0)], &ticks, 1000.0).answers, [0.0]);
        assert_eq!(apply(&mut bucket, &[Op::Lease(1.0)], &ticks, 2000.0).answers, [1.0]);
    }

    #[test]
    fn a_reservation_is_charged_at_once_and_comes_when_the_refills_have_paid() {
        let (mut bucket, ticks) = bucket(1.0);
        let ops = [
            Op::Reserve(2.0, 1000),
            Op::Reserve(3.0, 1999),
            Op::Reserve(3.0, 2000),
            Op::Reserve(11.0, 9),
            Op::Take(1.0, 1),
        ];
        assert_eq!(apply(&mut bucket, &ops, &ticks, 0.0).answers, [1000.0, TOO_LATE, 2000.0, TOO_DEAR, 0.0]);
        assert_eq!(apply(&mut bucket, &[Op::Take(1.0, 1)], &ticks, 2000.0).answers, [0.0]);
        assert_eq!(apply(&mut bucket, &[Op::Give(3.0), Op::Take(1.0, 9)], &ticks, 2000.0).answers, [0.0, 3.0]);
    }

    #[test]
    fn what_does_not_fit_the_questions_is_no_answer() {
        let request = Request { key: "k".into(), limit: 10.0, rate: 1.0, ops: vec![Op::Take(1.0, 2), Op::Look] };
        let (_, ticks) = bucket(0.0);
        let doubles = |numbers: &[f64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let asked = argument(1000.0, std::slice::from_ref(&request));
        assert_eq!(asked, doubles(&[1000.0, 10.0, 1.0, 2.0, 1.0, 1.0, 2.0, 5.0, 0.0, 0.0]));
        let requests = [request];
        let whole = doubles(&[1500.5, 8.0, 10.0, 1.0, 0.0, 2.0, 0.0]);
        let answered = replies(&whole, &ticks, &requests).unwrap();
        let Reply { bucket, now, answers } = &answered[0];
        assert_eq!((*now, answers.as_slice(), bucket.settled), (1500.5, &[2.0, 0.0][..], 1));
        let more = [&whole[..], &[0; 8]].concat();
        for bytes in [&[][..], &whole[..8], &whole[..whole.len() - 8], &whole[..whole.len() - 1], &more, &more[..60]] {
            assert_eq!(replies(bytes, &ticks, &requests), None, "{} bytes", bytes.len());
        }
    }
}
