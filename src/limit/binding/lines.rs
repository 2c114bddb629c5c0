//! Taking, and standing in line.

use super::{bucket, limiter, write};
use crate::binding::raw::{Answer, Call, Exports};
use crate::limit::config::Share;
use crate::limit::limiter::{Limiter, Refusal, Verdict};
use crate::limit::queue::LineId;
use crate::limit::reserve::Reservation;

pub(super) fn register(exports: Exports<'_>) {
    exports
        .function("limitTake", take)
        .function("limitTakeInTurn", take_in_turn)
        .function("limitShare", share)
        .function("limitEnqueue", enqueue)
        .function("limitReserve", reserve)
        .function("limitCancelTurn", cancel_turn)
        .function("limitTurn", turn)
        .function("limitServe", serve)
        .function("limitCancel", cancel)
        .function("limitDue", due)
        .function("limitExpired", expired)
        .function("limitNext", next_event);
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
    let answer = bucket(call, |limiter, slot, bucket, now, cost| {
        bucket.last_access = now;
        limiter.take(slot, bucket, cost, now)
    })?;
    verdict(call, answer)
}

/// As `limitTake`, behind those who wait; argument 2 is the class.
fn take_in_turn<'s>(call: &Call<'s>) -> Answer<'s> {
    let class = call.uint_at(2)?;
    let answer = bucket(call, |limiter, slot, bucket, now, cost| {
        bucket.last_access = now;
        limiter.take_in_turn(line(limiter, slot, class), bucket, cost, now)
    })?;
    verdict(call, answer)
}

/// Classes are only told apart where clients share a limit.
fn line(limiter: &Limiter, slot: u32, class: u32) -> LineId {
    LineId { slot, class: if limiter.global.is_some() { class as u8 } else { 0 } }
}

/// `(weight, priority)`, as a caller gave them → the class.
fn share<'s>(call: &Call<'s>) -> Answer<'s> {
    let share = Share::read(&call.scalar_at(0), &call.scalar_at(1))?;
    Ok(call.uint(u32::from(share.class)))
}

fn refusal(refusal: Refusal) -> f64 {
    match refusal {
        Refusal::TooLate => -1.0,
        Refusal::CostExceedsLimit => -2.0,
        Refusal::QueueFull => -3.0,
        Refusal::Invalid => -6.0,
        Refusal::TurnTaken => -8.0,
    }
}

/// `(handle, desk with the cost, timeoutMs, class, weight)` → the ticket, or a refusal below zero, as `limitError`
/// knows it.
fn enqueue<'s>(call: &Call<'s>) -> Answer<'s> {
    let (timeout, class, weight) = (call.number_at(2)?, call.uint_at(3)?, call.number_at(4)?);
    let timeout = (timeout >= 0.0).then_some(timeout);
    let ticket = bucket(call, |limiter, slot, bucket, now, cost| {
        let line = line(limiter, slot, class);
        if let Some(global) = &mut limiter.global {
            global.weigh(line, weight);
        }
        let ticket = limiter.enqueue(line, bucket, cost, timeout, now);
        limiter.forget_if_empty(line);
        ticket
    })?;
    Ok(call.number(ticket.map_or_else(refusal, |ticket| ticket as f64)))
}

/// `(handle, desk with the cost, maxWaitMs, out, weight)` → the ticket, 0 when its tokens are taken already, or a
/// refusal; `out` gets the milliseconds.
fn reserve<'s>(call: &Call<'s>) -> Answer<'s> {
    let (most, out, weight) = (call.number_at(2)?, call.cells::<f64>(3)?, call.number_at(4)?);
    let reserved = bucket(call, |limiter, slot, bucket, now, cost| {
        bucket.last_access = now;
        if limiter.global.is_some() {
            let turn = limiter.reserve_turn(slot, bucket, cost, weight, most, now);
            return turn.map(|wait_ms| Reservation { ticket: None, wait_ms });
        }
        limiter.reserve(slot, bucket, cost, most, now)
    })?;
    Ok(call.number(match reserved {
        Ok(reservation) => {
            write(out, 0, &[reservation.wait_ms]);
            reservation.ticket.map_or(0.0, |ticket| ticket as f64)
        }
        Err(reason) => refusal(reason),
    }))
}

/// `(handle, desk with the cost)` → whether a reserved turn of that cost had not come, and was given back.
fn cancel_turn<'s>(call: &Call<'s>) -> Answer<'s> {
    let cancelled = bucket(call, |limiter, slot, bucket, now, cost| limiter.cancel_turn(slot, bucket, cost, now))?;
    Ok(call.boolean(cancelled))
}

/// `(handle, now)` → the client whose turn it is for shared tokens that are there; -1 for nobody.
fn turn<'s>(call: &Call<'s>) -> Answer<'s> {
    let now = call.number_at(1)?;
    let slot = limiter(call, |limiter| limiter.next_turn(now))?;
    Ok(call.number(slot.map_or(-1.0, f64::from)))
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
