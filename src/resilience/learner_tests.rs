use super::*;

const HOUR: f64 = 3_600_000.0;
const DAY: f64 = 24.0 * HOUR;

fn seen(provider: usize, score: f64, at: f64) -> Observation {
    Observation { provider, score, latency: 100.0, cost: 0.1, at }
}

fn choose(observations: &[Observation], now: f64) -> Option<usize> {
    recommend(observations, &Wishes::default(), DAY, now, None)
}

#[test]
fn one_lucky_observation_does_not_beat_a_steady_provider() {
    let lucky = std::iter::once(seen(0, 1.0, 0.0)).chain((0..19).map(|_| seen(0, 0.0, 0.0)));
    let all: Vec<_> = lucky.chain((0..20).map(|_| seen(1, 0.9, 0.0))).collect();
    assert_eq!(choose(&all, 0.0), Some(1));
}

#[test]
fn of_equals_the_one_seen_last_wins() {
    assert_eq!(choose(&[seen(0, 0.8, 0.0), seen(1, 0.8, 0.0)], 0.0), Some(1));
    assert_eq!(choose(&[seen(0, 0.8, 0.0), seen(1, 0.8, 0.0), seen(0, 0.8, 0.0)], 0.0), Some(0));
}

#[test]
fn nothing_qualifies_below_the_score_or_above_the_limits() {
    assert_eq!(choose(&[seen(0, 0.4, 0.0)], 0.0), None);
    let slow = Observation { latency: 6000.0, ..seen(0, 1.0, 0.0) };
    assert_eq!(choose(&[slow], 0.0), None);
    assert_eq!(choose(&[], 0.0), None);
}

#[test]
fn what_was_not_seen_for_long_is_trusted_less() {
    assert_eq!(choose(&[seen(0, 0.95, 0.0), seen(1, 0.8, 3.0 * DAY)], 3.0 * DAY), Some(1));
    assert_eq!(choose(&[seen(0, 0.95, 0.0), seen(1, 0.8, 1000.0 * DAY)], 1e6 * DAY), Some(1));
}

#[test]
fn a_limit_of_zero_is_no_division_by_zero() {
    let free = Observation { latency: 0.0, cost: 0.0, ..seen(0, 1.0, 0.0) };
    let wishes = Wishes { max_latency: 0.0, max_cost: 0.0, ..Wishes::default() };
    assert_eq!(recommend(&[free], &wishes, DAY, 0.0, None), Some(0));
}

#[test]
fn a_seed_repeats_every_choice() {
    let all: Vec<_> = (0..5).map(|provider| seen(provider, 0.5, 0.0)).collect();
    let run = |state| {
        let mut random = Random { state };
        (0..50).map(|_| recommend(&all, &Wishes::default(), DAY, 0.0, Some(&mut random))).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn an_average_forgets() {
    let old = fold((0.0, 0.0, 0.0), 0.0, 0.0, DAY);
    let (weight, sum, _) = fold(old, 1.0, 10.0 * DAY, DAY);
    assert!(sum / weight > 0.99);
}

/// The rule of the original: the best single observation wins, weighed by its age.
fn best_single(observations: &[Observation], now: f64, decay_ms: f64) -> Option<usize> {
    let wishes = Wishes::default();
    let mut best: Option<(f64, usize)> = None;
    for seen in observations.iter().filter(|seen| seen.score >= wishes.min_score) {
        let single = Average { score: seen.score, latency: seen.latency, cost: seen.cost, ..Average::default() };
        let value = wishes.composite(&single) * (-(now - seen.at) / decay_ms).exp();
        if best.is_none_or(|(highest, _)| value >= highest) {
            best = Some((value, seen.provider));
        }
    }
    best.map(|(_, provider)| provider)
}

/// Five providers whose quality comes and goes; the sum of what was missed against the best one at each time.
fn regret(seed: u64, mut choose: impl FnMut(&[Observation], f64) -> Option<usize>) -> f64 {
    let (mut world, mut history, mut missed) = (Random { state: seed }, Vec::new(), 0.0);
    for round in 0..3000 {
        let now = f64::from(round) * HOUR / 4.0;
        let quality = |provider: usize| {
            let turn = f64::from(round) / 1500.0 + provider as f64 / 5.0;
            0.5 + 0.4 * (std::f64::consts::TAU * turn).sin()
        };
        let chosen = if round < 5 { round as usize } else { choose(&history, now).unwrap_or(round as usize % 5) };
        missed += (0..5).map(quality).fold(0.0, f64::max) - quality(chosen);
        let score = f64::from(u8::from(world.uniform() < quality(chosen)));
        history.push(seen(chosen, score, now));
        if history.len() > 100 {
            history.remove(0);
        }
    }
    missed
}

#[test]
fn with_drifting_providers_exploring_misses_less_than_the_single_best_observation() {
    let (mut exploring, mut single) = (0.0, 0.0);
    for seed in 1..=5 {
        let mut random = Random { state: seed * 1000 };
        exploring += regret(seed, |history, now| recommend(history, &Wishes::default(), DAY, now, Some(&mut random)));
        single += regret(seed, |history, now| best_single(history, now, DAY));
    }
    println!("regret over 5 x 3000 calls: exploring {exploring:.0}, single best {single:.0}");
    assert!(exploring < single, "exploring {exploring}, single best {single}");
}
