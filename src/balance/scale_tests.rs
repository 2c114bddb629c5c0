use super::*;

const UNKNOWN: f64 = f64::NAN;
const LOW: [f64; METRICS] = [10.0, 10.0, 10.0, 1.0, 0.0];

fn sample(values: [f64; METRICS]) -> Sample {
    Sample { at: 0.0, values, instances: 2.0 }
}

fn decide(samples: &[Sample], current: f64) -> Verdict {
    by_rules(&Policy::default(), &Situation { samples, current, now: 0.0, last_up: None, last_down: None })
}

#[test]
fn one_value_above_its_threshold_asks_for_one_more() {
    let verdict = decide(&[sample([85.0, 10.0, 250.0, 1.0, 0.0])], 2.0);
    assert_eq!((verdict.decision, verdict.desired), (Decision::Up, 3.0));
    assert_eq!(verdict.reason, "CPU 85% > 70%; Latency P95 250ms > 200ms");
}

#[test]
fn a_value_at_its_threshold_is_not_above_it() {
    assert_eq!(decide(&[sample([70.0, 80.0, 200.0, 100.0, 5.0])], 2.0).decision, Decision::Hold);
}

#[test]
fn the_most_instances_are_held() {
    assert_eq!(decide(&[sample([99.0, 0.0, 0.0, 0.0, 0.0])], 10.0).decision, Decision::Hold);
}

#[test]
fn all_values_low_allow_one_less_but_not_below_the_fewest() {
    assert_eq!(decide(&[sample(LOW)], 2.0).decision, Decision::Down);
    assert_eq!(decide(&[sample(LOW)], 1.0).decision, Decision::Hold);
}

#[test]
fn what_is_unknown_is_not_low() {
    assert_eq!(decide(&[sample([UNKNOWN; METRICS])], 2.0).decision, Decision::Hold);
    let missing = [10.0, UNKNOWN, 10.0, 1.0, 0.0];
    assert_eq!(decide(&[sample(LOW), sample(missing)], 2.0).decision, Decision::Hold);
    // Memory was never reported: it is not waited for.
    assert_eq!(decide(&[sample(missing), sample(missing)], 2.0).decision, Decision::Down);
}

#[test]
fn smoothing_averages_a_spike_away() {
    let policy = Policy { smoothing_samples: 3.0, ..Policy::default() };
    let samples = [sample(LOW), sample(LOW), sample([90.0, 10.0, 10.0, 1.0, 0.0])];
    let situation = Situation { samples: &samples, current: 2.0, now: 0.0, last_up: None, last_down: None };
    assert_eq!(by_rules(&policy, &situation).decision, Decision::Hold);
    assert_eq!(by_rules(&Policy::default(), &situation).decision, Decision::Up);
}

#[test]
fn a_change_waits_for_its_cooldowns() {
    let policy = Policy { scale_up_cooldown_seconds: 10.0, scale_down_cooldown_seconds: 10.0, ..Policy::default() };
    let decide = |values, last_up, last_down, now| {
        let samples = [sample(values)];
        by_rules(&policy, &Situation { samples: &samples, current: 2.0, now, last_up, last_down }).decision
    };
    assert_eq!(decide(LOW, Some(0.0), None, 299_999.0), Decision::Hold);
    assert_eq!(decide(LOW, Some(0.0), None, 300_000.0), Decision::Down);
    assert_eq!(decide(LOW, None, Some(0.0), 9_999.0), Decision::Hold);
    assert_eq!(decide([90.0; METRICS], Some(0.0), None, 9_999.0), Decision::Hold);
    assert_eq!(decide([90.0; METRICS], Some(0.0), None, 10_000.0), Decision::Up);
}

#[test]
fn what_a_load_needs_stays_within_the_limits() {
    let busy = Sample { at: 5.0, values: [90.0, 10.0, UNKNOWN, UNKNOWN, UNKNOWN], instances: 4.0 };
    let policy = Policy::default();
    assert_eq!(needed(&policy, &[busy], 0.0), 6.0);
    assert_eq!(needed(&policy, &[busy], 6.0), 1.0);
    assert_eq!(needed(&policy, &[Sample { instances: 14.0, ..busy }], 0.0), 10.0);
}
