//! The raw functions of this room, over the registry of the environment.

use super::accept::{Format, negotiate, takes_gzip};
use super::catalogue::{BOUNDS, KINDS, kind_of};
use super::config::{MetricConfig, Type};
use super::exemplar::Exemplar;
use super::prometheus;
use super::registry::Registry;
use super::spread::Spread;
use crate::binding::raw::{Answer, Call, Exports, Failure, Item};
use crate::clock::{Clock, SystemClock};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

thread_local! {
    static REGISTRY: RefCell<Registry> = RefCell::new(Registry::default());
}

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    exports
        .function("metricsBounds", |call| Ok(call.array_buffer(&BOUNDS)))
        .function("metricsKinds", kinds)
        .function("metricsFamilies", families)
        .function("metricsJoin", join)
        .function("metricsName", name)
        .function("metricsLeave", leave)
        .function("metricsEntry", entry)
        .function("metricsReport", report)
        .function("metricsExemplar", exemplar)
        .function("metricsNegotiate", accept)
        .function("metricsScrape", scrape)
        .function("metricsDefine", define)
        .function("metricsSeries", series)
        .function("metricsAdd", add)
        .function("metricsSet", set)
        .function("metricsObserve", observe);
}

fn with<R>(body: impl FnOnce(&mut Registry) -> R) -> R {
    REGISTRY.with_borrow_mut(body)
}

/// `() → [[kind, numbers in its reports], …]`
fn kinds<'s>(call: &Call<'s>) -> Answer<'s> {
    let pairs = KINDS.iter().map(|kind| call.array([call.text(kind.name), call.uint(kind.width() as u32)]));
    Ok(call.array(pairs.collect::<Vec<_>>()))
}

/// `() → string[]`: every family of the catalogue
fn families<'s>(call: &Call<'s>) -> Answer<'s> {
    let names: BTreeSet<_> = KINDS.iter().flat_map(|kind| kind.columns).map(|column| column.name).collect();
    Ok(call.array(names.into_iter().map(|name| call.text(name))))
}

/// `(kind, name or undefined) → member`
fn join<'s>(call: &Call<'s>) -> Answer<'s> {
    let kind = kind_of(&call.text_at(0)?).ok_or_else(|| Failure::wrong_type(0, "a kind of the catalogue"))?;
    let name = call.text_at(1).ok();
    Ok(call.uint(with(|registry| registry.reports.join(kind, name.as_deref()))))
}

/// `(member) → string or undefined`
fn name<'s>(call: &Call<'s>) -> Answer<'s> {
    let member = call.uint_at(0)?;
    Ok(with(|registry| registry.reports.name(member).map_or(call.undefined(), |name| call.text(name))))
}

/// `(member)`
fn leave<'s>(call: &Call<'s>) -> Answer<'s> {
    let member = call.uint_at(0)?;
    with(|registry| registry.reports.leave(member));
    Ok(call.undefined())
}

/// `(member, label) → entry`
fn entry<'s>(call: &Call<'s>) -> Answer<'s> {
    let (member, label) = (call.uint_at(0)?, call.text_at(1)?);
    let entry = with(|registry| registry.reports.entry(member, &label));
    Ok(entry.map_or(call.undefined(), |entry| call.uint(entry)))
}

/// `(entry, Float64Array)`: a report that may leave out the gauges
fn report<'s>(call: &Call<'s>) -> Answer<'s> {
    let (entry, values) = (call.uint_at(0)?, copied(call, 1)?);
    with(|registry| registry.reports.report(entry, &values, None));
    Ok(call.undefined())
}

/// `(member, label, seconds, traceId, spanId, unixMs)`
fn exemplar<'s>(call: &Call<'s>) -> Answer<'s> {
    let (member, label, value) = (call.uint_at(0)?, call.text_at(1)?, call.number_at(2)?);
    let (trace_id, span_id) = (call.text_at(3)?.into_string(), call.text_at(4)?.into_string());
    let exemplar = Exemplar { trace_id, span_id, value, unix_ms: call.number_at(5)? };
    let bucket = BOUNDS.partition_point(|bound| *bound < value);
    with(|registry| registry.reports.exemplar(member, &label, bucket, exemplar));
    Ok(call.undefined())
}

/// `(Accept, Accept-Encoding) → [format, Content-Type, gzip]`
fn accept<'s>(call: &Call<'s>) -> Answer<'s> {
    let chosen = negotiate(&call.text_at(0)?);
    let format = match chosen.format {
        Format::Text => 0,
        Format::OpenMetrics => 1,
        Format::Protobuf => 2,
    };
    Ok(call.array([call.int(format), call.text(&chosen.content_type), call.boolean(takes_gzip(&call.text_at(1)?))]))
}

/// `(format, Float64Array reports, length) → ArrayBuffer`; tracers have reported before
fn scrape<'s>(call: &Call<'s>) -> Answer<'s> {
    let format = match call.uint_at(0)? {
        1 => Format::OpenMetrics,
        2 => Format::Protobuf,
        _ => Format::Text,
    };
    let mut reports = copied(call, 1)?;
    reports.truncate(call.uint_at(2)? as usize);
    let families = with(|registry| {
        registry.reports.read(&reports);
        let families = registry.gather();
        registry.reports.begin();
        families
    });
    Ok(call.array_buffer(&prometheus::write(&families, format)))
}

fn copied(call: &Call<'_>, index: usize) -> Result<Vec<f64>, Failure> {
    Ok(call.cells::<f64>(index)?.iter().map(Cell::get).collect())
}

fn texts(call: &Call<'_>, index: usize) -> Result<Vec<String>, Failure> {
    let text = |item| match item {
        Item::Text(text) => Ok(text),
        _ => Err(Failure::wrong_type(index, "an array of strings")),
    };
    call.list_at(index)?.into_iter().map(text).collect()
}

/// `(type, options, labelNames, Float64Array buckets or undefined) → [metric, most label sets]`
fn define<'s>(call: &Call<'s>) -> Answer<'s> {
    let kind = Type::by_name(&call.text_at(0)?).ok_or_else(|| Failure::wrong_type(0, "a type of metric"))?;
    let buckets = copied(call, 3).ok();
    let config = MetricConfig::read(&call.options_at(1)?, kind, texts(call, 2)?, buckets)?;
    let most = config.most_sets as u32;
    let metric = with(|registry| registry.own.define(config))?;
    Ok(call.array([call.uint(metric), call.uint(most)]))
}

/// `(metric, values) → series`
fn series<'s>(call: &Call<'s>) -> Answer<'s> {
    let (metric, values) = (call.uint_at(0)?, texts(call, 1)?);
    let series = with(|registry| registry.own.series_of(metric, values));
    Ok(series.map_or(call.undefined(), |series| call.uint(series)))
}

/// `(series, amount)`
fn add<'s>(call: &Call<'s>) -> Answer<'s> {
    let (series, amount) = (call.uint_at(0)?, call.number_at(1)?);
    with(|registry| registry.own.add(series, amount))?;
    Ok(call.undefined())
}

/// `(series, value)`
fn set<'s>(call: &Call<'s>) -> Answer<'s> {
    let (series, value) = (call.uint_at(0)?, call.number_at(1)?);
    with(|registry| registry.own.set(series, value))?;
    Ok(call.undefined())
}

/// `(series, value, traceId or undefined, spanId)`
fn observe<'s>(call: &Call<'s>) -> Answer<'s> {
    let (series, value) = (call.uint_at(0)?, call.number_at(1)?);
    let exemplar = call.text_at(2).ok().map(|trace_id| Exemplar {
        trace_id: trace_id.into_string(),
        span_id: call.text_at(3).map_or_else(|_| String::new(), |span_id| span_id.into_string()),
        value,
        unix_ms: SystemClock.unix_millis() as f64,
    });
    with(|registry| registry.own.observe(series, value, exemplar))?;
    Ok(call.undefined())
}

/// Takes in what a tracer measured of an operation. For the tracer's binding.
pub fn report_spread(member: u32, operation: &str, spread: Spread) {
    with(|registry| {
        if let Some(entry) = registry.reports.entry(member, operation) {
            registry.reports.report(entry, &spread.values, Some(spread.sparse));
        }
    });
}
