//! What a service's scaling goes by. The only home of the defaults.

use crate::error::{Code, Coded, ErrorClass};
use serde::{Deserialize, Serialize};

/// Values of a sample that decide, in this order everywhere.
pub const METRICS: usize = 5;

/// A value for each metric; one that is absent does not take part.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Thresholds {
    /// Percent.
    pub cpu_percent: Option<f64>,
    /// Percent.
    pub memory_percent: Option<f64>,
    /// Milliseconds.
    pub latency_p95: Option<f64>,
    /// Requests waiting.
    pub queue_depth: Option<f64>,
    /// Percent.
    pub error_rate: Option<f64>,
}

impl Thresholds {
    /// In the order of a sample's values.
    pub fn each(&self) -> [Option<f64>; METRICS] {
        [self.cpu_percent, self.memory_percent, self.latency_p95, self.queue_depth, self.error_rate]
    }
}

/// How a decision is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Thresholds, one instance at a time.
    #[default]
    Rules,
    /// Kubernetes' HorizontalPodAutoscaler, version 2.
    Hpa,
}

/// How one service is scaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    /// Any value above its threshold asks for an instance more. Default 70, 80, 200, 100, 5.
    pub scale_up_threshold: Thresholds,
    /// All values below their thresholds allow an instance less. Default 30, 50, 50, 10, 1.
    pub scale_down_threshold: Thresholds,
    /// Default 1.
    pub min_instances: f64,
    /// Default 10.
    pub max_instances: f64,
    /// How long after a scale-up nothing is taken away. Default 300.
    pub cooldown_seconds: f64,
    /// How long after a scale-up there is no further one. Default 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub scale_up_cooldown_seconds: f64,
    /// How long after a scale-down there is no further one. Default 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub scale_down_cooldown_seconds: f64,
    /// How many of the latest samples are averaged. Default 1.
    #[serde(skip_serializing)]
    pub smoothing_samples: f64,
    /// Default the rules.
    #[serde(skip_serializing)]
    pub algorithm: Algorithm,
    /// For `algorithm: 'hpa'`.
    #[serde(skip_serializing)]
    pub hpa: HpaPolicy,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Default for Policy {
    fn default() -> Self {
        let thresholds = |[cpu, memory, latency, queue, errors]: [f64; METRICS]| Thresholds {
            cpu_percent: Some(cpu),
            memory_percent: Some(memory),
            latency_p95: Some(latency),
            queue_depth: Some(queue),
            error_rate: Some(errors),
        };
        Self {
            scale_up_threshold: thresholds([70.0, 80.0, 200.0, 100.0, 5.0]),
            scale_down_threshold: thresholds([30.0, 50.0, 50.0, 10.0, 1.0]),
            min_instances: 1.0,
            max_instances: 10.0,
            cooldown_seconds: 300.0,
            scale_up_cooldown_seconds: 0.0,
            scale_down_cooldown_seconds: 0.0,
            smoothing_samples: 1.0,
            algorithm: Algorithm::Rules,
            hpa: HpaPolicy::default(),
        }
    }
}

/// The HPA's settings, named as in Kubernetes' `autoscaling/v2`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HpaPolicy {
    /// What each metric is to be on average over the instances. Default `cpuPercent` 70.
    pub targets: Thresholds,
    /// A ratio this near to 1 changes nothing. Default 0.1.
    pub tolerance: f64,
    /// Default no stabilisation, at most +100 % or +4 instances in 15 s, whichever is more.
    #[serde(deserialize_with = "up")]
    pub scale_up: Behavior,
    /// Default the highest recommendation of 300 s, and no further limit.
    #[serde(deserialize_with = "down")]
    pub scale_down: Behavior,
}

impl Default for HpaPolicy {
    fn default() -> Self {
        Self {
            targets: Thresholds { cpu_percent: Some(70.0), ..Thresholds::default() },
            tolerance: 0.1,
            scale_up: Behavior::up(),
            scale_down: Behavior::down(),
        }
    }
}

/// How fast one direction may go.
#[derive(Debug, Clone, PartialEq)]
pub struct Behavior {
    /// How far back recommendations count.
    pub stabilization_window_seconds: f64,
    /// Which of the policies' limits holds.
    pub select_policy: Select,
    /// The limits.
    pub policies: Vec<Limit>,
}

impl Behavior {
    fn up() -> Self {
        let limit = |kind, value| Limit { kind, value, period_seconds: 15.0 };
        let policies = vec![limit(Unit::Percent, 100.0), limit(Unit::Pods, 4.0)];
        Self { stabilization_window_seconds: 0.0, select_policy: Select::Max, policies }
    }

    fn down() -> Self {
        let policies = vec![Limit { kind: Unit::Percent, value: 100.0, period_seconds: 15.0 }];
        Self { stabilization_window_seconds: 300.0, select_policy: Select::Max, policies }
    }
}

/// Which of several limits holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Select {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest.
    Min,
    /// This direction is not taken.
    Disabled,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Unit {
    /// Instances.
    Pods,
    /// Percent of the instances at the period's begin.
    Percent,
}

/// At most so much change in a period.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// What `value` counts.
    #[serde(rename = "type")]
    pub kind: Unit,
    /// How much.
    pub value: f64,
    /// In how long.
    pub period_seconds: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Partial {
    stabilization_window_seconds: Option<f64>,
    select_policy: Option<Select>,
    policies: Option<Vec<Limit>>,
}

fn complete(partial: Partial, base: Behavior) -> Behavior {
    Behavior {
        stabilization_window_seconds: partial.stabilization_window_seconds.unwrap_or(base.stabilization_window_seconds),
        select_policy: partial.select_policy.unwrap_or(base.select_policy),
        policies: partial.policies.unwrap_or(base.policies),
    }
}

fn up<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Behavior, D::Error> {
    Partial::deserialize(source).map(|partial| complete(partial, Behavior::up()))
}

fn down<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Behavior, D::Error> {
    Partial::deserialize(source).map(|partial| complete(partial, Behavior::down()))
}

/// A scaling policy that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scaling policy: {0}")]
pub struct PolicyError(String);

impl Coded for PolicyError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::TypeError
    }
}

impl Policy {
    /// Reads a policy's JSON text.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = serde_json::from_str(text).map_err(|error| PolicyError(error.to_string()))?;
        let refuse = |name: &str, value: f64| Err(PolicyError(format!("{name} must not be negative, got {value}")));
        for (name, value) in [
            ("minInstances", policy.min_instances),
            ("maxInstances", policy.max_instances),
            ("cooldownSeconds", policy.cooldown_seconds),
            ("scaleUpCooldownSeconds", policy.scale_up_cooldown_seconds),
            ("scaleDownCooldownSeconds", policy.scale_down_cooldown_seconds),
            ("smoothingSamples", policy.smoothing_samples),
            ("hpa.tolerance", policy.hpa.tolerance),
        ] {
            if value < 0.0 {
                return refuse(name, value);
            }
        }
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_leaves_out_has_its_default() {
        let policy = Policy::parse(r#"{"algorithm":"hpa","hpa":{"scaleDown":{"selectPolicy":"Min"}}}"#).unwrap();
        assert_eq!(policy.hpa.scale_down, Behavior { select_policy: Select::Min, ..Behavior::down() });
        assert_eq!(policy.hpa.scale_up, Behavior::up());
        assert_eq!((policy.max_instances, policy.cooldown_seconds), (10.0, 300.0));
    }

    #[test]
    fn a_bad_policy_says_where() {
        let text = Policy::parse(r#"{"algorithm":"wild"}"#).unwrap_err().to_string();
        assert!(text.contains("wild") && text.contains("hpa"), "{text}");
        let text = Policy::parse(r#"{"minInstances":-1}"#).unwrap_err().to_string();
        assert_eq!(text, "scaling policy: minInstances must not be negative, got -1");
    }
}
