//! A learner's settings and choices. What it has seen lives with the face and comes flattened, five numbers an
//! observation.

use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::random::Random;
use crate::resilience::learner::{LearnerConfig, Observation, Wishes, fold, recommend, sane};
use std::cell::Cell;

const FIELDS: usize = 5;
const HOUR: f64 = 3_600_000.0;

pub fn register(exports: Exports<'_>) {
    exports
        .function("learnerConfig", config)
        .function("learnerSane", |call| Ok(call.number(sane(&call.scalar_at(0), 0.0, call.number_at(1)?))))
        .function("learnerRecommend", choose)
        .function("learnerFold", |call| {
            let cells = call.cells::<f64>(0)?;
            let [weight, sum, last] = cells else {
                return Err(Failure::internal("a learner's cells have the wrong length"));
            };
            let (score, now, hours) = (call.number_at(1)?, call.number_at(2)?, call.number_at(3)?);
            let next = fold((weight.get(), sum.get(), last.get()), score, now, hours * HOUR);
            weight.set(next.0);
            sum.set(next.1);
            last.set(next.2);
            Ok(call.undefined())
        });
}

/// `(options, cells)`: the settings go into the cells.
fn config<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = LearnerConfig::from_options(&call.options_at(0)?)?;
    let values =
        [config.max_history.into(), config.decay_hours, config.max_prompts.into(), f64::from(u8::from(config.explore))];
    for (cell, value) in call.cells::<f64>(1)?.iter().zip(values) {
        cell.set(value);
    }
    Ok(call.undefined())
}

/// `(observations, maxLatency, maxCost, minScore, three weights, decayHours, now, random state | undefined)` → the
/// provider's number, or -1
fn choose<'s>(call: &Call<'s>) -> Answer<'s> {
    let flat = call.cells::<f64>(0)?;
    let observations: Vec<Observation> = flat.chunks_exact(FIELDS).map(observation).collect();
    let weights = [4, 5, 6].map(|index| call.scalar_at(index));
    let wishes = Wishes::read(
        &call.scalar_at(1),
        &call.scalar_at(2),
        &call.scalar_at(3),
        [&weights[0], &weights[1], &weights[2]],
    );
    let (hours, now) = (call.number_at(7)?, call.number_at(8)?);
    let decay = if hours > 0.0 { hours } else { LearnerConfig::default().decay_hours } * HOUR;
    let chosen = if call.scalar_at(9).is_falsy() {
        recommend(&observations, &wishes, decay, now, None)
    } else {
        let [low, high] = call.cells::<f64>(9)? else {
            return Err(Failure::internal("a random state has the wrong length"));
        };
        let mut random = Random { state: u64::from(high.get() as u32) << 32 | u64::from(low.get() as u32) };
        let chosen = recommend(&observations, &wishes, decay, now, Some(&mut random));
        low.set(f64::from(random.state as u32));
        high.set(f64::from((random.state >> 32) as u32));
        chosen
    };
    Ok(call.number(chosen.map_or(-1.0, |provider| provider as f64)))
}

fn observation(fields: &[Cell<f64>]) -> Observation {
    let number = |index: usize| {
        let value = fields[index].get();
        if value.is_nan() { 0.0 } else { value }
    };
    Observation { provider: number(0) as usize, score: number(1), latency: number(2), cost: number(3), at: number(4) }
}
