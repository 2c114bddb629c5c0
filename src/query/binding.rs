//! Raw functions of the query room.

use super::analyze::rule::Rule;
use super::batch::Plan;
use super::config::{self, QueryConfig};
use super::error::QueryError;
use super::explain::ExplainConfig;
use super::plan::Plan as ServerPlan;
use super::slow::SlowBatch;
use super::stats::Latencies;
use super::top::Wanted;
use super::{analyze, explain, fingerprint, lint, table};
use crate::binding::raw::{Answer, Call, Exports, Failure, Scope, Value};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::clock::SystemClock;
use crate::options::Scalar;

thread_local! {
    static LATENCIES: Handles<Latencies> = const { handles() };
}

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    super::merge_binding::register(exports);
    exports
        .function("queryNormalize", normalize)
        .function("queryWithoutLiterals", |call| Ok(call.text(&fingerprint::without_literals(&call.text_at(0)?))))
        .function("queryAdvice", advice)
        .function("queryAnalyze", analysis)
        .function("queryExplain", explain_statement)
        .function("queryTables", |call| Ok(call.text(table::QUERY)))
        .function("queryExplainTables", |call| Ok(call.text(&explain::tables(&plan_at(call, 0)?))))
        .function("queryExplained", explained)
        .function("queryGain", |call| {
            let (cost, share, used) = explain::gain(call.number_at(0)?, &plan_at(call, 1)?, &call.text_at(2)?);
            Ok(call.array([call.number(cost), call.number(share), call.boolean(used)]))
        })
        .function("queryWithoutLiterals", without_literals)
        .function("queryLimits", limits)
        .function("queryConfig", configure)
        .function("queryPlan", plan)
        .function("queryError", error)
        .function("queryOpen", |call| Ok(call.uint(LATENCIES.insert(Latencies::default()))))
        .function("queryFree", |call| {
            LATENCIES.remove(call.uint_at(0)?);
            Ok(call.undefined())
        })
        .function("queryRecord", record)
        .function("queryCost", cost)
        .function("queryTop", top)
        .function("queryRepeat", repeat)
        .function("queryLooped", looped)
        .function("queryClear", |call| {
            LATENCIES.with_object(call.uint_at(0)?, Latencies::clear)?;
            Ok(call.undefined())
        })
        .function("queryAverage", |call| {
            let average = LATENCIES.with_object(call.uint_at(0)?, |latencies| latencies.average())?;
            Ok(call.text(&average))
        })
        .function("queryHistory", |call| {
            let history: Vec<f64> =
                LATENCIES.with_object(call.uint_at(0)?, |latencies| latencies.history().collect())?;
            Ok(call.array(history.into_iter().map(|latency| call.number(latency))))
        })
        .function("querySlowCount", |call| {
            let count = LATENCIES.with_object(call.uint_at(0)?, |latencies| latencies.slow().kept().len())?;
            Ok(call.number(count as f64))
        })
        .function("querySlowSeen", |call| {
            let seen = LATENCIES.with_object(call.uint_at(0)?, |latencies| latencies.slow().seen())?;
            Ok(call.number(seen as f64))
        })
        .function("querySlow", |call| {
            let shown =
                LATENCIES.with_object(call.uint_at(0)?, |latencies| latencies.slow().shown().cloned().collect())?;
            Ok(slow_batches(call, shown))
        })
        .function("querySlowKept", |call| {
            let kept =
                LATENCIES.with_object(call.uint_at(0)?, |latencies| latencies.slow().kept().cloned().collect())?;
            Ok(slow_batches(call, kept))
        });
}

/// `(text) => string`
fn normalize<'s>(call: &Call<'s>) -> Answer<'s> {
    let text = call.text_at(0).map_err(|_| QueryError::NotText)?;
    Ok(call.text(&fingerprint::normalize(&text)))
}

/// `(text) => string`: `?` for each literal and number, without comments.
fn without_literals<'s>(call: &Call<'s>) -> Answer<'s> {
    let text = call.text_at(0).map_err(|_| QueryError::NotText)?;
    Ok(call.text(&fingerprint::without_literals(&text)))
}

/// `(text) => string[]`
fn advice<'s>(call: &Call<'s>) -> Answer<'s> {
    let text = call.text_at(0).map_err(|_| QueryError::NotText)?;
    Ok(call.array(lint::advise(&text).into_iter().map(|advice| call.text(advice))))
}

/// `(text) => { fingerprint, statement, tables, findings }`
fn analysis<'s>(call: &Call<'s>) -> Answer<'s> {
    let text = call.text_at(0).map_err(|_| QueryError::NotText)?;
    let analysis = analyze::analyze(&text);
    let findings = analysis.findings.into_iter().map(|finding| {
        let object = call.object().text("rule", finding.rule.id()).text("severity", finding.rule.severity().as_str());
        let object = object.text("message", finding.rule.message());
        let object = object.number("start", finding.start as f64).number("end", finding.end as f64);
        object.set("fix", finding.fix.map_or(call.null(), |fix| call.text(&fix))).value()
    });
    let findings = call.array(findings);
    let object = call.object().text("fingerprint", &analysis.fingerprint);
    let object = object.set("statement", analysis.statement.map_or(call.null(), |kind| call.text(&kind)));
    let tables = call.array(analysis.tables.iter().map(|table| call.text(table)));
    Ok(object.set("tables", tables).set("findings", findings).value())
}

/// `(text, { analyze, … }, mayRun) => string`: without `mayRun`, the statement that runs nothing.
fn explain_statement<'s>(call: &Call<'s>) -> Answer<'s> {
    let text = call.text_at(0).map_err(|_| QueryError::NotText)?;
    let config = ExplainConfig::read(&call.options_at(1)?)?;
    let may_run = call.scalar_at(2) == Scalar::Bool(true);
    let config = ExplainConfig { analyze: config.analyze && may_run, ..config };
    Ok(call.text(&explain::statement(&text, config)?))
}

fn plan_at(call: &Call<'_>, index: usize) -> Result<ServerPlan, Failure> {
    Ok(ServerPlan::read(&call.text_at(index)?).ok_or(QueryError::NoPlan)?)
}

/// `(text, plan, catalog, options) => JSON`
fn explained<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = ExplainConfig::read(&call.options_at(3)?)?;
    let found = explain::explained(&call.text_at(0)?, plan_at(call, 1)?, &call.text_at(2)?, config);
    let json = serde_json::to_string(&found).map_err(|_| Failure::internal("what explain found is no JSON"))?;
    Ok(call.text(&json))
}

/// `() => { texts, length }`: how much of the texts the face remembers.
fn limits<'s>(call: &Call<'s>) -> Answer<'s> {
    let limits = call.object().number("texts", f64::from(config::REMEMBERED_TEXTS));
    Ok(limits.number("length", f64::from(config::REMEMBERED_TEXT_LENGTH)).value())
}

/// `(options) => validated options`
fn configure<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = QueryConfig::read(&call.options_at(0)?)?;
    let object = call
        .object()
        .number("batchSize", config.batch_size as f64)
        .number("batchTimeout", config.batch_timeout.as_secs_f64() * 1e3)
        .number("slowQueryThreshold", config.slow_query_threshold)
        .set("enablePreparedStatements", call.boolean(config.enable_prepared_statements))
        .number("nPlusOneThreshold", config.n_plus_one_threshold as f64)
        .set("recordParameters", call.boolean(config.record_parameters))
        .set("mergeLookups", call.boolean(config.merge_lookups))
        .set("deduplicate", call.boolean(config.deduplicate));
    Ok(object.value())
}

/// `(batchSize, batchTimeout, Float64Array [flushAt, waitMs]) => boolean`: whether a timer is to be started.
fn plan<'s>(call: &Call<'s>) -> Answer<'s> {
    let plan = Plan::new(call.number_at(0).unwrap_or(f64::NAN), call.number_at(1).unwrap_or(f64::NAN));
    if let [flush_at, wait_ms, ..] = call.cells::<f64>(2)? {
        flush_at.set(plan.flush_at);
        wait_ms.set(plan.wait_ms);
    }
    Ok(call.boolean(plan.waits()))
}

/// `(number) => Error`, by the order of [`QueryError::ALL`].
fn error<'s>(call: &Call<'s>) -> Answer<'s> {
    let known = usize::try_from(call.uint_at(0)?).ok().and_then(|index| QueryError::ALL.get(index).copied());
    let failure = known.map_or_else(|| Failure::internal("no such query error"), Failure::from);
    Ok(call.error(&failure))
}

/// `(handle, latency, batchSize, threshold, queryKey?) => number` of the slow entry, 0 when there is none
fn record<'s>(call: &Call<'s>) -> Answer<'s> {
    let (latency, size) = (call.number_at(1).unwrap_or(f64::NAN), call.number_at(2).ok());
    let threshold = call.number_at(3).unwrap_or_else(|_| QueryConfig::default().slow_query_threshold);
    let key = match call.scalar_at(4) {
        Scalar::Text(key) if latency > threshold => Some(key),
        _ => None,
    };
    let serial = LATENCIES.with_object(call.uint_at(0)?, |latencies| {
        latencies.record(latency, size, threshold, key.as_deref(), &SystemClock)
    })?;
    Ok(call.number(serial as f64))
}

/// `(handle, text, calls, latency, rows)`
fn cost<'s>(call: &Call<'s>) -> Answer<'s> {
    let text = call.text_at(1)?;
    let (calls, latency, rows) = (call.number_at(2)?, call.number_at(3)?, call.number_at(4)?);
    LATENCIES.with_object(call.uint_at(0)?, |latencies| latencies.top().record(&text, calls, latency, rows))?;
    Ok(call.undefined())
}

/// `(handle, { by, limit })` → the costs, most expensive first
fn top<'s>(call: &Call<'s>) -> Answer<'s> {
    let wanted = Wanted::read(&call.options_at(1)?)?;
    LATENCIES.with_object(call.uint_at(0)?, |latencies| {
        let names: Vec<String> = latencies.top().top(wanted).into_iter().map(|(name, _)| name.to_owned()).collect();
        let loops: Vec<u64> = names.iter().map(|name| latencies.repeats().of(name)).collect();
        let found = latencies.top().top(wanted).into_iter().zip(loops).map(|((name, cost), loops)| {
            let object = call.object().text("fingerprint", name).text("query", &cost.query);
            let object = object.number("calls", cost.calls).number("totalMs", cost.total_ms);
            let object = object.number("meanMs", cost.mean_ms()).number("maxMs", cost.max_ms);
            let object = [("p50Ms", 0.5), ("p95Ms", 0.95), ("p99Ms", 0.99)]
                .into_iter()
                .fold(object, |object, (name, share)| object.number(name, cost.quantile_ms(share)));
            object.number("rows", cost.rows).number("loops", loops as f64).value()
        });
        call.array(found.collect::<Vec<_>>())
    })
}

/// `(handle, trace, fingerprint, batch, threshold) => boolean`: whether a loop was found
fn repeat<'s>(call: &Call<'s>) -> Answer<'s> {
    let (trace, name) = (call.text_at(1)?, call.text_at(2)?);
    let (batch, threshold) = (call.number_at(3)?, call.number_at(4)?);
    let found = LATENCIES
        .with_object(call.uint_at(0)?, |latencies| latencies.repeats().note(&trace, &name, batch, threshold))?;
    Ok(call.boolean(found))
}

/// `(handle, fingerprint) => finding | undefined`
fn looped<'s>(call: &Call<'s>) -> Answer<'s> {
    let name = call.text_at(1)?;
    let traces = LATENCIES.with_object(call.uint_at(0)?, |latencies| latencies.repeats().of(&name))?;
    if traces == 0 {
        return Ok(call.undefined());
    }
    let rule = Rule::NPlusOne;
    let object = call.object().text("rule", rule.id()).text("severity", rule.severity().as_str());
    Ok(object.text("message", rule.message()).value())
}

fn slow_batches<'s>(scope: &Scope<'s>, batches: Vec<SlowBatch>) -> Value<'s> {
    scope.array(batches.into_iter().map(|batch| {
        let size = batch.batch_size.map_or(scope.undefined(), |size| scope.number(size));
        let object = scope.object().number("latency", batch.latency).set("batchSize", size);
        let object = object.number("timestamp", batch.at_unix_ms as f64);
        let object = object.number("serial", batch.serial as f64);
        let text = batch.text.iter();
        let object = text.fold(object, |object, text| {
            let object = object.text("queryKey", &text.key);
            object.text("fingerprint", &text.fingerprint).text("query", &text.query)
        });
        object.value()
    }))
}
