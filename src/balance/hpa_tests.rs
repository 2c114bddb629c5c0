use super::*;
use crate::balance::policy::Thresholds;
use crate::balance::scale::Sample;

const UNKNOWN: f64 = f64::NAN;
const SECOND: f64 = 1e3;

fn policy(json: &str) -> Policy {
    Policy { max_instances: 100.0, ..Policy::parse(&format!(r#"{{"algorithm":"hpa","hpa":{json}}}"#)).unwrap() }
}

/// No stabilisation and no limits, so that only the metrics speak.
fn bare() -> Policy {
    let mut policy = policy("{}");
    for behavior in [&mut policy.hpa.scale_up, &mut policy.hpa.scale_down] {
        behavior.stabilization_window_seconds = 0.0;
        behavior.policies.clear();
    }
    policy.hpa.scale_up.policies =
        vec![crate::balance::policy::Limit { kind: Unit::Pods, value: 1e6, period_seconds: 1.0 }];
    policy.hpa.scale_down.policies = policy.hpa.scale_up.policies.clone();
    policy
}

fn decide(hpa: &mut Hpa, policy: &Policy, cpu: f64, current: f64, now: f64) -> f64 {
    decide_all(hpa, policy, [cpu, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN], current, now).desired
}

fn decide_all(hpa: &mut Hpa, policy: &Policy, values: [f64; METRICS], current: f64, now: f64) -> Verdict {
    let samples = [Sample { at: now, values, instances: current }];
    hpa.decide(policy, &Situation { samples: &samples, current, now, last_up: None, last_down: None })
}

#[test]
fn the_ratio_of_value_and_target_is_rounded_up() {
    let policy = bare();
    assert_eq!(decide(&mut Hpa::default(), &policy, 140.0, 4.0, 0.0), 8.0);
    assert_eq!(decide(&mut Hpa::default(), &policy, 100.0, 4.0, 0.0), 6.0);
    assert_eq!(decide(&mut Hpa::default(), &policy, 35.0, 5.0, 0.0), 3.0);
}

#[test]
fn a_ratio_within_the_tolerance_changes_nothing() {
    let policy = bare();
    for cpu in [63.0, 70.0, 77.0] {
        assert_eq!(decide(&mut Hpa::default(), &policy, cpu, 10.0, 0.0), 10.0);
    }
    assert_eq!(decide(&mut Hpa::default(), &policy, 78.0, 10.0, 0.0), 12.0);
}

#[test]
fn of_several_metrics_the_highest_counts() {
    let mut policy = bare();
    policy.hpa.targets = Thresholds { queue_depth: Some(10.0), ..policy.hpa.targets };
    let values = [35.0, UNKNOWN, UNKNOWN, 30.0, UNKNOWN];
    assert_eq!(decide_all(&mut Hpa::default(), &policy, values, 4.0, 0.0).desired, 12.0);
}

#[test]
fn with_a_metric_missing_there_is_no_scale_down_but_a_scale_up() {
    let mut policy = bare();
    policy.hpa.targets = Thresholds { queue_depth: Some(10.0), ..policy.hpa.targets };
    assert_eq!(decide(&mut Hpa::default(), &policy, 10.0, 4.0, 0.0), 4.0);
    assert_eq!(decide(&mut Hpa::default(), &policy, 140.0, 4.0, 0.0), 8.0);
    assert_eq!(decide(&mut Hpa::default(), &policy, UNKNOWN, 4.0, 0.0), 4.0);
}

#[test]
fn no_instances_switch_scaling_off() {
    assert_eq!(decide(&mut Hpa::default(), &bare(), 140.0, 0.0, 0.0), 0.0);
}

#[test]
fn the_way_down_takes_the_highest_recommendation_of_its_window() {
    let (policy, mut hpa) = (policy("{}"), Hpa::default());
    assert_eq!(decide(&mut hpa, &policy, 70.0, 10.0, 0.0), 10.0);
    assert_eq!(decide(&mut hpa, &policy, 35.0, 10.0, 100.0 * SECOND), 10.0);
    assert_eq!(decide(&mut hpa, &policy, 21.0, 10.0, 299.0 * SECOND), 10.0);
    // The ten of the begin has left the window; the five of 100 s has not.
    assert_eq!(decide(&mut hpa, &policy, 21.0, 10.0, 301.0 * SECOND), 5.0);
}

#[test]
fn the_way_up_takes_the_lowest_recommendation_of_its_window() {
    let policy = policy(r#"{"scaleUp":{"stabilizationWindowSeconds":60}}"#);
    let mut hpa = Hpa::default();
    assert_eq!(decide(&mut hpa, &policy, 70.0, 4.0, 0.0), 4.0);
    assert_eq!(decide(&mut hpa, &policy, 140.0, 4.0, 30.0 * SECOND), 4.0);
    assert_eq!(decide(&mut hpa, &policy, 140.0, 4.0, 61.0 * SECOND), 8.0);
}

#[test]
fn a_scale_up_at_most_doubles_or_adds_four_in_fifteen_seconds() {
    let (policy, mut hpa) = (policy("{}"), Hpa::default());
    assert_eq!(decide(&mut hpa, &policy, 700.0, 1.0, 0.0), 5.0);
    assert_eq!(decide(&mut hpa, &policy, 700.0, 5.0, SECOND), 5.0);
    assert_eq!(decide(&mut hpa, &policy, 700.0, 5.0, 15.0 * SECOND), 10.0);
    assert_eq!(decide(&mut hpa, &policy, 700.0, 10.0, 30.0 * SECOND), 20.0);
}

#[test]
fn select_policy_min_takes_the_smaller_change_and_disabled_none() {
    let limits =
        r#""policies":[{"type":"Pods","value":1,"periodSeconds":60},{"type":"Percent","value":50,"periodSeconds":60}]"#;
    let of = |select| {
        policy(&format!(r#"{{"scaleDown":{{"stabilizationWindowSeconds":0,"selectPolicy":"{select}",{limits}}}}}"#))
    };
    assert_eq!(decide(&mut Hpa::default(), &of("Min"), 1.0, 10.0, 0.0), 9.0);
    assert_eq!(decide(&mut Hpa::default(), &of("Max"), 1.0, 10.0, 0.0), 5.0);
    assert_eq!(decide(&mut Hpa::default(), &of("Disabled"), 1.0, 10.0, 0.0), 10.0);
}

#[test]
fn changes_of_the_period_count_against_its_limit() {
    let policy = policy(
        r#"{"scaleDown":{"stabilizationWindowSeconds":0,"policies":[{"type":"Pods","value":2,"periodSeconds":60}]}}"#,
    );
    let mut hpa = Hpa::default();
    assert_eq!(decide(&mut hpa, &policy, 1.0, 10.0, 0.0), 8.0);
    assert_eq!(decide(&mut hpa, &policy, 1.0, 8.0, 30.0 * SECOND), 8.0);
    assert_eq!(decide(&mut hpa, &policy, 1.0, 8.0, 60.0 * SECOND), 6.0);
}

#[test]
fn fewest_and_most_instances_hold_and_every_decision_has_its_reason() {
    let policy = Policy { min_instances: 2.0, max_instances: 6.0, ..bare() };
    let up = decide_all(&mut Hpa::default(), &policy, [700.0, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN], 4.0, 0.0);
    assert_eq!((up.decision, up.desired), (Decision::Up, 6.0));
    assert_eq!(up.reason, "cpuPercent 700 against a target of 70, wanted 40, allowed 6");
    assert_eq!(decide(&mut Hpa::default(), &policy, 0.0, 4.0, 0.0), 2.0);
}
