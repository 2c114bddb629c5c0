//! The raw functions of this room.

use super::config::TracerConfig;
use super::context::{may_pass_baggage, may_pass_tracestate};
use super::export::binding as export;
use super::export::config::ExportConfig;
use super::export::names::Names;
use super::stats::Completion;
use super::tracer::Tracer;
use super::wall::WallClock;
use super::{id, label};
use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::metrics::binding::report_spread;
use std::cell::Cell;

thread_local! {
    static TRACERS: Handles<Tracer> = const { handles() };
}

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    exports
        .function("tracerOpen", export::open)
        .function("tracerClose", close)
        .function("tracerAdmits", admits)
        .function("tracerPush", export::push)
        .function("tracerName", export::name)
        .function("tracerFlush", export::flush)
        .function("tracerGiveUpFlushes", export::give_up_flushes)
        .function("tracerDrain", export::drain)
        .function("tracerExportStats", export::stats)
        .function("tracerConfig", config)
        .function("tracerSetRate", set_rate)
        .function("tracerTraceIds", trace_ids)
        .function("tracerSpanIds", span_ids)
        .function("tracerSamples", samples)
        .function("tracerSlot", slot)
        .function("tracerRecord", record)
        .function("tracerSummary", summary)
        .function("tracerOperations", operations)
        .function("tracerLatencies", latencies)
        .function("tracerReport", report)
        .function("wallOffset", wall_offset)
        .function("tracestateMayPass", |call| Ok(call.boolean(may_pass_tracestate(&call.text_at(0)?))))
        .function("baggageMayPass", |call| Ok(call.boolean(may_pass_baggage(&call.text_at(0)?))));
}

/// Keeps a tracer and names it.
pub(super) fn keep(tracer: Tracer) -> u32 {
    TRACERS.insert(tracer)
}

/// Runs `body` with the tracer that the first argument names.
pub(super) fn with<R>(call: &Call<'_>, body: impl FnOnce(&mut Tracer) -> R) -> Result<R, Failure> {
    TRACERS.with_object(call.uint_at(0)?, body)
}

/// `(handle)`
fn close<'s>(call: &Call<'s>) -> Answer<'s> {
    TRACERS.remove(call.uint_at(0)?);
    Ok(call.undefined())
}

/// `(nowMs) → ms`: what is to be added to this thread's monotonic times for wall time
fn wall_offset<'s>(call: &Call<'s>) -> Answer<'s> {
    thread_local! {
        // Monotonic time begins anew in each worker.
        static CLOCK: Cell<WallClock> = Cell::default();
    }
    let now_ms = call.number_at(0)?;
    let mut clock = CLOCK.get();
    let offset_ms = clock.read(now_ms);
    CLOCK.set(clock);
    Ok(call.number(offset_ms))
}

/// `(handle) → { serviceName, samplingRate, … }`: the validated options and the constants the face works with
fn config<'s>(call: &Call<'s>) -> Answer<'s> {
    let (config, export) = with(call, |tracer| {
        let export = tracer.exporter.as_ref().map(|exporter| exporter.config.clone());
        (tracer.config.clone(), export)
    })?;
    let millis = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    let kept = if export.is_some() { TracerConfig::EXPORTED_KEPT } else { TracerConfig::UNSAMPLED_KEPT };
    Ok(call
        .object()
        .text("serviceName", &config.service_name)
        .number("samplingRate", config.sampling_rate)
        .number("maxSpans", config.max_traces as f64)
        .number("flushInterval", millis(config.flush_interval))
        .number("maxSpansPerTrace", config.max_spans_per_trace as f64)
        .number("maxTagsPerTrace", config.max_tags_per_trace as f64)
        .number("maxLogsPerTrace", config.max_logs_per_trace as f64)
        .number("maxOperations", config.max_operations as f64)
        .number("maxOpenMs", millis(config.max_open))
        .number("maxAgeMs", millis(TracerConfig::MAX_AGE))
        .number("clockStepMs", millis(TracerConfig::CLOCK_STEP))
        .number("errorsKept", TracerConfig::ERRORS_KEPT.into())
        .number("errorsShown", TracerConfig::ERRORS_SHOWN.into())
        .number("errorText", TracerConfig::ERROR_TEXT.into())
        .number("endedKept", kept.into())
        .number("endedSpansKept", (kept * TracerConfig::SPANS_OF_KEPT).into())
        .number("idBlockSpans", id::SPANS as f64)
        .number("idsKept", id::DrawnIds::KEPT as f64)
        .number("namesKept", Names::MOST as f64)
        .number("namedChars", Names::CHARS as f64)
        .number("valuesOfName", Names::VALUES as f64)
        .number("nameChars", label::NAME_CHARS as f64)
        .number("logWidth", Completion::WIDTH as f64)
        .number("slowMs", millis(config.slow))
        .set("isLimited", call.boolean(config.traces_per_second < f64::INFINITY))
        .set("isParentBased", call.boolean(config.parent_based))
        .set("isExporting", call.boolean(export.is_some()))
        .number("handOverSpans", export.as_ref().map_or(0, |export| export.batch_spans.min(512)) as f64)
        .number("exitTimeoutMs", export.as_ref().map_or(0.0, |export| millis(export.exit_timeout)))
        .number("handOverMs", export.map_or(0.0, |export| millis(export.delay.min(ExportConfig::HAND_OVER))))
        .number("valueChars", ExportConfig::VALUE_CHARS.into())
        .number("mostAttributes", ExportConfig::ATTRIBUTES.into())
        .value())
}

/// `(handle, nowMs) → boolean`
fn admits<'s>(call: &Call<'s>) -> Answer<'s> {
    let now_ms = call.number_at(1)?;
    Ok(call.boolean(with(call, |tracer| tracer.admits(now_ms))?))
}

/// `(handle, { samplingRate }) → number`
fn set_rate<'s>(call: &Call<'s>) -> Answer<'s> {
    let options = call.options_at(1)?;
    Ok(call.number(with(call, |tracer| tracer.set_sampling_rate(&options))??))
}

/// `(handle) → [decisions, taken, left]`: see [`id::TraceBlock`]
fn trace_ids<'s>(call: &Call<'s>) -> Answer<'s> {
    let id::TraceBlock { decisions, taken, left } = with(call, |tracer| tracer.trace_ids())??;
    Ok(call.array([decisions, taken, left].iter().map(|text| call.text(text))))
}

/// `(handle, sampled) → string`: see [`id::DrawnIds::draw`]
fn span_ids<'s>(call: &Call<'s>) -> Answer<'s> {
    let sampled = call.boolean_at(1)?;
    Ok(call.text(&with(call, |tracer| tracer.span_ids(sampled))??))
}

/// `(handle, traceId) → boolean`
fn samples<'s>(call: &Call<'s>) -> Answer<'s> {
    let trace_id = call.text_at(1)?;
    Ok(call.boolean(with(call, |tracer| tracer.samples(&trace_id))?))
}

/// `(handle, operation) → slot`
fn slot<'s>(call: &Call<'s>) -> Answer<'s> {
    let operation = call.text_at(1)?;
    Ok(call.uint(with(call, |tracer| tracer.slot(&operation))?))
}

/// `(handle, Float64Array log, entries)`
fn record<'s>(call: &Call<'s>) -> Answer<'s> {
    let (log, entries) = (call.cells::<f64>(1)?, call.uint_at(2)? as usize);
    let (entries_of_log, _) = log.as_chunks::<{ Completion::WIDTH }>();
    let completions =
        entries_of_log.iter().take(entries).map(|entry| Completion::from_log(entry.each_ref().map(Cell::get)));
    with(call, |tracer| tracer.record(completions))?;
    Ok(call.undefined())
}

/// `(handle, nowMs) → { count, errors, averageLatency, … }`
fn summary<'s>(call: &Call<'s>) -> Answer<'s> {
    let now_ms = call.number_at(1)?;
    let summary = with(call, |tracer| tracer.summary(now_ms))?;
    Ok(call
        .object()
        .number("count", summary.count as f64)
        .number("errors", summary.errors as f64)
        .text("averageLatency", &summary.average_latency)
        .text("errorRate", &summary.error_rate)
        .text("throughput", &summary.throughput)
        .number("perSecond", summary.per_second)
        .number("avgLatencyMs", summary.average_ms)
        .number("p50Ms", summary.p50_ms)
        .number("p95Ms", summary.p95_ms)
        .number("p99Ms", summary.p99_ms)
        .value())
}

/// `(handle) → [name, count, errors, totalMs, p50, p95, p99, averageText, …]`, flat
fn operations<'s>(call: &Call<'s>) -> Answer<'s> {
    let values = with(call, |tracer| {
        tracer
            .operations()
            .flat_map(|(name, [_slot, numbers @ ..], average)| {
                let (name, average) = (call.text(name), call.text(&average));
                std::iter::once(name).chain(numbers.map(|number| call.number(number))).chain([average])
            })
            .collect::<Vec<_>>()
    })?;
    Ok(call.array(values))
}

/// `(handle) → number[]`
fn latencies<'s>(call: &Call<'s>) -> Answer<'s> {
    let values = with(call, |tracer| tracer.latencies().map(|duration| call.number(duration)).collect::<Vec<_>>())?;
    Ok(call.array(values))
}

/// `(handle, member)`: tells the registry of metrics what the member's tracer measured
fn report<'s>(call: &Call<'s>) -> Answer<'s> {
    let member = call.uint_at(1)?;
    with(call, |tracer| tracer.spreads().for_each(|(name, spread)| report_spread(member, name, spread)))?;
    Ok(call.undefined())
}
