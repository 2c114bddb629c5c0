//! A balancer by places, on a clock that stands still.

use super::*;
use crate::options::Scalar;

fn with(weights: &[f64], options: &[(&str, Scalar)], outlier: Option<&[(&str, Scalar)]>, seed: u64) -> Balancer {
    let config = RouterConfig::from_options(options, outlier).unwrap();
    let mut balancer = Balancer::new(config, seed, Box::new(|| 0.0));
    (0..).zip(weights).for_each(|(number, weight): (u32, _)| balancer.add(&number.to_string(), *weight, false));
    balancer
}

fn balancer(weights: &[f64]) -> Balancer {
    with(weights, &[], None, 7)
}

fn picks(balancer: &mut Balancer, method: Method, count: usize) -> Vec<usize> {
    (0..count).map(|turn| balancer.pick(method, turn, None).unwrap()).collect()
}

#[test]
fn in_turn_and_around_and_past_who_is_leaving() {
    let mut three = balancer(&[1.0; 3]);
    assert_eq!(picks(&mut three, Method::RoundRobin, 5), [0, 1, 2, 0, 1]);
    three.drain(1);
    assert_eq!(picks(&mut three, Method::RoundRobin, 4), [0, 2, 2, 0]);
    assert_eq!(balancer(&[]).pick(Method::RoundRobin, 0, None), None);
}

#[test]
fn the_fewest_requests_win_and_of_equals_the_earlier() {
    let mut three = balancer(&[1.0; 3]);
    assert_eq!(three.pick(Method::LeastRecorded, 0, None), Some(0));
    three.ended(0, false, 5.0, false);
    assert_eq!(three.pick(Method::LeastRecorded, 0, None), Some(1));
    three.track(1, true);
    assert_eq!(three.pick(Method::LeastRecorded, 0, None), Some(2));
    three.track(2, true);
    assert_eq!(three.pick(Method::LeastRequest, 0, None), Some(0));
    // A failure is a request too: failing at once does not look like being free.
    three.ended(0, true, f64::NAN, false);
    three.track(1, false);
    assert_eq!(three.pick(Method::LeastRecorded, 0, None), Some(1));
}

#[test]
fn heavy_targets_are_spread_and_their_turns_go_on_when_one_comes_or_goes() {
    assert_eq!(picks(&mut balancer(&[5.0, 1.0, 1.0]), Method::SmoothWeighted, 7), [0, 0, 1, 0, 2, 0, 0]);
    let mut two = balancer(&[2.0, 1.0]);
    assert_eq!(two.pick(Method::SmoothWeighted, 0, None), Some(0));
    two.add("2", 1.0, false);
    // The light one that has waited is next, not the heavy one again.
    assert_eq!(two.pick(Method::SmoothWeighted, 0, None), Some(1));
    two.remove(0);
    assert_eq!(two.pick(Method::SmoothWeighted, 0, None), Some(1));
}

#[test]
fn two_choices_avoid_a_slow_target() {
    let mut ten = balancer(&[1.0; 10]);
    (0..10).for_each(|place| ten.ended(place, false, if place == 3 { 1000.0 } else { 10.0 }, false));
    let slow = picks(&mut ten, Method::P2cEwma, 10_000).iter().filter(|place| **place == 3).count();
    // Only where both draws are the slow one: one in a hundred.
    assert!(slow > 20 && slow < 250, "{slow}");
}

#[test]
fn a_seed_repeats_every_choice() {
    let drawn = |seed| picks(&mut with(&[1.0; 9], &[], None, seed), Method::Random, 50);
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn a_key_keeps_its_target_and_moves_only_when_that_goes() {
    let mut four = balancer(&[1.0; 4]);
    let keys: Vec<String> = (0..200).map(|number: u32| number.to_string()).collect();
    let homes = |balancer: &mut Balancer| -> Vec<usize> {
        keys.iter().map(|key| balancer.pick(Method::ConsistentHash, 0, Some(key)).unwrap()).collect()
    };
    let before = homes(&mut four);
    assert_eq!(homes(&mut four), before);
    four.remove(3);
    let after = homes(&mut four);
    assert!(before.iter().zip(&after).all(|(before, after)| *before == 3 || before == after));
}

#[test]
fn who_fails_too_often_is_sent_away_but_never_everybody() {
    let outlier = [("minimumRequests", Scalar::Number(5.0)), ("failureRate", Scalar::Number(0.5))];
    let mut two = with(&[1.0; 2], &[], Some(&outlier), 7);
    (0..5).for_each(|_| two.ended(0, true, f64::NAN, false));
    assert_eq!(two.available(), 1);
    assert_eq!(picks(&mut two, Method::RoundRobin, 3), [1, 1, 1]);
    (0..5).for_each(|_| two.ended(1, true, f64::NAN, false));
    assert_eq!(two.available(), 1);
}

#[test]
fn without_outlier_failures_send_nobody_away() {
    let mut two = balancer(&[1.0; 2]);
    (0..50).for_each(|_| two.ended(0, true, f64::NAN, false));
    assert_eq!(two.available(), 2);
}

#[test]
fn the_own_zone_is_preferred_until_it_is_gone() {
    let mut three = balancer(&[]);
    ["here", "there", "beyond"].iter().for_each(|id| three.add(id, 1.0, *id == "here"));
    assert_eq!(picks(&mut three, Method::RoundRobin, 3), [0, 0, 0]);
    three.drain(0);
    assert_eq!(picks(&mut three, Method::RoundRobin, 3), [1, 1, 2]);
}

#[test]
fn a_cleared_one_begins_anew() {
    let mut two = balancer(&[1.0; 2]);
    two.track(0, true);
    two.clear();
    assert_eq!((two.pick(Method::First, 0, None), two.available(), two.drain(0)), (None, 0, 0));
    two.add("a", 1.0, false);
    assert_eq!((two.pick(Method::First, 0, None), two.track(0, false)), (Some(0), 0));
}

#[test]
fn an_unknown_name_means_the_first() {
    assert_eq!(method(numbered("strange")), Method::First);
    assert_eq!(method(numbered("consistent-hash")), Method::ConsistentHash);
}
