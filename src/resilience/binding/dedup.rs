//! Settings of deduplicators, lifetimes and eviction.

use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::resilience::dedup::DedupConfig;
use crate::resilience::lifetime::{
    ENTRY_TTL_SECONDS, MAX_ENTRIES, eviction_cutoff, hit_rate, lifetime, lifetime_of_call,
};

pub fn register(exports: Exports<'_>) {
    exports
        .function("dedupConfig", config)
        .function("dedupLifetime", |call| {
            let (asked, alias) = (call.scalar_at(0), call.scalar_at(1));
            Ok(call.number(lifetime_of_call([&asked, &alias], &call.scalar_at(2))))
        })
        .function("dedupHitRate", |call| Ok(call.text(&hit_rate(call.number_at(0)?, call.number_at(1)?))))
        .function("resilienceLifetime", |call| {
            let default = call.number_at(1)?;
            Ok(call.number(lifetime(&call.scalar_at(0), default)))
        })
        .function("resilienceCutoff", |call| {
            let mut stamps: Vec<f64> = call.cells::<f64>(0)?.iter().map(std::cell::Cell::get).collect();
            let capacity = call.uint_at(1)? as usize;
            Ok(call.number(eviction_cutoff(&mut stamps, capacity).unwrap_or(f64::NAN)))
        })
        .function("cacheManagerLifetime", |call| Ok(call.number(lifetime(&call.scalar_at(0), ENTRY_TTL_SECONDS) * 1e3)))
        .function("cacheManagerCapacity", |call| Ok(call.uint(MAX_ENTRIES)));
}

/// `(options, cells)`: the settings go into the cells.
fn config<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = DedupConfig::from_options(&call.options_at(0)?)?;
    let cells = call.cells::<f64>(1)?;
    let values = [config.cache_ttl, config.max_concurrency, config.max_entries.into(), config.timeout, config.stale];
    if cells.len() != values.len() {
        return Err(Failure::internal("a deduplicator's cells have the wrong length"));
    }
    for (cell, value) in cells.iter().zip(values) {
        cell.set(value);
    }
    Ok(call.undefined())
}
