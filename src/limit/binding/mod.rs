//! The raw functions of this room. Times are milliseconds of the caller's monotonic clock. A call about one bucket
//! takes the handle and the desk; see [`Desk`].

mod lines;
mod remote;
mod rules;
mod sweep;
mod texts;

use super::bucket::Bucket;
use super::config::{GlobalConfig, LimiterConfig, own_setting};
use super::error::LimitError;
use super::limiter::Limiter;
use super::shared::{STRIDE, Slot};
use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::options::{OptionError, Scalar};
use std::cell::Cell;

thread_local! {
    static LIMITERS: Handles<Limiter> = const { handles() };
}

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    lines::register(exports);
    remote::register(exports);
    rules::register(exports);
    sweep::register(exports);
    texts::register(exports);
    exports
        .function("limitOpen", open)
        .function("limitClose", close)
        .function("limitStart", start)
        .function("limitStop", stop)
        .function("limitWindow", window)
        .function("limitFill", fill)
        .function("limitSettle", settle)
        .function("limitState", state)
        .function("limitShared", shared)
        .function("limitSet", set_limit)
        .function("limitAdjust", adjust)
        .function("limitBlock", block);
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
        keep(limiter, slot, number, &state);
        result
    })
}

/// Lays a bucket back. With a limit that clients share, a balance says nothing on its own.
fn keep(limiter: &Limiter, slot: Slot<'_>, number: u32, bucket: &Bucket) {
    let waiting = limiter.queues.len(number);
    match (&limiter.remote, &limiter.global) {
        (Some(remote), _) => slot.store_lease(bucket, remote.waiting(number), &limiter.ticks),
        (None, Some(_)) => slot.store_unpublished(bucket, waiting, &limiter.ticks),
        (None, None) => slot.store(bucket, waiting, &limiter.ticks),
    }
}

/// `(options, options.globalLimit, options.store, listener)` → the settings and the handle.
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let mut config = LimiterConfig::from_options(&call.options_at(0)?)?;
    config.global = match call.scalar_at(1) {
        Scalar::Missing | Scalar::Null | Scalar::Bool(false) => None,
        Scalar::Other("object") => Some(GlobalConfig::from_options(&call.options_at(1)?)?),
        other => return Err(OptionError::wrong_type("globalLimit", "an object", &other).into()),
    };
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
    let settings = match &config.global {
        None => settings,
        Some(global) => {
            let shared = call
                .object()
                .number("rateLimit", global.rate_limit)
                .number("refillRate", global.refill_rate)
                .number("refillInterval", ms(global.refill_interval))
                .number("quantum", global.quantum)
                .number("maxQueueLength", global.max_queue_length as f64);
            settings.set("globalLimit", shared.value())
        }
    };
    let store = remote::open(call, &config)?;
    let settings = match &store {
        Some(remote) => settings.set("store", remote::settings(call, remote)),
        None => settings,
    };
    let limiter = match store {
        Some(remote) => Limiter::over(config, remote),
        None => Limiter::new(config),
    };
    Ok(settings.set("handle", call.uint(LIMITERS.insert(limiter))).value())
}

/// `(handle)`
fn close<'s>(call: &Call<'s>) -> Answer<'s> {
    let removed = LIMITERS.remove(call.uint_at(0)?);
    Ok(call.boolean(removed.is_some()))
}

/// `(handle, now)`: refilling begins.
fn start<'s>(call: &Call<'s>) -> Answer<'s> {
    let now = call.number_at(1)?;
    limiter(call, |limiter| limiter.start(now))?;
    Ok(call.undefined())
}

/// `(handle, now)`: refilling ends and nobody waits any more.
fn stop<'s>(call: &Call<'s>) -> Answer<'s> {
    let now = call.number_at(1)?;
    limiter(call, |limiter| limiter.stop(now))?;
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
        let full = Bucket::full(limit, rate, &limiter.ticks, now);
        // Nothing of a bucket elsewhere is here before it was leased.
        let fresh = if limiter.remote.is_some() { Bucket { tokens: 0.0, refill_rate: 0.0, ..full } } else { full };
        keep(limiter, slot, number, &fresh);
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

/// `(handle, desk with the cost, out)` → whether it could be taken now; `out` gets the whole tokens left, the ms until
/// the cost can be taken, and the ms until the bucket is full.
fn state<'s>(call: &Call<'s>) -> Answer<'s> {
    let out = call.cells::<f64>(2)?;
    let (allowed, numbers) = bucket(call, |limiter, slot, bucket, now, cost| {
        bucket.settle(&limiter.ticks, now);
        if let Some(remote) = &mut limiter.remote {
            let (allowed, retry, remaining, full) = remote.look(slot, bucket, cost, now);
            return (allowed, [remaining, retry, full]);
        }
        let (allowed, retry) = limiter.look(slot, bucket, cost, now);
        let full = bucket.retry_after_ms(bucket.limit, &limiter.ticks, now);
        let shared = limiter.global.as_ref().map_or(f64::INFINITY, |global| global.bucket.tokens);
        (allowed, [bucket.tokens.min(shared).floor().max(0.0), retry, full])
    })?;
    write(out, 0, &numbers);
    Ok(call.boolean(allowed))
}

/// `(handle, now)` → the tokens that all clients share, as they are now.
fn shared<'s>(call: &Call<'s>) -> Answer<'s> {
    let now = call.number_at(1)?;
    let tokens = limiter(call, |limiter| {
        limiter.global.as_mut().map_or(f64::INFINITY, |global| {
            global.bucket.settle(&global.ticks, now);
            global.bucket.tokens
        })
    })?;
    Ok(call.number(tokens))
}

/// `(handle, desk, limit, rate)`: own settings of a client, whose bucket is filled.
fn set_limit<'s>(call: &Call<'s>) -> Answer<'s> {
    let limit = own_setting("limit", &call.scalar_at(2))?.ok_or(LimitError::NotANumber { name: "limit" })?;
    let rate = own_setting("refillRate", &call.scalar_at(3))?;
    bucket(call, |limiter, slot, bucket, now, _| {
        bucket.settle(&limiter.ticks, now);
        if let Some(remote) = &mut limiter.remote {
            return remote.set(slot, bucket, limit, rate, now);
        }
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
        if let Some(remote) = &mut limiter.remote {
            return remote.adjust(slot, bucket, by, now);
        }
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
        if let Some(remote) = &mut limiter.remote {
            return remote.block(slot, bucket, ms, now);
        }
        bucket.blocked_until = now + ms;
        bucket.settle(&limiter.ticks, now);
        limiter.plan(slot, bucket);
    })?;
    Ok(call.undefined())
}

fn write(out: &[Cell<f64>], from: usize, values: &[f64]) {
    for (cell, &value) in out.iter().skip(from).zip(values) {
        cell.set(value);
    }
}
