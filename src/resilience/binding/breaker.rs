//! Breakers by handle. What callers read and write of a breaker lives in a `Float64Array` of the face, which comes
//! with each call: it is read before the decision and written after it.

use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::resilience::breaker::{Admission, Breaker, State};
use crate::resilience::config::BreakerConfig;
use std::cell::Cell;

thread_local! {
    static BREAKERS: Handles<Breaker> = const { handles() };
}

const CELLS: usize = 13;
/// Successes that the face counted instead of telling of them.
const UNTOLD: usize = 12;
/// No time was read: the next success has to be told.
const LOUD: f64 = f64::NAN;

pub fn register(exports: Exports<'_>) {
    exports
        .function("breakerOpen", open)
        .function("breakerFree", |call| Ok(call.boolean(BREAKERS.remove(call.uint_at(0)?).is_some())))
        .function("breakerAdmit", |call| {
            let now = call.number_at(2)?;
            let admission = with(call, now, |breaker| breaker.admit(now))?;
            Ok(call.int(match admission {
                Admission::Permit => 0,
                Admission::Probe => 1,
                Admission::Reject => 2,
                Admission::HalfOpenFirst => 3,
            }))
        })
        .function("breakerRelease", |call| {
            let generation = call.uint_at(2)?;
            with(call, LOUD, |breaker| breaker.release(generation))?;
            Ok(call.undefined())
        })
        .function("breakerSucceeded", |call| {
            let (now, duration) = (call.number_at(2)?, call.number_at(3)?);
            let next = with(call, now, |breaker| breaker.succeeded(now, duration))?;
            Ok(call.int(number_of(next)))
        })
        .function("breakerFailed", |call| {
            let (now, duration) = (call.number_at(2)?, call.number_at(3)?);
            let next = with(call, now, |breaker| breaker.failed(now, duration))?;
            Ok(call.int(number_of(next)))
        })
        .function("breakerTransition", |call| {
            let (to, now) = (state_at(call, 2)?, call.number_at(3)?);
            with(call, now, |breaker| breaker.transition(to, now))?;
            Ok(call.undefined())
        })
        .function("breakerForce", |call| {
            let to = state_at(call, 2)?;
            with(call, LOUD, |breaker| breaker.force(to))?;
            Ok(call.undefined())
        })
        .function("breakerIsolate", |call| {
            with(call, LOUD, Breaker::isolate)?;
            Ok(call.undefined())
        })
        .function("breakerView", view);
}

/// `(options, window | undefined, cells, now)` → handle
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let options = call.options_at(0)?;
    let config = BreakerConfig::from_options(&options)?;
    let config =
        if call.scalar_at(1).is_falsy() { config } else { config.with_rates(&call.options_at(1)?, &options)? };
    let (cells, now) = (cells(call, 2)?, call.number_at(3)?);
    let mut breaker = Breaker::new(config, now);
    store(&mut breaker, cells, now);
    Ok(call.uint(BREAKERS.insert(breaker)))
}

/// `(handle, cells, now)` → what `getState` adds.
fn view<'s>(call: &Call<'s>) -> Answer<'s> {
    let now = call.number_at(2)?;
    let (remaining, tally) = with(call, now, |breaker| (breaker.remaining(now), breaker.tally(now)))?;
    Ok(call
        .object()
        .number("remaining", remaining)
        .number("calls", tally.calls.into())
        .number("failureRate", tally.failure_rate())
        .number("slowCallRate", tally.slow_rate())
        .value())
}

fn number_of(next: Option<State>) -> i32 {
    next.map_or(-1, |state| state as i32)
}

fn state_at(call: &Call<'_>, index: usize) -> Result<State, Failure> {
    State::named(&call.text_at(index)?)
        .ok_or_else(|| Failure::wrong_type(0, "one of \"CLOSED\", \"OPEN\", \"HALF_OPEN\""))
}

fn cells<'s>(call: &Call<'s>, index: usize) -> Result<&'s [Cell<f64>], Failure> {
    let cells = call.cells::<f64>(index)?;
    if cells.len() == CELLS { Ok(cells) } else { Err(Failure::internal("a breaker's cells have the wrong length")) }
}

/// Runs `body` at time `now` with the breaker of argument 0, whose visible part is in the cells of argument 1.
fn with<R>(call: &Call<'_>, now: f64, body: impl FnOnce(&mut Breaker) -> R) -> Result<R, Failure> {
    let cells = cells(call, 1)?;
    BREAKERS.with_object(call.uint_at(0)?, |breaker| {
        load(breaker, cells);
        let result = body(breaker);
        store(breaker, cells, now);
        result
    })
}

fn load(breaker: &mut Breaker, cells: &[Cell<f64>]) {
    let visible = &mut breaker.visible;
    let numbers = [
        &mut visible.failures,
        &mut visible.successes,
        &mut visible.failure_threshold,
        &mut visible.success_threshold,
        &mut visible.reset_timeout,
        &mut visible.last_failure,
        &mut visible.last_change,
    ];
    for (number, cell) in numbers.into_iter().zip(cells.iter().skip(1)) {
        *number = cell.get();
    }
    breaker.succeeded_meanwhile(cells.get(UNTOLD).map_or(0, |cell| cell.get() as u32));
}

fn store(breaker: &mut Breaker, cells: &[Cell<f64>], now: f64) {
    let quiet_until = if now.is_nan() { 0.0 } else { breaker.quiet_until(now) };
    let visible = &breaker.visible;
    let values: [f64; CELLS] = [
        f64::from(visible.state as u8),
        visible.failures,
        visible.successes,
        visible.failure_threshold,
        visible.success_threshold,
        visible.reset_timeout,
        visible.last_failure,
        visible.last_change,
        visible.generation.into(),
        quiet_until,
        f64::from(u8::from(visible.isolated)),
        breaker.slow_call_ms(),
        0.0,
    ];
    for (cell, value) in cells.iter().zip(values) {
        cell.set(value);
    }
}
