//! Which clients can be forgotten, and which ask for the most.

use super::{limiter, write};
use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::limit::shared::STRIDE;
use crate::limit::sweep::{Idle, busiest, fullest, idle_slots};
use std::cell::Cell;

pub(super) fn register(exports: Exports<'_>) {
    exports.function("limitIdle", idle).function("limitFullest", fullest_slot).function("limitBusiest", busiest_slots);
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

/// `(handle, chunk, from, count, now, out)` → how many are busy; `out` gets index, tokens, limit, line and block (ms)
/// of each, as many as fit.
fn busiest_slots<'s>(call: &Call<'s>) -> Answer<'s> {
    let (chunk, from, count) = (call.cells(1)?, call.uint_at(2)? as usize, call.uint_at(3)? as usize);
    let (now, out) = (call.number_at(4)?, call.cells::<f64>(5)?);
    let found = limiter(call, |limiter| busiest(chunk, from, count, out.len() / 5, &limiter.ticks, now))?;
    for (place, one) in found.iter().enumerate() {
        write(out, place * 5, &[one.index as f64, one.tokens, one.limit, one.waiting as f64, one.blocked_ms]);
    }
    Ok(call.uint(found.len() as u32))
}
