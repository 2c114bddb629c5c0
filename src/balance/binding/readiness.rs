//! Settings of probes and shutdowns, and the answer to a question about the process.

use crate::balance::readiness::{Checks, Question, ReadinessConfig, ShutdownConfig, Status, failure_rate};
use crate::binding::raw::{Answer, Call, Exports, Failure};

pub fn register(exports: Exports<'_>) {
    exports
        .function("readinessConfig", |call| {
            let config = ReadinessConfig::from_options(&call.options_at(0)?)?;
            call.fill(1, &[config.polling_interval, config.check_timeout, config.cache])?;
            Ok(call.undefined())
        })
        .function("shutdownConfig", |call| {
            let config = ShutdownConfig::from_options(&call.options_at(0)?)?;
            call.fill(1, &[config.delay, config.deadline])?;
            Ok(call.undefined())
        })
        .function("readinessRate", |call| Ok(call.number(failure_rate(call.number_at(0)?, call.number_at(1)?))))
        .function("readinessAnswer", answer);
}

/// `(question, started, leaving, startup, readiness, liveness, resource)`, the last four as words with commas between →
/// `{ started, reason }`, the reason empty for yes
fn answer<'s>(call: &Call<'s>) -> Answer<'s> {
    let question = match &*call.text_at(0)? {
        "live" => Question::Live,
        "ready" => Question::Ready,
        "startup" => Question::Startup,
        _ => return Err(Failure::internal("an unknown question")),
    };
    let statuses = |index: usize| -> Result<Vec<Status>, Failure> {
        let words = call.text_at(index)?;
        Ok(words.split(',').filter(|word| !word.is_empty()).map(Status::named).collect())
    };
    let (startup, readiness, liveness, resource) = (statuses(3)?, statuses(4)?, statuses(5)?, statuses(6)?);
    let checks = Checks {
        startup: &startup,
        readiness: &readiness,
        liveness: &liveness,
        resource: &resource,
        started: call.boolean_at(1)?,
        leaving: call.boolean_at(2)?,
    };
    let started = f64::from(u8::from(checks.has_started()));
    let reason = checks.refusal(question).unwrap_or_default();
    Ok(call.object().number("started", started).text("reason", &reason).value())
}
