//! When a service gets an instance more or less, by thresholds: any value too high asks for one more, all values low
//! allow one less. What is unknown is neither.

use crate::balance::policy::{METRICS, Policy};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// More instances.
    Up,
    /// Fewer.
    Down,
    /// As many as there are.
    Hold,
}

impl Decision {
    /// The word that callers know.
    pub const fn as_str(self) -> &'static str {
        match self {
            Decision::Up => "SCALE_UP",
            Decision::Down => "SCALE_DOWN",
            Decision::Hold => "HOLD",
        }
    }
}

/// A decision, how many instances it leads to, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What is to be done.
    pub decision: Decision,
    /// How many instances there are to be.
    pub desired: f64,
    /// Why.
    pub reason: String,
}

/// One report of a service; a value that it did not contain is NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Milliseconds since the epoch.
    pub at: f64,
    /// CPU, memory, latency, queue depth, error rate.
    pub values: [f64; METRICS],
    /// Instances at that time.
    pub instances: f64,
}

/// What is known when a decision is due. Times are milliseconds; `None`: never.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Oldest first.
    pub samples: &'a [Sample],
    /// Instances now.
    pub current: f64,
    /// Now.
    pub now: f64,
    /// The last scale-up.
    pub last_up: Option<f64>,
    /// The last scale-down.
    pub last_down: Option<f64>,
}

const LABELS: [(&str, &str); METRICS] =
    [("CPU", "%"), ("Memory", "%"), ("Latency P95", "ms"), ("Queue depth", ""), ("Error rate", "%")];

impl Situation<'_> {
    /// The averages of the latest samples; NaN where a metric is unknown.
    pub fn values(&self, samples: f64) -> [f64; METRICS] {
        let latest = (samples.max(1.0) as usize).min(self.samples.len());
        std::array::from_fn(|metric| {
            let known = self.samples[self.samples.len() - latest..]
                .iter()
                .map(|sample| sample.values[metric])
                .filter(|value| !value.is_nan());
            let (sum, count) = known.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            sum / count
        })
    }

    /// Whether a metric was ever reported: one that never was is not waited for.
    pub fn reports(&self, metric: usize) -> bool {
        self.samples.iter().any(|sample| !sample.values[metric].is_nan())
    }

    fn within(&self, event: Option<f64>, seconds: f64) -> bool {
        event.is_some_and(|at| self.now - at < seconds * 1e3)
    }
}

/// Which values are above their thresholds, as text; empty where none is.
pub fn too_high(values: &[f64; METRICS], policy: &Policy) -> String {
    let thresholds = policy.scale_up_threshold.each();
    let parts: Vec<String> = (0..METRICS)
        .filter_map(|metric| {
            let threshold = thresholds[metric].filter(|threshold| values[metric] > *threshold)?;
            let (label, unit) = LABELS[metric];
            Some(format!("{label} {}{unit} > {threshold}{unit}", values[metric]))
        })
        .collect();
    parts.join("; ")
}

/// The rules of the original.
pub fn by_rules(policy: &Policy, situation: &Situation<'_>) -> Verdict {
    let current = situation.current;
    let hold = |reason: &str| Verdict { decision: Decision::Hold, desired: current, reason: reason.into() };
    let values = situation.values(policy.smoothing_samples);
    let high = too_high(&values, policy);
    if !high.is_empty() {
        if current >= policy.max_instances {
            return hold(&format!("{high}, but there are {} instances already", policy.max_instances));
        }
        if situation.within(situation.last_up, policy.scale_up_cooldown_seconds) {
            return hold(&format!("{high}, but the last scale-up is too recent"));
        }
        return Verdict { decision: Decision::Up, desired: current + 1.0, reason: high };
    }
    let mut known = false;
    for (metric, threshold) in policy.scale_down_threshold.each().into_iter().enumerate() {
        let Some(threshold) = threshold else { continue };
        if values[metric].is_nan() {
            if situation.reports(metric) {
                return hold(&format!("{} is unknown", LABELS[metric].0));
            }
            continue;
        }
        if values[metric] >= threshold {
            return hold("within thresholds");
        }
        known = true;
    }
    if !known {
        return hold("nothing is known");
    }
    if current <= policy.min_instances {
        return hold(&format!("all values are low, but {} instances are the fewest", policy.min_instances));
    }
    if situation.within(situation.last_up, policy.cooldown_seconds)
        || situation.within(situation.last_down, policy.scale_down_cooldown_seconds)
    {
        return hold("all values are low, but the last change is too recent");
    }
    Verdict {
        decision: Decision::Down,
        desired: current - 1.0,
        reason: "All metrics below scale-down thresholds".into(),
    }
}

/// How many instances the load of a time since `since` would have needed, by CPU and memory.
pub fn needed(policy: &Policy, samples: &[Sample], since: f64) -> f64 {
    let [cpu, memory, ..] = policy.scale_up_threshold.each();
    let mut most: f64 = 1.0;
    for sample in samples.iter().filter(|sample| sample.at >= since) {
        for (value, threshold) in sample.values.into_iter().zip([cpu, memory]) {
            if let (false, Some(threshold)) = (value.is_nan(), threshold.filter(|threshold| *threshold > 0.0)) {
                most = most.max((value / threshold * sample.instances).ceil());
            }
        }
    }
    most.max(policy.min_instances).min(policy.max_instances).max(1.0)
}

#[cfg(test)]
#[path = "scale_tests.rs"]
mod tests;
