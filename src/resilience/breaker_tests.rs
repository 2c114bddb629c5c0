use super::*;
use crate::resilience::config::RateConfig;
use crate::resilience::window::Span;
use proptest::prelude::*;

fn opened(config: BreakerConfig) -> Breaker {
    let mut breaker = Breaker::new(config, 0.0);
    breaker.failed(0.0, 0.0);
    breaker.transition(State::Open, 0.0);
    breaker
}

fn half_open(config: BreakerConfig, now: f64) -> Breaker {
    let mut breaker = opened(config);
    assert_eq!(breaker.admit(now), Admission::HalfOpenFirst);
    breaker.transition(State::HalfOpen, now);
    breaker
}

#[test]
fn failures_in_a_row_open_the_circuit() {
    let mut breaker = Breaker::new(BreakerConfig::default(), 0.0);
    for _ in 0..4 {
        assert_eq!(breaker.failed(0.0, 0.0), None);
    }
    assert_eq!(breaker.succeeded(0.0, 0.0), None);
    for _ in 0..4 {
        assert_eq!(breaker.failed(0.0, 0.0), None);
    }
    assert_eq!(breaker.failed(0.0, 0.0), Some(State::Open));
}

#[test]
fn an_open_circuit_rejects_until_the_wait_is_over() {
    let mut breaker = opened(BreakerConfig::default());
    assert_eq!(breaker.admit(30_000.0), Admission::Reject);
    assert_eq!(breaker.remaining(10_000.0), 20_000.0);
    assert_eq!(breaker.admit(30_001.0), Admission::HalfOpenFirst);
}

#[test]
fn only_so_many_probes_at_once() {
    let mut breaker = half_open(BreakerConfig { half_open_probes: 2, ..Default::default() }, 40_000.0);
    assert_eq!(breaker.admit(40_000.0), Admission::Probe);
    assert_eq!(breaker.admit(40_000.0), Admission::Probe);
    assert_eq!(breaker.admit(40_000.0), Admission::Reject);
    breaker.release(breaker.visible.generation - 1);
    assert_eq!(breaker.admit(40_000.0), Admission::Reject);
    breaker.release(breaker.visible.generation);
    assert_eq!(breaker.admit(40_000.0), Admission::Probe);
}

#[test]
fn probes_close_or_open() {
    let mut breaker = half_open(BreakerConfig::default(), 40_000.0);
    assert_eq!(breaker.succeeded(40_000.0, 0.0), None);
    assert_eq!(breaker.succeeded(40_000.0, 0.0), Some(State::Closed));
    assert_eq!(half_open(BreakerConfig::default(), 40_000.0).failed(40_000.0, 0.0), Some(State::Open));
}

#[test]
fn the_wait_grows_with_each_failed_probe_and_is_capped() {
    let config = BreakerConfig {
        reset_timeout: 100.0,
        reset_timeout_factor: 2.0,
        max_reset_timeout: 300.0,
        ..Default::default()
    };
    let mut breaker = half_open(config, 101.0);
    let mut waits = Vec::new();
    for _ in 0..3 {
        breaker.transition(State::Open, 0.0);
        waits.push(breaker.wait());
        breaker.transition(State::HalfOpen, 0.0);
    }
    assert_eq!(waits, [200.0, 300.0, 300.0]);
    breaker.transition(State::Closed, 0.0);
    assert_eq!(breaker.wait(), 100.0);
}

#[test]
fn a_success_reported_from_outside_lets_an_open_circuit_recover() {
    let mut breaker = opened(BreakerConfig::default());
    assert_eq!(breaker.succeeded(1000.0, 0.0), None);
    assert_eq!(breaker.succeeded(30_001.0, 0.0), Some(State::HalfOpen));
}

#[test]
fn an_isolated_circuit_waits_for_nothing() {
    let mut breaker = opened(BreakerConfig::default());
    breaker.isolate();
    assert_eq!(breaker.admit(1e12), Admission::Reject);
    assert_eq!(breaker.succeeded(1e12, 0.0), None);
    breaker.transition(State::Closed, 1e12);
    assert_eq!(breaker.admit(1e12), Admission::Permit);
}

#[test]
fn slow_calls_open_the_circuit() {
    let rates = RateConfig {
        span: Span::Calls(10),
        slow_call_ms: 50.0,
        slow_call_rate: 0.5,
        minimum_calls: 4,
        ..Default::default()
    };
    let mut breaker = Breaker::new(BreakerConfig { rates: Some(rates), ..Default::default() }, 0.0);
    assert_eq!(breaker.succeeded(1.0, 10.0), None);
    assert_eq!(breaker.succeeded(2.0, 50.0), None);
    assert_eq!(breaker.succeeded(3.0, 10.0), None);
    assert_eq!(breaker.succeeded(4.0, 99.0), Some(State::Open));
    breaker.transition(State::Open, 4.0);
    assert_eq!(breaker.admit(5.0), Admission::Reject);
}

#[test]
fn failures_that_are_not_in_a_row_open_the_circuit_by_their_rate() {
    let rates = RateConfig { span: Span::Millis(1000.0), failure_rate: 0.5, minimum_calls: 10, ..Default::default() };
    let mut breaker = Breaker::new(BreakerConfig { rates: Some(rates), ..Default::default() }, 0.0);
    for call in 0..9 {
        let now = f64::from(call);
        let next = if call % 2 == 0 { breaker.succeeded(now, 0.0) } else { breaker.failed(now, 0.0) };
        assert_eq!(next, None);
    }
    assert_eq!(breaker.failed(9.0, 0.0), Some(State::Open));
}

proptest! {
    #[test]
    fn never_more_probes_than_allowed_and_never_a_call_while_open(events in prop::collection::vec((0u8..5, 0.0f64..40_000.0), 0..300)) {
        let mut breaker = Breaker::new(BreakerConfig { half_open_probes: 3, ..Default::default() }, 0.0);
        let (mut now, mut probes) = (0.0, Vec::new());
        for (event, step) in events {
            now += step;
            let next = match event {
                0 => breaker.failed(now, 1.0),
                1 => breaker.succeeded(now, 1.0),
                2 => { if let Some(generation) = probes.pop() { breaker.release(generation); } None }
                _ => {
                    let state = breaker.visible.state;
                    match breaker.admit(now) {
                        Admission::Probe => probes.push(breaker.visible.generation),
                        Admission::Permit => prop_assert_eq!(state, State::Closed),
                        Admission::HalfOpenFirst => breaker.transition(State::HalfOpen, now),
                        Admission::Reject => {}
                    }
                    None
                }
            };
            if let Some(next) = next { breaker.transition(next, now); }
            let current = probes.iter().filter(|&&generation| generation == breaker.visible.generation).count();
            prop_assert!(current <= 3);
        }
    }
}

#[test]
fn a_window_is_quiet_to_the_end_of_its_slice_while_every_rate_is_zero() {
    let rates = RateConfig { span: Span::Millis(2_000.0), slow_call_ms: 50.0, ..Default::default() };
    let mut breaker = Breaker::new(BreakerConfig { rates: Some(rates), ..Default::default() }, 0.0);
    assert_eq!(breaker.quiet_until(150.0), 200.0);
    breaker.succeeded_meanwhile(3);
    assert_eq!(breaker.tally(150.0).calls, 3);
    breaker.succeeded(150.0, 60.0);
    assert_eq!(breaker.quiet_until(150.0), 0.0);
    assert!(breaker.quiet_until(9_000.0) > 9_000.0);
}

#[test]
fn a_rate_that_successes_reach_is_never_quiet() {
    let rates = RateConfig { failure_rate: 0.0, ..Default::default() };
    let mut breaker = Breaker::new(BreakerConfig { rates: Some(rates), ..Default::default() }, 0.0);
    assert_eq!(breaker.quiet_until(0.0), 0.0);
}

proptest! {
    #[test]
    fn successes_told_later_decide_as_those_told_at_once(
        calls in prop::collection::vec((0.0f64..60.0, any::<bool>(), 0u8..3), 1..200),
        by_time in any::<bool>(),
    ) {
        let span = if by_time { Span::Millis(400.0) } else { Span::Calls(20) };
        let rates = RateConfig { span, slow_call_ms: 50.0, slow_call_rate: 0.5, ..Default::default() };
        let config = BreakerConfig { rates: Some(rates), failure_threshold: f64::INFINITY, ..Default::default() };
        let (mut eager, mut lazy) = (Breaker::new(config.clone(), 0.0), Breaker::new(config, 0.0));
        let (mut now, mut quiet_until, mut untold) = (0.0, lazy.quiet_until(0.0), 0);
        for (passed, failed, slow) in calls {
            now += passed;
            let (failed, duration) = (failed && slow == 0, if slow == 1 { 60.0 } else { 1.0 });
            let told = if failed { eager.failed(now, duration) } else { eager.succeeded(now, duration) };
            if !failed && duration < 50.0 && now < quiet_until {
                untold += 1;
                prop_assert_eq!(told, None);
                continue;
            }
            lazy.succeeded_meanwhile(std::mem::take(&mut untold));
            let later = if failed { lazy.failed(now, duration) } else { lazy.succeeded(now, duration) };
            prop_assert_eq!(told, later);
            prop_assert_eq!(eager.tally(now), lazy.tally(now));
            quiet_until = lazy.quiet_until(now);
        }
    }
}
