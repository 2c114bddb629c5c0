//! The raw functions of the exporter. It lives with its tracer, whose handle names it.

use super::config::{ExportConfig, Given};
use super::environment::Environment;
use super::exporter::Exporter;
use crate::binding::queue::Ticket;
use crate::binding::raw::{Answer, Call, Failure, Item};
use crate::options::{Options, Scalar};
use crate::trace::binding::{keep, with};
use crate::trace::config::TracerConfig;
use crate::trace::tracer::Tracer;
use std::collections::BTreeMap;

/// `(options, exporter.otlp or null, headers, resource, process, environment) → [handle, warning…]`; the lists are of
/// names and values in turn
pub fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let options = call.options_at(0)?;
    let mut config = TracerConfig::read(&options)?;
    let otlp = if call.scalar_at(1) == Scalar::Null { None } else { Some(call.options_at(1)?) };
    let variables = call.options_at(5)?;
    let mut environment = Environment::new(&variables);
    let given = Given {
        options: otlp.as_ref().map(|options| options as &dyn Options),
        headers: pairs(call, 2)?,
        resource: pairs(call, 3)?,
    };
    let service_name = given.resource.get("service.name").cloned();
    let mut exporter = None;
    if let Some(export) = ExportConfig::read(given, &mut environment)? {
        let service_name = service_name.or_else(|| ExportConfig::service_name(&mut environment));
        config.complete(&options, service_name, &mut environment);
        match Exporter::new(export, &config.service_name, pairs(call, 4)?) {
            Ok(made) => exporter = Some(made),
            // What only the environment asks for never fails the program.
            Err(error) if otlp.is_none() => environment.warnings.push(format!("traces are not exported: {error}")),
            Err(error) => return Err(error.into()),
        }
    }
    let mut tracer = Tracer::new(config);
    tracer.exporter = exporter;
    let handle = keep(tracer);
    let warnings = environment.warnings.iter().map(|warning| call.text(warning));
    Ok(call.array(std::iter::once(call.uint(handle)).chain(warnings)))
}

/// Names and values in turn.
fn pairs(call: &Call<'_>, index: usize) -> Result<BTreeMap<String, String>, Failure> {
    let items =
        call.list_at(index)?.into_iter().map(|item| if let Item::Text(text) = item { text } else { String::new() });
    let items: Vec<_> = items.collect();
    Ok(items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

fn exporter<R>(call: &Call<'_>, body: impl FnOnce(&mut Exporter) -> R) -> Result<R, Failure> {
    with(call, |tracer| tracer.exporter.as_mut().map(body))?
        .ok_or_else(|| Failure::internal("this tracer exports nothing"))
}

/// `(handle, text, Float64Array numbers, count, spans, nowMs)`: see [`super::batch`]
pub fn push<'s>(call: &Call<'s>) -> Answer<'s> {
    let (text, count) = (call.utf16_at(1)?, call.uint_at(3)? as usize);
    let numbers = call.cells::<f64>(2)?.iter().take(count).map(std::cell::Cell::get).collect();
    let (spans, now_ms) = (call.uint_at(4)? as usize, call.number_at(5)?);
    with(call, |tracer| tracer.push(text, numbers, spans, now_ms))?;
    Ok(call.undefined())
}

/// `(handle, text) → number`: see [`super::names`]
pub fn name<'s>(call: &Call<'s>) -> Answer<'s> {
    let text = call.text_at(1)?;
    Ok(call.number(exporter(call, |exporter| exporter.names.add(&text))?))
}

/// `(handle, request)`, settled with whether everything was delivered
pub fn flush<'s>(call: &Call<'s>) -> Answer<'s> {
    let ticket = Ticket::from_call(call, 1)?;
    exporter(call, |exporter| {
        exporter.flush(Box::new(move |whole| ticket.settle(move |scope| Ok(scope.boolean(whole)))));
    })?;
    Ok(call.undefined())
}

/// `(handle)`: every flush is settled with `false`
pub fn give_up_flushes<'s>(call: &Call<'s>) -> Answer<'s> {
    exporter(call, |exporter| exporter.give_up_flushes())?;
    Ok(call.undefined())
}

/// `(handle) → boolean`; blocks, at the end of the process
pub fn drain<'s>(call: &Call<'s>) -> Answer<'s> {
    Ok(call.boolean(exporter(call, |exporter| exporter.drain())?))
}

/// `(handle) → { queued, exported, … }`
pub fn stats<'s>(call: &Call<'s>) -> Answer<'s> {
    let stats = exporter(call, |exporter| exporter.stats())?;
    let object = [
        ("queued", stats.queued),
        ("exported", stats.exported),
        ("droppedQueueFull", stats.dropped_queue_full),
        ("droppedFailed", stats.dropped_failed),
        ("rejected", stats.rejected),
        ("tracesSampled", stats.traces_sampled),
        ("tracesFailed", stats.traces_failed),
        ("tracesSlow", stats.traces_slow),
        ("requests", stats.requests),
        ("failures", stats.failures),
        ("unreadable", stats.unreadable),
    ]
    .into_iter()
    .fold(call.object(), |object, (name, count)| object.number(name, count as f64));
    Ok(object.text("lastError", &stats.last_error).value())
}
