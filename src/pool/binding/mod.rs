//! The raw functions of this room. A slot or waiter number goes out as a number; the rest waits as commands.

mod postgres;
mod wide;

use super::command::{AfterFailure, Command, Grant, Purpose, Refusal, Release};
use super::config::PoolConfig;
use super::error::PoolError;
use super::pool::{Pool, UNDATED};
use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::clock::{Clock, SystemClock};
use crate::options::MAX_TIMER_MS;
use std::time::Duration;

thread_local! {
    static POOLS: Handles<Pool> = const { handles() };
}

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    exports
        .function("poolOpen", open)
        .function("poolConfigure", configure)
        .function("poolClose", |call| {
            drop(POOLS.remove(call.uint_at(0)?));
            Ok(call.undefined())
        })
        .function("poolAcquire", acquire)
        .function("poolExchange", exchange)
        .function("poolRelease", |call| release(call, |pool, slot| pool.release(slot, time_of(pool))))
        .function("poolDiscard", |call| release(call, Pool::discard))
        .function("poolNext", next)
        .function("poolCreated", created)
        .function("poolCreateFailed", create_failed)
        .function("poolRetryDue", |call| {
            let due = with(call, |pool, call| Ok(pool.retry_due(call.uint_at(1)?, call.uint_at(2)?)))?;
            Ok(call.boolean(due))
        })
        .function("poolTested", |call| {
            with(call, |pool, call| {
                pool.tested(call.uint_at(1)?, call.uint_at(2)?, call.boolean_at(3)?, now());
                Ok(())
            })?;
            Ok(call.undefined())
        })
        .function("poolUnhealthy", |call| {
            let dropped = with(call, |pool, call| Ok(pool.unhealthy(call.uint_at(1)?)))?;
            Ok(call.boolean(dropped))
        })
        .function("poolCancel", |call| {
            let waited = with(call, |pool, call| Ok(pool.cancel(call.number_at(1)? as u64, call.boolean_at(2)?)))?;
            Ok(call.boolean(waited))
        })
        .function("poolTopUp", |call| {
            let purpose = if call.boolean_at(1)? { Purpose::Refill } else { Purpose::Initial };
            let asked = with(call, |pool, _| Ok(pool.top_up(purpose)))?;
            Ok(call.boolean(asked))
        })
        .function("poolReap", |call| {
            let next = with(call, |pool, _| Ok(pool.reap(now())))?;
            Ok(call.number(next.map_or(-1.0, timer)))
        })
        .function("poolDrain", |call| {
            with(call, |pool, call| {
                pool.drain(call.boolean_at(1)?);
                Ok(())
            })?;
            Ok(call.undefined())
        })
        .function("poolDrained", |call| {
            with(call, |pool, _| {
                pool.drained();
                Ok(())
            })?;
            Ok(call.undefined())
        })
        .function("poolIsActive", |call| {
            let active = with(call, |pool, call| Ok(pool.is_active(call.uint_at(1)?)))?;
            Ok(call.boolean(active))
        })
        .function("poolWait", |call| {
            let options = call.options_at(1)?;
            let limit = with(call, |pool, _| Ok(pool.config().wait(&options)?))?;
            Ok(call.number(timer(limit)))
        })
        .function("poolStats", stats)
        .function("poolError", error);
    postgres::register(exports);
}

fn now() -> u64 {
    SystemClock.monotonic_nanos()
}

/// The time, if the pool cares: on a borrow, reading the clock would be most of the work.
fn time_of(pool: &Pool) -> u64 {
    if pool.needs_time() { now() } else { UNDATED }
}

/// Milliseconds for a JavaScript timer, never early.
fn timer(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).ceil().min(MAX_TIMER_MS)
}

fn with<T>(call: &Call<'_>, body: impl FnOnce(&mut Pool, &Call<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    POOLS.with_object(call.uint_at(0)?, |pool| body(pool, call))?
}

/// `poolOpen(options, testable)` → handle
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = PoolConfig::read(&call.options_at(0)?, call.boolean_at(1)?)?;
    Ok(call.uint(POOLS.insert(Pool::new(config))))
}

/// `poolConfigure(handle, options, testable)`
fn configure<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = PoolConfig::read(&call.options_at(1)?, call.boolean_at(2)?)?;
    with(call, |pool, _| {
        pool.reconfigure(config);
        Ok(())
    })?;
    Ok(call.undefined())
}

/// `poolAcquire(handle)` → slot, or below zero twice the waiter's number, and one more where commands are pending, or
/// minus infinity when too many wait
fn acquire<'s>(call: &Call<'s>) -> Answer<'s> {
    let granted = with(call, |pool, _| {
        let grant = pool.acquire(time_of(pool));
        Ok(number_of(pool, grant))
    })?;
    Ok(call.number(granted))
}

fn number_of(pool: &Pool, grant: Grant) -> f64 {
    match grant {
        Grant::Slot(slot) => f64::from(slot),
        Grant::Wait(waiter) => -((waiter * 2 + u64::from(pool.has_commands())) as f64),
        Grant::Refused => f64::NEG_INFINITY,
    }
}

/// `poolExchange(handle, slot)`: a release and the acquire that follows it, in one call → as `poolAcquire`
fn exchange<'s>(call: &Call<'s>) -> Answer<'s> {
    let granted = with(call, |pool, call| {
        let grant = pool.exchange(call.uint_at(1)?, time_of(pool));
        Ok(number_of(pool, grant))
    })?;
    Ok(call.number(granted))
}

/// `poolRelease(handle, slot)` → -1 ignored, 0 done, 1 commands are pending, above that the waiter whose it is now, and one
fn release<'s>(call: &Call<'s>, end: impl FnOnce(&mut Pool, u32) -> Release) -> Answer<'s> {
    let released = with(call, |pool, call| Ok(end(pool, call.uint_at(1)?)))?;
    Ok(call.number(match released {
        Release::Ignored => -1.0,
        Release::Done => 0.0,
        Release::Commands => 1.0,
        Release::Serve(waiter) => waiter as f64 + 1.0,
    }))
}

/// `poolNext(handle, Float64Array(2))` → 0 none, 1 create, 2 test, 3 close, 4 serve, 5 drained, 6 create failed
fn next<'s>(call: &Call<'s>) -> Answer<'s> {
    let Some(command) = with(call, |pool, _| Ok(pool.next_command()))? else { return Ok(call.int(0)) };
    let (kind, first, second) = match command {
        Command::Create { slot, epoch } => (1, f64::from(slot), f64::from(epoch)),
        Command::Test { slot, epoch } => (2, f64::from(slot), f64::from(epoch)),
        Command::Close { slot } => (3, f64::from(slot), 0.0),
        Command::Serve { slot, waiter } => (4, f64::from(slot), waiter as f64),
        Command::Reject { waiter, why: Refusal::Drained } => (5, waiter as f64, 0.0),
        Command::Reject { waiter, why: Refusal::CreateFailed } => (6, waiter as f64, 0.0),
    };
    if let [a, b, ..] = call.cells::<f64>(1)? {
        a.set(first);
        b.set(second);
    }
    Ok(call.int(kind))
}

/// From 0 to 1.
fn random() -> f64 {
    f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX)
}

/// `poolCreated(handle, slot, epoch)` → whether the connection is wanted
fn created<'s>(call: &Call<'s>) -> Answer<'s> {
    let wanted = with(call, |pool, call| Ok(pool.created(call.uint_at(1)?, call.uint_at(2)?, now(), random())))?;
    Ok(call.boolean(wanted))
}

/// `poolCreateFailed(handle, slot, epoch, retryable)` → wait in ms before the next attempt, -1 given up, -2 stale
fn create_failed<'s>(call: &Call<'s>) -> Answer<'s> {
    let after = with(call, |pool, call| {
        Ok(pool.create_failed(call.uint_at(1)?, call.uint_at(2)?, call.boolean_at(3)?, random()))
    })?;
    Ok(call.number(match after {
        AfterFailure::Retry(delay) => timer(delay),
        AfterFailure::GiveUp => -1.0,
        AfterFailure::Stale => -2.0,
    }))
}

/// `poolStats(handle)` → numbers by name
fn stats<'s>(call: &Call<'s>) -> Answer<'s> {
    let (stats, config) = with(call, |pool, _| Ok((pool.stats(), pool.config().clone())))?;
    let counters = stats.counters;
    let object = call
        .object()
        .number("created", counters.created as f64)
        .number("acquired", counters.acquired as f64)
        .number("released", counters.released as f64)
        .number("failures", counters.failures as f64)
        .number("activeCount", stats.active as f64)
        .number("poolSize", stats.size as f64)
        .number("availableConnections", stats.available as f64)
        .number("waitingRequests", stats.waiting as f64)
        .text("utilization", &stats.utilization)
        .number("creating", stats.creating as f64)
        .number("retries", counters.retries as f64)
        .number("closed", counters.closed as f64)
        .number("reaped", counters.reaped as f64)
        .number("expired", counters.expired as f64)
        .number("timeouts", counters.timeouts as f64)
        .number("minConnections", config.min_connections as f64)
        .number("maxConnections", config.max_connections as f64)
        .number("connectionTimeout", timer(config.connection_timeout))
        .number("idleTimeout", timer(config.idle_timeout))
        .number("maxRetries", f64::from(config.max_retries))
        .number("validateAfterIdleMs", config.validate_after_idle.map_or(0.0, timer))
        .number("maxLifetimeMs", config.max_lifetime.map_or(0.0, timer))
        .number("maxWaiting", if config.max_waiting == usize::MAX { 0.0 } else { config.max_waiting as f64 });
    Ok(object.value())
}

/// `poolError(name, detail)` → the `Error` of that name
fn error<'s>(call: &Call<'s>) -> Answer<'s> {
    let error = match &*call.text_at(0)? {
        "timeout" => PoolError::AcquireTimeout,
        "createFailed" => PoolError::CreateFailed(call.text_at(1)?.to_string()),
        "createTimeout" => PoolError::CreateTimeout,
        "noConnection" => PoolError::NoConnection,
        "drained" => PoolError::Drained,
        "aborted" => PoolError::Aborted,
        "noQuery" => PoolError::NoQuery,
        "noConnectionString" => PoolError::NoConnectionString,
        "badFactory" => PoolError::BadFactory,
        "badParameters" => PoolError::BadParameters,
        "badText" => PoolError::BadText,
        "queryAborted" => PoolError::QueryAborted,
        "queryTimeout" => PoolError::QueryTimeout,
        "tooManyWaiting" => PoolError::TooManyWaiting,
        "busy" => PoolError::Busy,
        "transactionOver" => PoolError::TransactionOver,
        "rolledBack" => PoolError::RolledBack,
        "closed" => PoolError::ConnectionClosed,
        _ => return Err(Failure::internal("no such error")),
    };
    Ok(call.error(&error.into()))
}
