//! Kubernetes' HorizontalPodAutoscaler, version 2: `ceil(current × value / target)` for each metric, the highest counts,
//! then stabilisation and rate limits.
//!
//! Source: the algorithm's description in Kubernetes' documentation ("Horizontal Pod Autoscaling") and the order of its
//! steps: metrics, stabilisation, policies, minimum and maximum.

use crate::balance::policy::{Behavior, HpaPolicy, METRICS, Policy, Select, Unit};
use crate::balance::scale::{Decision, Situation, Verdict};

/// What one service's autoscaler remembers. Times are milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Hpa {
    /// `(when, how many)`
    recommendations: Vec<(f64, f64)>,
    /// `(when, by how many)`
    changes: Vec<(f64, f64)>,
}

impl Hpa {
    /// Decides, and remembers what it decided.
    pub fn decide(&mut self, policy: &Policy, situation: &Situation<'_>) -> Verdict {
        let (hpa, current, now) = (&policy.hpa, situation.current, situation.now);
        let hold = |reason: String| Verdict { decision: Decision::Hold, desired: current, reason };
        if current <= 0.0 {
            return hold("no instances: scaling is off".into());
        }
        let Some((wanted, why)) = wanted(hpa, situation, policy.smoothing_samples) else {
            return hold("no metric is known".into());
        };
        let stable = self.stabilized(hpa, current, wanted, now);
        let limited = self.limited(hpa, current, stable, now);
        let desired = limited.min(policy.max_instances).max(policy.min_instances);
        let reason = if desired == wanted { why } else { format!("{why}, wanted {wanted}, allowed {desired}") };
        if desired == current {
            return hold(reason);
        }
        self.changes.push((now, desired - current));
        let decision = if desired > current { Decision::Up } else { Decision::Down };
        Verdict { decision, desired, reason }
    }

    /// The lowest recommendation of the window for the way up, the highest for the way down.
    fn stabilized(&mut self, hpa: &HpaPolicy, current: f64, wanted: f64, now: f64) -> f64 {
        let [up, down] =
            [&hpa.scale_up, &hpa.scale_down].map(|behavior| now - behavior.stabilization_window_seconds * 1e3);
        self.recommendations.retain(|(at, _)| *at > up.min(down));
        let within = |since: f64| {
            self.recommendations.iter().filter(move |(at, _)| *at > since).map(|(_, recommended)| *recommended)
        };
        let rise = within(up).fold(wanted, f64::min);
        let fall = within(down).fold(wanted, f64::max);
        self.recommendations.push((now, wanted));
        if current < rise {
            rise
        } else if current > fall {
            fall
        } else {
            current
        }
    }

    fn limited(&mut self, hpa: &HpaPolicy, current: f64, wanted: f64, now: f64) -> f64 {
        let longest = [&hpa.scale_up, &hpa.scale_down]
            .into_iter()
            .flat_map(|behavior| &behavior.policies)
            .fold(0.0, |longest: f64, limit| longest.max(limit.period_seconds));
        self.changes.retain(|(at, _)| now - at < longest * 1e3);
        if wanted > current {
            wanted.min(self.limit(&hpa.scale_up, current, now, 1.0))
        } else if wanted < current {
            wanted.max(self.limit(&hpa.scale_down, current, now, -1.0))
        } else {
            current
        }
    }

    /// How far the policies of one direction let it go; `sign` is 1 for up and -1 for down.
    fn limit(&self, behavior: &Behavior, current: f64, now: f64, sign: f64) -> f64 {
        if behavior.select_policy == Select::Disabled {
            return current;
        }
        let limits = behavior.policies.iter().map(|limit| {
            let changed: f64 = self
                .changes
                .iter()
                .filter(|(at, _)| now - at < limit.period_seconds * 1e3)
                .map(|(_, change)| change)
                .sum();
            let before = current - changed;
            match limit.kind {
                Unit::Pods => before + sign * limit.value,
                Unit::Percent if sign > 0.0 => (before * (1.0 + limit.value / 100.0)).ceil(),
                Unit::Percent => (before * (1.0 - limit.value / 100.0)).floor(),
            }
        });
        // The largest change is the highest limit on the way up and the lowest on the way down.
        let highest = (behavior.select_policy == Select::Max) == (sign > 0.0);
        let chosen = if highest { limits.reduce(f64::max) } else { limits.reduce(f64::min) };
        chosen.map_or(current, |limit| if sign > 0.0 { limit.max(current) } else { limit.min(current) })
    }
}

/// What the metrics ask for, and why. With a metric missing the others may ask for more, never for less.
fn wanted(hpa: &HpaPolicy, situation: &Situation<'_>, samples: f64) -> Option<(f64, String)> {
    const NAMES: [&str; METRICS] = ["cpuPercent", "memoryPercent", "latencyP95", "queueDepth", "errorRate"];
    let values = situation.values(samples);
    let current = situation.current;
    let mut highest: Option<(f64, String)> = None;
    let mut missing = false;
    for (metric, target) in hpa.targets.each().into_iter().enumerate() {
        let Some(target) = target.filter(|target| *target > 0.0) else { continue };
        let value = values[metric];
        if value.is_nan() {
            missing = true;
            continue;
        }
        let ratio = value / target;
        // The small slack keeps 0.1 within a tolerance of 0.1 whatever the binary fractions say.
        let near = (ratio - 1.0).abs() <= hpa.tolerance + 1e-9;
        let desired = if near { current } else { (current * ratio - 1e-9).ceil() };
        if highest.as_ref().is_none_or(|(most, _)| desired > *most) {
            highest = Some((desired, format!("{} {value} against a target of {target}", NAMES[metric])));
        }
    }
    highest.map(|(desired, why)| {
        if missing && desired < current {
            (current, format!("{why}; other metrics are missing"))
        } else {
            (desired, why)
        }
    })
}

#[cfg(test)]
#[path = "hpa_tests.rs"]
mod tests;
