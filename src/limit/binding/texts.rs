//! What a caller reads: errors, headers and figures.

use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::limit::error::LimitError;
use crate::limit::{headers, stats};

pub(super) fn register(exports: Exports<'_>) {
    exports
        .function("limitError", error)
        .function("limitAllowRate", |call| Ok(call.text(&stats::allow_rate(call.number_at(0)?, call.number_at(1)?))))
        .function("limitUtilization", |call| Ok(call.text(&stats::utilization(call.number_at(0)?, call.number_at(1)?))))
        .function("limitShown", |call| Ok(call.number(stats::shown(call.number_at(0)?))))
        .function("limitHeaders", header_lines);
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
        -8 => LimitError::TurnTaken { client },
        -7 => LimitError::StoreAway { client },
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
