//! A retry's settings, checked once a call, and the verdict on each error.

use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::options::{OptionError, Scalar};
use crate::resilience::retry::{Jitter, RetryConfig, Seen, is_transient};
use std::cell::Cell;

const CELLS: usize = 6;

pub fn register(exports: Exports<'_>) {
    exports.function("retryPlan", plan).function("retryVerdict", verdict);
}

fn cells<'s>(call: &Call<'s>) -> Result<&'s [Cell<f64>], Failure> {
    let cells = call.cells::<f64>(0)?;
    if cells.len() == CELLS { Ok(cells) } else { Err(Failure::internal("a retry's cells have the wrong length")) }
}

/// `(cells, maxAttempts, backoffMs, jitter, timeout, maxDelayMs, signal, signalUsable)`
fn plan<'s>(call: &Call<'s>) -> Answer<'s> {
    let [attempts, backoff, jitter, timeout, longest] = [1, 2, 3, 4, 5].map(|index| call.scalar_at(index));
    let config = RetryConfig::read(&attempts, &backoff, &jitter, &timeout, &longest)?;
    if !call.boolean_at(7)? {
        return Err(OptionError::wrong_type("signal", "an AbortSignal", &call.scalar_at(6)).into());
    }
    let jitter = match config.jitter {
        Jitter::None => 0.0,
        Jitter::Equal => 1.0,
        Jitter::Decorrelated => 2.0,
    };
    let values = [config.max_attempts, config.backoff, jitter, config.timeout, config.max_delay, 0.0];
    for (cell, value) in cells(call)?.iter().zip(values) {
        cell.set(value);
    }
    Ok(call.undefined())
}

/// `(cells, attempt, ruled, statusCode, code, cause's code, name, message, retryAfterMs, random)` → milliseconds to
/// wait, or -1 where there is no further call. `ruled`: the caller's own predicate has said yes.
fn verdict<'s>(call: &Call<'s>) -> Answer<'s> {
    let cells = cells(call)?;
    let attempt = call.number_at(1)?;
    let [max_attempts, backoff, jitter, timeout, max_delay, previous] =
        [0, 1, 2, 3, 4, 5].map(|at: usize| cells[at].get());
    let jitter = match jitter {
        0.0 => Jitter::None,
        1.0 => Jitter::Equal,
        _ => Jitter::Decorrelated,
    };
    let config = RetryConfig { max_attempts, backoff, jitter, timeout, max_delay };
    let (code, cause) = (call.text_at(4)?, call.text_at(5)?);
    let (name, message) = (call.text_at(6)?, call.text_at(7)?);
    let status = if let Scalar::Number(status) = call.scalar_at(3) { status } else { 0.0 };
    let seen = Seen { status, code: &code, cause: &cause, name: &name, message: &message };
    let again = attempt < max_attempts && (call.boolean_at(2)? || is_transient(&seen));
    let (retry_after, random) = (call.number_at(8)?, call.number_at(9)?);
    let delay = if again { config.delay(attempt, previous, retry_after, random) } else { None };
    cells[5].set(delay.unwrap_or(0.0));
    Ok(call.number(delay.unwrap_or(-1.0)))
}
