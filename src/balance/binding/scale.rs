//! Autoscalers by handle. Policies come as JSON text, samples flattened with NaN for what is missing.

use crate::balance::hpa::Hpa;
use crate::balance::policy::{Algorithm, METRICS, Policy};
use crate::balance::scale::{Sample, Situation, by_rules, needed, too_high};
use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::options::Scalar;
use std::cell::Cell;
use std::collections::HashMap;

const FIELDS: usize = METRICS + 2;

thread_local! {
    static ENGINES: Handles<HashMap<String, Hpa>> = const { handles() };
}

pub fn register(exports: Exports<'_>) {
    exports
        .function("scaleOpen", |call| Ok(call.uint(ENGINES.insert(HashMap::new()))))
        .function("scaleFree", |call| Ok(call.boolean(ENGINES.remove(call.uint_at(0)?).is_some())))
        .function("scaleDefaultPolicy", |call| {
            let text = serde_json::to_string(&Policy::default())
                .map_err(|_| Failure::internal("the default policy is no JSON"))?;
            Ok(call.text(&text))
        })
        .function("scaleCheckPolicy", |call| {
            Policy::parse(&call.text_at(0)?)?;
            Ok(call.undefined())
        })
        .function("scaleEvaluate", evaluate)
        .function("scaleUpReason", |call| {
            let policy = Policy::parse(&call.text_at(1)?)?;
            let values = call.cells::<f64>(0)?;
            let at = |metric: usize| values.get(metric).map_or(f64::NAN, Cell::get);
            Ok(call.text(&too_high(&std::array::from_fn(at), &policy)))
        })
        .function("scaleNeeded", |call| {
            let policy = Policy::parse(&call.text_at(1)?)?;
            Ok(call.number(needed(&policy, &samples(call, 0)?, call.number_at(2)?)))
        });
}

fn samples(call: &Call<'_>, index: usize) -> Result<Vec<Sample>, Failure> {
    let flat = call.cells::<f64>(index)?;
    Ok(flat
        .chunks_exact(FIELDS)
        .map(|fields| Sample {
            at: fields[0].get(),
            values: std::array::from_fn(|metric| fields[1 + metric].get()),
            instances: fields[FIELDS - 1].get(),
        })
        .collect())
}

/// `(handle, service, policy, samples, current, now, last up, last down)` → `{ decision, desired, reason }`
fn evaluate<'s>(call: &Call<'s>) -> Answer<'s> {
    let policy = Policy::parse(&call.text_at(2)?)?;
    let samples = samples(call, 3)?;
    let current = match call.scalar_at(4) {
        Scalar::Number(number) if number.is_finite() => number,
        _ => 1.0,
    };
    let [now, up, down] = [call.number_at(5)?, call.number_at(6)?, call.number_at(7)?];
    let known = |at: f64| (!at.is_nan()).then_some(at);
    let situation = Situation { samples: &samples, current, now, last_up: known(up), last_down: known(down) };
    let verdict = match policy.algorithm {
        Algorithm::Rules => by_rules(&policy, &situation),
        Algorithm::Hpa => {
            let service = call.text_at(1)?.to_string();
            ENGINES.with_object(call.uint_at(0)?, |services| {
                services.entry(service).or_default().decide(&policy, &situation)
            })?
        }
    };
    Ok(call
        .object()
        .text("decision", verdict.decision.as_str())
        .number("desired", verdict.desired)
        .text("reason", &verdict.reason)
        .value())
}
