//! Routers by handle, services by number, targets by slot.

use crate::balance::circuit::Circuit;
use crate::balance::group::Method;
use crate::balance::ring;
use crate::balance::router::{Event, Router};
use crate::balance::router_config::{NoTarget, check_port, weight_of};
use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::clock::{Clock, SystemClock};
use crate::options::Scalar;

thread_local! {
    static ROUTERS: Handles<Router> = const { handles() };
}

/// Beside a slot in an answer: there are events to fetch.
const TOLD: f64 = 4_294_967_296.0;

pub fn register(exports: Exports<'_>) {
    exports
        .function("routerOpen", open)
        .function("routerFree", |call| Ok(call.boolean(ROUTERS.remove(call.uint_at(0)?).is_some())))
        .function("routerMethod", |call| Ok(call.uint(Method::numbered(&call.text_at(0)?) as u32)))
        .function("routerCheckPort", |call| {
            check_port(&call.scalar_at(0))?;
            Ok(call.undefined())
        })
        .function("routerWeight", |call| Ok(call.number(weight_of(&call.scalar_at(0)))))
        .function("routerNoTarget", |call| {
            let service = call.text_at(0)?.into_string();
            Ok(call.error(&Failure::from(NoTarget { service })))
        })
        .function("routerService", |call| Ok(call.uint(with(call, Router::service)? as u32)))
        // `(handle, service, id, weight, local?)` → slot
        .function("routerAdd", |call| {
            let (service, id) = (call.uint_at(1)? as usize, call.text_at(2)?);
            let (weight, local) = (call.number_at(3)?, call.boolean_at(4)?);
            let slot = with(call, |router| router.add(service, &id, weight, local))?;
            slot.map(|slot| call.uint(slot)).ok_or_else(|| Failure::internal("an unknown service"))
        })
        .function("routerRemove", |call| {
            let slot = call.uint_at(1)?;
            with(call, |router| router.remove(slot))?;
            Ok(call.undefined())
        })
        // `(handle, service, method's number)` → slot (see `picked`)
        .function("routerPick", |call| pick(call, None, &[]))
        // `(handle, service, method's number, key or undefined, cells of slots to avoid)` → slot
        .function("routerPickFor", |call| {
            let not: Vec<u32> = call.cells::<f64>(4)?.iter().map(|cell| cell.get() as u32).collect();
            let key = if let Scalar::Text(key) = call.scalar_at(3) { Some(ring::hash(&key)) } else { None };
            pick(call, key, &not)
        })
        // `(handle, slot)` → requests under way, one more than before
        .function("routerBegin", |call| {
            let slot = call.uint_at(1)?;
            with(call, |router| router.change(slot, |_, load, _| load.active = load.active.saturating_add(1)))?;
            Ok(call.undefined())
        })
        // `(handle, slot, failed?, latency, tracked?)` → requests under way, and whether there are events
        .function("routerEnd", |call| {
            let (slot, failed) = (call.uint_at(1)?, call.boolean_at(2)?);
            let (latency, tracked) = (call.number_at(3)?, call.boolean_at(4)?);
            let answer = with(call, |router| {
                router.ended(slot, failed, latency, tracked);
                told(router, router.candidate(slot).map_or(0.0, |candidate| candidate.load.active.into()))
            })?;
            Ok(call.number(answer))
        })
        // `(handle, slot)` → requests under way: one was given up by who asked
        .function("routerGiveUp", |call| {
            let slot = call.uint_at(1)?;
            let active = with(call, |router| {
                router.change(slot, |_, load, _| {
                    load.active = load.active.saturating_sub(1);
                    load.active
                })
            })?;
            Ok(call.uint(active.unwrap_or(0)))
        })
        .function("routerLatency", |call| {
            let (slot, latency) = (call.uint_at(1)?, call.number_at(2)?);
            with(call, |router| router.change(slot, |target, load, _| target.record_latency(load, latency)))?;
            Ok(call.undefined())
        })
        .function("routerHealthy", |call| {
            let (slot, healthy) = (call.uint_at(1)?, call.boolean_at(2)?);
            with(call, |router| router.change(slot, |target, _, _| target.set_healthy(healthy)))?;
            Ok(call.undefined())
        })
        .function("routerDrain", |call| {
            let slot = call.uint_at(1)?;
            with(call, |router| router.change(slot, |target, _, _| target.drain()))?;
            Ok(call.undefined())
        })
        .function("routerRenew", |call| {
            let (slot, weight) = (call.uint_at(1)?, call.number_at(2)?);
            with(call, |router| router.change(slot, |target, load, _| target.renew(load, weight)))?;
            Ok(call.undefined())
        })
        .function("routerSetWeight", |call| {
            let (slot, weight) = (call.uint_at(1)?, weight_of(&call.scalar_at(2)));
            with(call, |router| router.change(slot, |_, load, _| load.weight = weight))?;
            Ok(call.number(weight))
        })
        .function("routerSetActive", |call| {
            let (slot, active) = (call.uint_at(1)?, call.number_at(2)?);
            with(call, |router| router.change(slot, |_, load, _| load.active = active as u32))?;
            Ok(call.undefined())
        })
        .function("routerActive", |call| {
            let slot = call.uint_at(1)?;
            let active = with(call, |router| router.candidate(slot).map_or(0, |candidate| candidate.load.active))?;
            Ok(call.uint(active))
        })
        // `(handle, slot, percent, cells)`: how many latencies, their mean, their percentile
        .function("routerLatencyStats", |call| {
            let (slot, percent) = (call.uint_at(1)?, call.number_at(2)?);
            let stats = with(call, |router| router.target(slot).map(|target| target.latency(percent)))?;
            let (count, mean, percentile) = stats.unwrap_or_default();
            call.fill(3, &[count as f64, mean, percentile])?;
            Ok(call.undefined())
        })
        .function("routerLatencies", |call| {
            let slot = call.uint_at(1)?;
            let kept: Vec<f64> = with(call, |router| router.target(slot).map(|target| target.latencies().collect()))?
                .unwrap_or_default();
            Ok(call.array(kept.into_iter().map(|latency| call.number(latency))))
        })
        // `(handle, service, cells)` → how many slots are available, and whether there are events
        .function("routerAvailable", |call| {
            let service = call.uint_at(1)? as usize;
            let (slots, answer) = with(call, |router| {
                let slots = router.available(service);
                let answer = told(router, slots.len() as f64);
                (slots, answer)
            })?;
            for (cell, slot) in call.cells::<f64>(2)?.iter().zip(slots) {
                cell.set(slot.into());
            }
            Ok(call.number(answer))
        })
        .function("routerFiltered", |call| {
            let more = call.number_at(1)?;
            let filtered = with(call, |router| {
                router.filtered += more;
                router.filtered
            })?;
            Ok(call.number(filtered))
        })
        .function("routerTurn", |call| {
            let service = call.uint_at(1)? as usize;
            Ok(call.number(with(call, |router| router.turn(service))?))
        })
        // `(handle, cells)`: kind, slot, milliseconds of each → how many there are
        .function("routerEvents", |call| {
            let cells = call.cells::<f64>(1)?;
            let events: Vec<Event> = with(call, |router| {
                let count = router.events.len().min(cells.len() / 3);
                router.events.drain(..count).collect()
            })?;
            call.fill(1, &events.iter().flat_map(|event| row_of(*event)).collect::<Vec<_>>())?;
            Ok(call.uint(events.len() as u32))
        })
        .function("routerCircuit", circuit)
        .function("routerSetCircuit", set_circuit)
        // the place of the owner of a point on the line of weights: `(cells, point)`
        .function("routerOwner", |call| {
            let weights: Vec<f64> =
                call.cells::<f64>(0)?.iter().map(|cell| weight_of(&Scalar::Number(cell.get()))).collect();
            let weights = crate::balance::weights::Weights::new(weights);
            let owner = weights.owner(call.number_at(1)? % weights.total());
            Ok(call.number(owner.map_or(-1.0, |place| place as f64)))
        })
        // the place of the first of the smallest
        .function("routerLeast", |call| {
            let keys =
                call.cells::<f64>(0)?.iter().map(|cell| Some(cell.get()).filter(|key| !key.is_nan()).or(Some(0.0)));
            let best = crate::balance::tournament::Tournament::new(keys, 0.0).best();
            Ok(call.number(best.map_or(-1.0, |place| place as f64)))
        });
}

/// `(options, outlier options or undefined, seed's halves…)` → handle
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let (config, seed) = super::select::settings(call)?;
    let clock = Box::new(|| SystemClock.monotonic_millis());
    Ok(call.uint(ROUTERS.insert(Router::new(config, seed, clock))))
}

fn pick<'s>(call: &Call<'s>, key: Option<u64>, not: &[u32]) -> Answer<'s> {
    let (service, method) = (call.uint_at(1)? as usize, call.uint_at(2)? as usize);
    let method = Method::ALL.get(method).map_or(Method::WeightedRoundRobin, |(_, method)| *method);
    let answer = with(call, |router| {
        let slot = router.route(service, method, key, not);
        told(router, slot.map_or(-1.0, f64::from))
    })?;
    Ok(call.number(answer))
}

/// The number, raised where there are events: -1 becomes [`TOLD`] - 1.
fn told(router: &Router, number: f64) -> f64 {
    if router.events.is_empty() { number } else { number + TOLD }
}

fn row_of(event: Event) -> [f64; 3] {
    match event {
        Event::Tripped(slot) => [0.0, slot.into(), 0.0],
        Event::Reset(slot) => [1.0, slot.into(), 0.0],
        Event::Ejected(slot, time) => [2.0, slot.into(), time],
        Event::Returned(slot) => [3.0, slot.into(), 0.0],
    }
}

/// `(handle, slot, cells)`: tripped, failures, successes, milliseconds since the last failure, threshold, timeout
fn circuit<'s>(call: &Call<'s>) -> Answer<'s> {
    let slot = call.uint_at(1)?;
    let circuit = with(call, |router| router.target(slot).map(|target| target.circuit))?.unwrap_or_default();
    let age = SystemClock.monotonic_millis() - circuit.last_failure;
    let tripped = f64::from(u8::from(circuit.tripped));
    let values = [tripped, circuit.failures, circuit.successes, age, circuit.threshold, circuit.timeout];
    call.fill(2, &values)?;
    Ok(call.undefined())
}

/// `(handle, slot, number of the field as in `routerCircuit`, value)`; field 6 resets
fn set_circuit<'s>(call: &Call<'s>) -> Answer<'s> {
    let (slot, field, value) = (call.uint_at(1)?, call.uint_at(2)?, call.number_at(3)?);
    let set = |circuit: &mut Circuit, now: f64| match field {
        0 => circuit.tripped = value != 0.0,
        1 => circuit.failures = value,
        2 => circuit.successes = value,
        3 => circuit.last_failure = now - value,
        4 => circuit.threshold = value,
        5 => circuit.timeout = value,
        _ => circuit.reset(),
    };
    with(call, |router| router.change(slot, |target, _, now| set(&mut target.circuit, now)))?;
    Ok(call.undefined())
}

fn with<R>(call: &Call<'_>, body: impl FnOnce(&mut Router) -> R) -> Result<R, Failure> {
    ROUTERS.with_object(call.uint_at(0)?, body)
}
