//! Limits by client id.

use super::{bucket, limiter, write};
use crate::binding::raw::{Answer, Call, Exports};
use crate::limit::rules::Rules;

pub(super) fn register(exports: Exports<'_>) {
    exports.function("limitRules", rules).function("limitRule", rule).function("limitRescale", rescale);
}

/// `(handle, json)`: these limits hold from now on; what is wrong with them is thrown, and the old ones stay.
fn rules<'s>(call: &Call<'s>) -> Answer<'s> {
    let rules = Rules::parse(&call.text_at(1)?)?;
    limiter(call, |limiter| limiter.rules = rules)?;
    Ok(call.undefined())
}

/// `(handle, id, place, out)` → the place of the rule for this id (or that place itself, when it is not negative), -1
/// for none; `out` gets its limit, its rate, whether it names the id, its weight and its
/// class.
fn rule<'s>(call: &Call<'s>) -> Answer<'s> {
    let (id, place, out) = (call.text_at(1)?, call.number_at(2)?, call.cells::<f64>(3)?);
    let found = limiter(call, |limiter| {
        let found = if place >= 0.0 { Some((place as usize, false)) } else { limiter.rules.find(&id) };
        let (limit, rate) = (limiter.config.rate_limit, limiter.config.refill_rate);
        found.and_then(|(index, exact)| limiter.rules.get(index).map(|rule| (index, exact, rule, limit, rate)))
    })?;
    let Some((index, exact, rule, limit, rate)) = found else { return Ok(call.int(-1)) };
    let (exact, share) = (f64::from(u8::from(exact)), rule.share);
    let terms = [rule.limit.unwrap_or(limit), rule.rate.unwrap_or(rate), exact, share.weight, f64::from(share.class)];
    write(out, 0, &terms);
    Ok(call.uint(index as u32))
}

/// `(handle, desk, limit, rate)`: another limit, with the same part of it left, as Guava's `setRate` does it.
fn rescale<'s>(call: &Call<'s>) -> Answer<'s> {
    let (limit, rate) = (call.number_at(2)?, call.number_at(3)?);
    bucket(call, |limiter, slot, bucket, now, _| {
        bucket.settle(&limiter.ticks, now);
        if let Some(remote) = &mut limiter.remote {
            return remote.terms(slot, bucket, limit, rate);
        }
        bucket.tokens = if bucket.limit > 0.0 { bucket.tokens / bucket.limit * limit } else { limit };
        (bucket.limit, bucket.refill_rate) = (limit, rate);
        limiter.plan(slot, bucket);
    })?;
    Ok(call.undefined())
}
