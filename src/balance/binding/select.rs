//! Balancers by handle; targets by their places in the face's array.

use crate::balance::select::{Algorithm, Balancer, Load};
use crate::binding::raw::{Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::options::Scalar;

thread_local! {
    static BALANCERS: Handles<Balancer> = const { handles() };
}

pub fn register(exports: Exports<'_>) {
    exports
        .function("balancerOpen", |call| {
            let seed = (call.number_at(0)? as u64) << 32 | call.number_at(1)? as u64;
            Ok(call.uint(BALANCERS.insert(Balancer::new(seed))))
        })
        .function("balancerFree", |call| Ok(call.boolean(BALANCERS.remove(call.uint_at(0)?).is_some())))
        .function("balancerAdd", |call| {
            let weight = if let Scalar::Number(weight) = call.scalar_at(1) { weight } else { 1.0 };
            with(call, |balancer| balancer.add(Load::new(weight)))?;
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
        .function("balancerPick", |call| {
            let (algorithm, turn) = (algorithm_at(call.uint_at(1)?), call.number_at(2)?);
            let picked = with(call, |balancer| balancer.pick(algorithm, turn as usize))?;
            Ok(call.number(picked.map_or(-1.0, |place| place as f64)))
        })
        .function("balancerAlgorithm", |call| Ok(call.uint(number_of(Algorithm::named(&call.text_at(0)?)))))
        // `(handle, place, latency)`
        .function("balancerRecord", |call| {
            let (place, latency) = (call.uint_at(1)? as usize, call.number_at(2)?);
            with(call, |balancer| balancer.change(place, |load| load.record(latency)))?;
            Ok(call.undefined())
        })
        // `(handle, place, one more?)` → requests under way
        .function("balancerTrack", |call| {
            let (place, more) = (call.uint_at(1)? as usize, call.boolean_at(2)?);
            let active = with(call, |balancer| {
                balancer.change(place, |load| {
                    load.active = if more { load.active.saturating_add(1) } else { load.active.saturating_sub(1) };
                    load.active
                })
            })?;
            Ok(call.uint(active.unwrap_or(0)))
        });
}

const ALGORITHMS: [Algorithm; 7] = [
    Algorithm::First,
    Algorithm::RoundRobin,
    Algorithm::LeastConnections,
    Algorithm::LeastRequest,
    Algorithm::Random,
    Algorithm::P2cEwma,
    Algorithm::SmoothWeighted,
];

fn number_of(algorithm: Algorithm) -> u32 {
    ALGORITHMS.iter().position(|each| *each == algorithm).unwrap_or(0) as u32
}

fn algorithm_at(number: u32) -> Algorithm {
    ALGORITHMS.get(number as usize).copied().unwrap_or(Algorithm::First)
}

fn with<R>(call: &Call<'_>, body: impl FnOnce(&mut Balancer) -> R) -> Result<R, Failure> {
    BALANCERS.with_object(call.uint_at(0)?, body)
}
