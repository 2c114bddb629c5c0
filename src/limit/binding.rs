//! The raw functions of this room. Times are milliseconds of the caller's monotonic clock. A call about one bucket
//! takes the handle and the desk; see [`Desk`].

use super::bucket::Bucket;
use super::config::{LimiterConfig, is_cost, own_setting};
use super::error::LimitError;
use super::limiter::{Limiter, Refusal, Verdict};
use super::shared::{STRIDE, Slot};
use super::sweep::{Idle, fullest, idle_slots};
use super::{headers, stats};
use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use std::cell::Cell;

thread_local! {
    static LIMITERS: Handles<Limiter> = const { handles() };
}

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    exports
        .function("limitOpen", open)
        .function("limitClose", close)
        .function("limitStart", start)
        .function("limitStop", stop)
        .function("limitWindow", window)
        .function("limitFill", fill)
        .function("limitSettle", settle)
        .function("limitTake", take)
        .function("limitTakeInTurn", take_in_turn)
        .function("limitEnqueue", enqueue)
        .function("limitServe", serve)
        .function("limitCancel", cancel)
        .function("limitDue", due)
        .function("limitExpired", expired)
        .function("limitNext", next_event)
        .function("limitState", state)
        .function("limitSet", set_limit)
        .function("limitAdjust", adjust)
        .function("limitBlock", block)
        .function("limitIdle", idle)
        .function("limitFullest", fullest_slot)
        .function("limitError", error)
        .function("limitAllowRate", |call| Ok(call.text(&stats::allow_rate(call.number_at(0)?, call.number_at(1)?))))
        .function("limitUtilization", |call| Ok(call.text(&stats::utilization(call.number_at(0)?, call.number_at(1)?))))
        .function("limitShown", |call| Ok(call.number(stats::shown(call.number_at(0)?))))
        .function("limitHeaders", header_lines);
}

/// Runs `body` with the limiter in argument 0.
fn limiter<R>(call: &Call<'_>, body: impl FnOnce(&mut Limiter) -> R) -> Result<R, Failure> {
    LIMITERS.with_object(call.uint_at(0)?, body)
}

fn vacant() -> Failure {
    Failure::internal("no such client slot")
}

/// What a call about a bucket finds in the desk (argument 1) behind the bucket itself.
const NOW: usize = STRIDE;
const SLOT: usize = STRIDE + 1;
const AMOUNT: usize = STRIDE + 2;

/// The desk: one small array that stays in the cache, onto which the face lays the bucket it asks about, so that a call
/// needs no walk through the header, buffer and backing store of one of hundreds of chunks.
struct Desk<'s>(&'s [Cell<f64>]);

impl Desk<'_> {
    fn read(&self, index: usize) -> f64 {
        self.0.get(index).map_or(f64::NAN, Cell::get)
    }

    fn bucket(&self) -> Result<Slot<'_>, Failure> {
        Slot::at(self.0, 0).ok_or_else(vacant)
    }
}

fn desk<'s>(call: &Call<'s>) -> Result<Desk<'s>, Failure> {
    Ok(Desk(call.cells(1)?))
}

/// Runs `body` with the bucket on the desk, its slot, the time and the amount asked about; lays the bucket back.
fn bucket<R>(call: &Call<'_>, body: impl FnOnce(&mut Limiter, u32, &mut Bucket, f64, f64) -> R) -> Result<R, Failure> {
    let desk = desk(call)?;
    let slot = desk.bucket()?;
    let mut state = slot.load().ok_or_else(vacant)?;
    let number = desk.read(SLOT) as u32;
    limiter(call, |limiter| {
        let result = body(limiter, number, &mut state, desk.read(NOW), desk.read(AMOUNT));
        slot.store(&state, limiter.queues.len(number), &limiter.ticks);
        result
    })
}

/// `(options)` → the settings and the handle.
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = LimiterConfig::from_options(&call.options_at(0)?)?;
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    let settings = call
        .object()
        .number("rateLimit", config.rate_limit)
        .number("refillRate", config.refill_rate)
        .number("refillInterval", ms(config.refill_interval))
        .number("maxWaitTime", ms(config.max_wait))
        .set("fairQueueing", call.boolean(config.fair_queueing))
        .number("maxClients", config.max_clients as f64)
        .number("maxQueueLength", config.max_queue_length as f64)
        .number("idleMs", ms(config.idle))
        .set("resolveRefused", call.boolean(config.resolve_refused));
    let handle = LIMITERS.insert(Limiter::new(config));
    Ok(settings.set("handle", call.uint(handle)).value())
}

/// `(handle)`
fn close<'s>(call: &Call<'s>) -> Answer<'s> {
    let removed = LIMITERS.remove(call.uint_at(0)?);
    Ok(call.boolean(removed.is_some()))
}

/// `(handle, now)`: refilling begins.
fn start<'s>(call: &Call<'s>) -> Answer<'s> {
    let now = call.number_at(1)?;
    limiter(call, |limiter| limiter.ticks.start(now))?;
    Ok(call.undefined())
}

/// `(handle, now)`: refilling ends and nobody waits any more.
fn stop<'s>(call: &Call<'s>) -> Answer<'s> {
    let now = call.number_at(1)?;
    limiter(call, |limiter| {
        limiter.ticks.stop(now);
        limiter.queues.clear();
    })?;
    Ok(call.undefined())
}

/// `(handle, now, window)`: writes the current tick and when it ends.
fn window<'s>(call: &Call<'s>) -> Answer<'s> {
    let (now, window) = (call.number_at(1)?, call.cells::<f64>(2)?);
    let (tick, ends) = limiter(call, |limiter| {
        let tick = limiter.ticks.at(now);
        (tick, limiter.ticks.begins(tick + 1))
    })?;
    write(window, 0, &[tick as f64, ends]);
    Ok(call.undefined())
}

/// `(handle, desk, limit, rate)`: a new client's full bucket. Waiters of the slot stay.
fn fill<'s>(call: &Call<'s>) -> Answer<'s> {
    let (limit, rate) = (own_setting("rateLimit", &call.scalar_at(2)), own_setting("refillRate", &call.scalar_at(3)));
    let desk = desk(call)?;
    let (slot, now, number) = (desk.bucket()?, desk.read(NOW), desk.read(SLOT) as u32);
    limiter(call, |limiter| {
        let limit = limit.ok().flatten().unwrap_or(limiter.config.rate_limit);
        let rate = rate.ok().flatten().unwrap_or(limiter.config.refill_rate);
        slot.store(&Bucket::full(limit, rate, &limiter.ticks, now), limiter.queues.len(number), &limiter.ticks);
    })?;
    Ok(call.undefined())
}

/// `(handle, desk, changed)`: settles the bucket; plans its line anew after a change from outside.
fn settle<'s>(call: &Call<'s>) -> Answer<'s> {
    let changed = call.boolean_at(2)?;
    bucket(call, |limiter, slot, bucket, now, _| {
        bucket.settle(&limiter.ticks, now);
        if changed {
            limiter.plan(slot, bucket);
        }
    })?;
    Ok(call.undefined())
}

fn verdict<'s>(call: &Call<'s>, verdict: Verdict) -> Answer<'s> {
    Ok(call.int(match verdict {
        Verdict::Allowed => 1,
        Verdict::Denied => 0,
        Verdict::Invalid => -1,
    }))
}

/// `(handle, desk with the cost)` → 1, 0 or -1 for an odd cost.
fn take<'s>(call: &Call<'s>) -> Answer<'s> {
    let answer = bucket(call, |limiter, _, bucket, now, cost| {
        bucket.last_access = now;
        limiter.take(bucket, cost, now)
    })?;
    verdict(call, answer)
}

/// As `limitTake`, behind those who wait.
fn take_in_turn<'s>(call: &Call<'s>) -> Answer<'s> {
    let answer = bucket(call, |limiter, slot, bucket, now, cost| {
        bucket.last_access = now;
        limiter.take_in_turn(slot, bucket, cost, now)
    })?;
    verdict(call, answer)
}

/// `(handle, desk with the cost, timeoutMs)` → the ticket, or a refusal below zero, as `limitError` knows it.
fn enqueue<'s>(call: &Call<'s>) -> Answer<'s> {
    let timeout = call.number_at(2)?;
    let timeout = (timeout >= 0.0).then_some(timeout);
    let ticket = bucket(call, |limiter, slot, bucket, now, cost| limiter.enqueue(slot, bucket, cost, timeout, now))?;
    Ok(call.number(match ticket {
        Ok(ticket) => ticket as f64,
        Err(Refusal::CostExceedsLimit) => -2.0,
        Err(Refusal::QueueFull) => -3.0,
        Err(Refusal::Invalid) => -6.0,
    }))
}

/// `(handle, desk, out)` → how many were served; `out` gets ticket and waiting time of each.
fn serve<'s>(call: &Call<'s>) -> Answer<'s> {
    let out = call.cells::<f64>(2)?;
    let served = bucket(call, |limiter, slot, bucket, now, _| limiter.serve(slot, bucket, now, out.len() / 2))?;
    for (index, one) in served.iter().enumerate() {
        write(out, index * 2, &[one.ticket as f64, one.waited_ms]);
    }
    Ok(call.uint(served.len() as u32))
}

/// `(handle, ticket, now)` → whether it was waiting.
fn cancel<'s>(call: &Call<'s>) -> Answer<'s> {
    let (ticket, now) = (call.number_at(1)?, call.number_at(2)?);
    let slot = limiter(call, |limiter| limiter.cancel(ticket as u64, now))?;
    Ok(call.boolean(slot.is_some()))
}

/// `(handle, now, out)` → how many lines are due; `out` gets their slots.
fn due<'s>(call: &Call<'s>) -> Answer<'s> {
    let (now, out) = (call.number_at(1)?, call.cells::<f64>(2)?);
    let count = limiter(call, |limiter| {
        out.iter().map_while(|cell| limiter.take_due(now).map(|slot| cell.set(f64::from(slot)))).count()
    })?;
    Ok(call.uint(count as u32))
}

/// `(handle, now, out)` → how many ran out of time; `out` gets their tickets.
fn expired<'s>(call: &Call<'s>) -> Answer<'s> {
    let (now, out) = (call.number_at(1)?, call.cells::<f64>(2)?);
    let count = limiter(call, |limiter| {
        out.iter().map_while(|cell| limiter.take_expired(now).map(|(_, ticket)| cell.set(ticket as f64))).count()
    })?;
    Ok(call.uint(count as u32))
}

/// `(handle, now)` → milliseconds until something is due, -1 when nobody waits.
fn next_event<'s>(call: &Call<'s>) -> Answer<'s> {
    let now = call.number_at(1)?;
    let next = limiter(call, |limiter| limiter.next_event_ms(now))?;
    Ok(call.number(next.unwrap_or(-1.0)))
}

/// `(handle, desk with the cost, out)` → whether it could be taken now; `out` gets the whole tokens left, the ms until
/// the cost can be taken, and the ms until the bucket is full.
fn state<'s>(call: &Call<'s>) -> Answer<'s> {
    let out = call.cells::<f64>(2)?;
    let (allowed, numbers) = bucket(call, |limiter, _, bucket, now, cost| {
        bucket.settle(&limiter.ticks, now);
        let retry = bucket.retry_after_ms(cost, &limiter.ticks, now);
        let full = bucket.retry_after_ms(bucket.limit, &limiter.ticks, now);
        (is_cost(cost) && bucket.covers(cost), [bucket.tokens.floor(), retry, full])
    })?;
    write(out, 0, &numbers);
    Ok(call.boolean(allowed))
}

/// `(handle, desk, limit, rate)`: own settings of a client, whose bucket is filled.
fn set_limit<'s>(call: &Call<'s>) -> Answer<'s> {
    let limit = own_setting("limit", &call.scalar_at(2))?.ok_or(LimitError::NotANumber { name: "limit" })?;
    let rate = own_setting("refillRate", &call.scalar_at(3))?;
    bucket(call, |limiter, slot, bucket, now, _| {
        bucket.settle(&limiter.ticks, now);
        bucket.limit = limit;
        bucket.refill_rate = rate.unwrap_or(bucket.refill_rate);
        bucket.tokens = limit;
        limiter.plan(slot, bucket);
    })?;
    Ok(call.undefined())
}

/// `(handle, desk with the amount)`: puts tokens in or, below zero, takes them out; fills without a number.
fn adjust<'s>(call: &Call<'s>) -> Answer<'s> {
    bucket(call, |limiter, slot, bucket, now, by| {
        bucket.settle(&limiter.ticks, now);
        match () {
            () if by.is_nan() => bucket.reset(),
            () if by < 0.0 => bucket.remove(-by),
            () => bucket.add(by),
        }
        limiter.plan(slot, bucket);
    })?;
    Ok(call.undefined())
}

/// `(handle, desk, ms)`: denies everything for so long; 0 ends it.
fn block<'s>(call: &Call<'s>) -> Answer<'s> {
    let ms = own_setting("durationMs", &call.scalar_at(2))?.ok_or(LimitError::NotANumber { name: "durationMs" })?;
    bucket(call, |limiter, slot, bucket, now, _| {
        bucket.blocked_until = now + ms;
        bucket.settle(&limiter.ticks, now);
        limiter.plan(slot, bucket);
    })?;
    Ok(call.undefined())
}

/// Arguments `(handle, chunk, from, count, now, idleMs, onlyUnchanged, limit, rate)`.
struct Range<'s> {
    chunk: &'s [Cell<f64>],
    from: usize,
    count: usize,
    now: f64,
    idle: Idle,
}

fn range<'s>(call: &Call<'s>) -> Result<Range<'s>, Failure> {
    Ok(Range {
        chunk: call.cells(1)?,
        from: call.uint_at(2)? as usize,
        count: call.uint_at(3)? as usize,
        now: call.number_at(4)?,
        idle: Idle {
            for_ms: call.number_at(5)?,
            only_unchanged: call.boolean_at(6)?,
            usual_limit: call.number_at(7)?,
            usual_rate: call.number_at(8)?,
        },
    })
}

/// `(…range, out)` → how many are idle; `out` gets their indexes, as many as fit.
fn idle<'s>(call: &Call<'s>) -> Answer<'s> {
    let (Range { chunk, from, count, now, idle }, out) = (range(call)?, call.cells::<f64>(9)?);
    let found = limiter(call, |limiter| idle_slots(chunk, from, count, idle, &limiter.ticks, now))?;
    let written = found.iter().zip(out).map(|(&index, cell)| cell.set(index as f64)).count();
    Ok(call.uint(written as u32))
}

/// `(…range)` → the index of the fullest bucket that may be forgotten, -1 for none.
fn fullest_slot<'s>(call: &Call<'s>) -> Answer<'s> {
    let Range { chunk, from, count, now, idle } = range(call)?;
    let found = limiter(call, |limiter| fullest(chunk, from, count, idle, &limiter.ticks, now))?;
    Ok(call.int(found.map_or(-1, |index| (index.min(chunk.len() / STRIDE)) as i32)))
}

/// `(refusal, client, cost, limit)` → the error to reject with.
fn error<'s>(call: &Call<'s>) -> Answer<'s> {
    let (refusal, client) = (call.number_at(0)?, call.text_at(1)?.to_string());
    let error = match refusal as i32 {
        -1 => LimitError::Timeout { client },
        -2 => LimitError::CostExceedsLimit { client, cost: call.number_at(2)?, limit: call.number_at(3)? },
        -3 => LimitError::QueueFull { client },
        -4 => LimitError::Aborted { client },
        -5 => LimitError::Shutdown,
        _ => LimitError::OutOfRange { name: "tokens" },
    };
    Ok(call.error(&Failure::from(error)))
}

/// `(name, limit, rate, remaining, fullInMs, retryAfterMs)` → `RateLimit-Policy`, `RateLimit` and `Retry-After` (empty
/// for none), a line each.
fn header_lines<'s>(call: &Call<'s>) -> Answer<'s> {
    let name = call.text_at(0)?;
    let policy = headers::policy(&name, call.number_at(1)?, call.number_at(2)?);
    let current = headers::current(&name, call.number_at(3)?, call.number_at(4)?);
    let retry = headers::retry_after(call.number_at(5)?).map_or_else(String::new, |seconds| seconds.to_string());
    Ok(call.text(&format!("{policy}\n{current}\n{retry}")))
}

fn write(out: &[Cell<f64>], from: usize, values: &[f64]) {
    for (cell, &value) in out.iter().skip(from).zip(values) {
        cell.set(value);
    }
}
