//! Settings and verdicts of the layered cache.

use crate::binding::raw::Exports;
use crate::cache::layers::{
    CoordinatorConfig, DiskLayerConfig, LoadConfig, MemoryLayerConfig, Write, expiry, refreshes_early, remote_wins,
    size_of,
};
use crate::stats::percent;

pub fn register(exports: Exports<'_>) {
    exports
        .function("layerMemoryConfig", |call| {
            let config = MemoryLayerConfig::from_options(&call.options_at(0)?)?;
            call.fill(1, &[config.max_size as f64, config.default_ttl])?;
            Ok(call.undefined())
        })
        .function("layerDiskConfig", |call| {
            let config = DiskLayerConfig::from_options(&call.options_at(0)?)?;
            let interval = config.cleanup_interval.as_secs_f64() * 1e3;
            call.fill(1, &[config.compression_threshold, interval, config.max_db_size])?;
            Ok(call.undefined())
        })
        .function("coordinatorConfig", |call| {
            let config = CoordinatorConfig::from_options(&call.options_at(0)?)?;
            let interval = config.interval.as_secs_f64() * 1e3;
            call.fill(1, &[interval, config.remote_ttl, config.max_pending as f64, config.max_attempts as f64])?;
            Ok(call.undefined())
        })
        .function("layerLoadConfig", |call| {
            let config = LoadConfig::from_options(&call.options_at(0)?)?;
            let LoadConfig { grace, soft_timeout, hard_timeout, negative_ttl, early_refresh } = config;
            call.fill(1, &[grace, soft_timeout, hard_timeout, negative_ttl, early_refresh])?;
            Ok(call.undefined())
        })
        // `(now, expires, took, eagerness, random)`
        .function("layerRefreshesEarly", |call| {
            let number = |index| call.number_at(index);
            Ok(call.boolean(refreshes_early(number(0)?, number(1)?, number(2)?, number(3)?, number(4)?)))
        })
        // `(ttl, default, now)` → when it expires, NaN when it is not to be stored
        .function("layerExpiry", |call| {
            let expires = expiry(&call.scalar_at(0), call.number_at(1)?, call.number_at(2)?);
            Ok(call.number(expires.unwrap_or(f64::NAN)))
        })
        .function("layerSize", |call| Ok(call.number(size_of(call.number_at(0)?).unwrap_or(f64::NAN))))
        .function("layerHitRate", |call| {
            let (hits, misses) = (call.number_at(0)?, call.number_at(1)?);
            Ok(call.text(&percent(hits, hits + misses, "N/A")))
        })
        // `(strategy, local time, local service, remote time, remote service)`
        .function("coordinatorRemoteWins", |call| {
            let (here, there) = (call.text_at(2)?, call.text_at(4)?);
            let local = Write { time: call.number_at(1)?, service: &here };
            let remote = Write { time: call.number_at(3)?, service: &there };
            Ok(call.boolean(remote_wins(&call.text_at(0)?, local, remote)))
        });
}
