//! Balancers by handle; targets by their places in the face's array.

use crate::balance::balancer::{self, Balancer};
use crate::balance::router_config::{RouterConfig, weight_of};
use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::clock::{Clock, SystemClock};

thread_local! {
    static BALANCERS: Handles<Balancer> = const { handles() };
}

pub fn register(exports: Exports<'_>) {
    exports
        .function("balancerOpen", open)
        .function("balancerFree", |call| Ok(call.boolean(BALANCERS.remove(call.uint_at(0)?).is_some())))
        // `(handle, id, weight, local?)`
        .function("balancerAdd", |call| {
            let (id, weight, local) = (call.text_at(1)?, weight_of(&call.scalar_at(2)), call.boolean_at(3)?);
            with(call, |balancer| balancer.add(&id, weight, local))?;
            Ok(call.undefined())
        })
        .function("balancerClear", |call| {
            with(call, Balancer::clear)?;
            Ok(call.undefined())
        })
        .function("balancerRemove", |call| {
            let place = call.uint_at(1)? as usize;
            with(call, |balancer| balancer.remove(place))?;
            Ok(call.undefined())
        })
        // `(handle, algorithm's number, next place)` → place, or -1
        .function("balancerPick", |call| pick(call, None))
        // `(handle, algorithm's number, next place, key)` → place, or -1
        .function("balancerPickFor", |call| {
            let key = call.text_at(3)?;
            pick(call, Some(&key))
        })
        .function("balancerAlgorithm", |call| Ok(call.uint(balancer::numbered(&call.text_at(0)?) as u32)))
        // `(handle, place, failed?, latency, tracked?)`
        .function("balancerEnd", |call| {
            let (place, failed) = (call.uint_at(1)? as usize, call.boolean_at(2)?);
            let (latency, tracked) = (call.number_at(3)?, call.boolean_at(4)?);
            with(call, |balancer| balancer.ended(place, failed, latency, tracked))?;
            Ok(call.undefined())
        })
        // `(handle, place, one more?)` → requests under way
        .function("balancerTrack", |call| {
            let (place, more) = (call.uint_at(1)? as usize, call.boolean_at(2)?);
            Ok(call.uint(with(call, |balancer| balancer.track(place, more))?))
        })
        // `(handle, place)` → requests under way
        .function("balancerDrain", |call| {
            let place = call.uint_at(1)? as usize;
            Ok(call.uint(with(call, |balancer| balancer.drain(place))?))
        })
        .function("balancerAvailable", |call| Ok(call.number(with(call, Balancer::available)? as f64)));
}

/// `(options, outlier options or undefined, seed's halves…)` → handle
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let (config, seed) = settings(call)?;
    let clock = Box::new(|| SystemClock.monotonic_millis());
    Ok(call.uint(BALANCERS.insert(Balancer::new(config, seed, clock))))
}

/// What a router and a balancer are opened with: `(options, outlier options or undefined, seed's halves…)`.
pub(super) fn settings(call: &Call<'_>) -> Result<(RouterConfig, u64), Failure> {
    let outlier = if call.scalar_at(1) == crate::options::Scalar::Missing { None } else { Some(call.options_at(1)?) };
    let config = RouterConfig::from_options(&call.options_at(0)?, outlier.as_ref())?;
    Ok((config, (call.number_at(2)? as u64) << 32 | call.number_at(3)? as u64))
}

fn pick<'s>(call: &Call<'s>, key: Option<&str>) -> Answer<'s> {
    let (method, turn) = (balancer::method(call.uint_at(1)? as usize), call.number_at(2)?);
    let picked = with(call, |balancer| balancer.pick(method, turn as usize, key))?;
    Ok(call.number(picked.map_or(-1.0, |place| place as f64)))
}

fn with<R>(call: &Call<'_>, body: impl FnOnce(&mut Balancer) -> R) -> Result<R, Failure> {
    BALANCERS.with_object(call.uint_at(0)?, body)
}
