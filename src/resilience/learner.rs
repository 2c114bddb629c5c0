//! Which provider to ask next, from how they did before.
//!
//! Each provider is judged by the average of its observations, where one that is a `decay` older counts 1/e as much,
//! and a provider that was not seen for long is trusted less in the same measure. A single lucky observation therefore
//! does not beat a steady provider. With exploration the choice is Thompson sampling: a draw from the Beta distribution
//! of each provider's average (Thompson, 1933; Chapelle and Li, 2011), so that what is little known is tried now and
//! then.

use crate::options::{OptionError, Options, Scalar, count, number};
use crate::random::Random;

/// A learner's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnerConfig {
    /// Observations kept of one prompt; the oldest go first. Default 100.
    pub max_history: u32,
    /// Hours after which an observation counts 1/e. Default 24.
    pub decay_hours: f64,
    /// Prompts remembered; the ones not heard of for longest go first. Default 10,000.
    pub max_prompts: u32,
    /// Whether recommendations explore. Default no.
    pub explore: bool,
}

impl Default for LearnerConfig {
    fn default() -> Self {
        Self { max_history: 100, decay_hours: 24.0, max_prompts: 10_000, explore: false }
    }
}

impl LearnerConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let base = Self::default();
        let exploration = options.get("exploration");
        let explore = match &exploration {
            Scalar::Text(text) if text == "thompson" => true,
            value if value.is_falsy() => false,
            value => return Err(OptionError::out_of_range("exploration", "\"thompson\"", value)),
        };
        Ok(Self {
            max_history: count(options, "maxHistoryPerPrompt", base.max_history.into(), 1, 1_000_000)? as u32,
            decay_hours: number(options, "decayHours", base.decay_hours, f64::MIN_POSITIVE, 1e9)?,
            max_prompts: count(options, "maxPrompts", base.max_prompts.into(), 1, 10_000_000)? as u32,
            explore,
        })
    }
}

/// How one call of a provider went.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Observation {
    /// The provider's number.
    pub provider: usize,
    /// 0 to 1
    pub score: f64,
    /// Milliseconds.
    pub latency: f64,
    /// In the caller's currency.
    pub cost: f64,
    /// Milliseconds since the epoch.
    pub at: f64,
}

/// A number between `min` and `max` from whatever the caller gave; what is no number counts as `min`.
pub fn sane(value: &Scalar, min: f64, max: f64) -> f64 {
    let number = match value {
        Scalar::Number(number) => *number,
        Scalar::Bool(true) => 1.0,
        Scalar::Text(text) => text.trim().parse().unwrap_or(min),
        _ => min,
    };
    if number.is_nan() { min } else { number.clamp(min, max) }
}

/// What a provider has to keep to, and what counts how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wishes {
    /// Milliseconds. Default 5000.
    pub max_latency: f64,
    /// Default 1.
    pub max_cost: f64,
    /// Default 0.5.
    pub min_score: f64,
    /// Of score, latency and cost. Default 0.6, 0.2, 0.2.
    pub weights: [f64; 3],
}

impl Default for Wishes {
    fn default() -> Self {
        Self { max_latency: 5000.0, max_cost: 1.0, min_score: 0.5, weights: [0.6, 0.2, 0.2] }
    }
}

impl Wishes {
    /// Reads what the caller asked for; what is no number means its default.
    pub fn read(max_latency: &Scalar, max_cost: &Scalar, min_score: &Scalar, weights: [&Scalar; 3]) -> Self {
        let base = Self::default();
        let or = |value: &Scalar, default| match value {
            Scalar::Number(number) if !number.is_nan() => *number,
            _ => default,
        };
        let mut merged = base.weights;
        for (merged, given) in merged.iter_mut().zip(weights) {
            *merged = or(given, *merged).clamp(0.0, 1e9);
        }
        Self {
            max_latency: or(max_latency, base.max_latency),
            max_cost: or(max_cost, base.max_cost),
            min_score: or(min_score, base.min_score),
            weights: merged,
        }
    }

    fn composite(&self, average: &Average) -> f64 {
        let room = |used: f64, most: f64| if most > 0.0 { 1.0 - used / most } else { 1.0 };
        let [score, latency, cost] = self.weights;
        score * average.score
            + latency * room(average.latency, self.max_latency)
            + cost * room(average.cost, self.max_cost)
    }
}

/// What is known of one provider.
#[derive(Debug, Clone, Copy, Default)]
struct Average {
    provider: usize,
    /// Observations, each counted by its age against the newest one.
    weight: f64,
    score: f64,
    latency: f64,
    cost: f64,
    newest: f64,
    /// Place of its latest observation.
    place: usize,
}

/// The decayed averages, in the order of the latest observations.
fn averages(observations: &[Observation], decay_ms: f64) -> Vec<Average> {
    let mut found: Vec<Average> = Vec::new();
    for (place, seen) in observations.iter().enumerate() {
        match found.iter_mut().find(|average| average.provider == seen.provider) {
            Some(average) => {
                average.newest = average.newest.max(seen.at);
                average.place = place;
            }
            None => found.push(Average { provider: seen.provider, newest: seen.at, place, ..Average::default() }),
        }
    }
    for average in &mut found {
        for seen in observations.iter().filter(|seen| seen.provider == average.provider) {
            let weight = (-(average.newest - seen.at) / decay_ms).exp();
            average.weight += weight;
            average.score += weight * seen.score;
            average.latency += weight * seen.latency;
            average.cost += weight * seen.cost;
        }
        average.score /= average.weight;
        average.latency /= average.weight;
        average.cost /= average.weight;
    }
    found.sort_by_key(|average| average.place);
    found
}

/// The provider to ask; `None` when none keeps to the wishes. Of equals the one seen last wins. With `random` the choice
/// explores: a low score does not rule a provider out then, a limit on latency or cost does.
pub fn recommend(
    observations: &[Observation],
    wishes: &Wishes,
    decay_ms: f64,
    now: f64,
    mut random: Option<&mut Random>,
) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for average in averages(observations, decay_ms) {
        let affordable = average.latency <= wishes.max_latency && average.cost <= wishes.max_cost;
        if !affordable || (random.is_none() && average.score < wishes.min_score) {
            continue;
        }
        let freshness = (-(now - average.newest).max(0.0) / decay_ms).exp();
        let composite = wishes.composite(&average);
        let value = match random.as_deref_mut() {
            None => composite * freshness,
            Some(random) => {
                let most: f64 = wishes.weights.iter().sum();
                let share = if most > 0.0 { (composite / most).clamp(0.0, 1.0) } else { 0.5 };
                let known = average.weight * freshness;
                random.beta(1.0 + known * share, 1.0 + known * (1.0 - share))
            }
        };
        if best.is_none_or(|(highest, _)| value >= highest) {
            best = Some((value, average.provider));
        }
    }
    best.map(|(_, provider)| provider)
}

/// A running, decayed average: `(weight, sum, time of the last observation)`.
pub fn fold((weight, sum, last): (f64, f64, f64), score: f64, now: f64, decay_ms: f64) -> (f64, f64, f64) {
    let kept = if weight > 0.0 { (-(now - last).max(0.0) / decay_ms).exp() } else { 0.0 };
    (weight * kept + 1.0, sum * kept + score, now)
}

#[cfg(test)]
#[path = "learner_tests.rs"]
mod tests;
