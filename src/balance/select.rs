//! Which target gets the next request.
//!
//! `round-robin` takes them in turn; `least-connections` the one with the fewest requests, under way first and recorded
//! ones next; `least-request` the one with the fewest under way; `random` any; `p2c-ewma` the better of two drawn at
//! random (Mitzenmacher, "The Power of Two Choices", 2001) by peak EWMA as in Finagle: latency × (requests under way +
//! 1), where a latency above the average counts at once and one below it slowly; `smooth-weighted-round-robin` as in
//! nginx, where heavy targets are spread between the light ones. Any other name takes the first target.

use super::smooth::Smooth;
use super::tournament::Tournament;
use crate::random::Random;

/// A way to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// In turn.
    RoundRobin,
    /// The fewest requests, recorded ones included.
    LeastConnections,
    /// The fewest under way.
    LeastRequest,
    /// Any.
    Random,
    /// The better of two by latency and load.
    P2cEwma,
    /// In turn, by weight.
    SmoothWeighted,
    /// The first: what an unknown name means.
    First,
}

impl Algorithm {
    /// By the name callers use.
    pub fn named(name: &str) -> Self {
        match name {
            "round-robin" => Self::RoundRobin,
            "least-connections" => Self::LeastConnections,
            "least-request" => Self::LeastRequest,
            "random" => Self::Random,
            "p2c-ewma" => Self::P2cEwma,
            "smooth-weighted-round-robin" => Self::SmoothWeighted,
            _ => Self::First,
        }
    }
}

/// What is known of one target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Share of the requests against the others'.
    pub weight: f64,
    /// Requests recorded.
    pub requests: f64,
    /// Requests under way.
    pub active: u32,
    /// Peak EWMA of the latency in milliseconds; 0 before the first.
    pub latency: f64,
    /// What it had in the turns of `smooth-weighted-round-robin` when targets came or went.
    pub current: f64,
}

impl Load {
    /// Nothing is known yet. A weight that is not positive counts as 1.
    pub fn new(weight: f64) -> Self {
        let weight = if weight > 0.0 && weight.is_finite() { weight } else { 1.0 };
        Self { weight, requests: 0.0, active: 0, latency: 0.0, current: 0.0 }
    }

    /// A request has ended after so many milliseconds.
    pub fn record(&mut self, latency: f64) {
        self.requests += 1.0;
        if latency.is_finite() && latency >= 0.0 {
            let rises = self.latency == 0.0 || latency > self.latency;
            self.latency = if rises { latency } else { self.latency * 0.9 + latency * 0.1 };
        }
    }

    /// What asking it would cost. A target nobody has an answer of yet costs nothing, until it is asked: then it is the
    /// last resort until it has answered, so that it is not flooded.
    pub fn cost(&self) -> f64 {
        let load = f64::from(self.active) + 1.0;
        match (self.latency == 0.0, self.active) {
            (true, 0) => 0.0,
            (true, _) => f64::MAX / 2.0 + load,
            _ => self.latency * load / self.weight,
        }
    }
}

/// What `least-connections` goes by: requests under way, then recorded ones; `least-request`: those under way by weight.
type Key = (f64, f64);

fn key_of(algorithm: Algorithm, load: &Load) -> Key {
    let active = f64::from(load.active);
    if algorithm == Algorithm::LeastConnections { (active, load.requests) } else { (active / load.weight, 0.0) }
}

/// Targets by their places.
#[derive(Debug, Clone)]
pub struct Balancer {
    /// In the order of insertion.
    loads: Vec<Load>,
    /// Who has the smallest key, kept for the algorithm that asked last.
    least: Option<(Algorithm, Tournament<Key>)>,
    /// The turns by weight, since targets came or went.
    smooth: Option<Smooth>,
    random: Random,
}

impl Balancer {
    /// No targets; the seed repeats every random choice.
    pub fn new(seed: u64) -> Self {
        Self { loads: Vec::new(), least: None, smooth: None, random: Random { state: seed } }
    }

    /// Takes a target in, at the end.
    pub fn add(&mut self, load: Load) {
        self.forget();
        self.loads.push(load);
    }

    /// Places are about to change.
    fn forget(&mut self) {
        self.least = None;
        let Some(smooth) = self.smooth.take() else { return };
        for (place, load) in self.loads.iter_mut().enumerate() {
            load.current = smooth.current(place);
        }
    }

    /// Forgets a target; the places after it move up.
    pub fn remove(&mut self, place: usize) {
        if place < self.loads.len() {
            self.forget();
            self.loads.remove(place);
        }
    }

    /// Forgets every target.
    pub fn clear(&mut self) {
        self.forget();
        self.loads.clear();
    }

    /// Changes what is known of a target.
    pub fn change<R>(&mut self, place: usize, body: impl FnOnce(&mut Load) -> R) -> Option<R> {
        let load = self.loads.get_mut(place)?;
        let result = body(load);
        if let Some((algorithm, tree)) = &mut self.least {
            tree.set(place, Some(key_of(*algorithm, load)));
        }
        Some(result)
    }

    /// The place of the target to ask; `turn` is the next place of the round. `None` without targets.
    pub fn pick(&mut self, algorithm: Algorithm, turn: usize) -> Option<usize> {
        let count = self.loads.len();
        if count == 0 {
            return None;
        }
        Some(match algorithm {
            Algorithm::RoundRobin => turn % count,
            Algorithm::LeastConnections | Algorithm::LeastRequest => return self.least(algorithm),
            Algorithm::Random => self.random.below(count),
            Algorithm::P2cEwma => {
                let (one, other) = (self.random.below(count), self.random.below(count));
                if self.loads[other].cost() < self.loads[one].cost() { other } else { one }
            }
            Algorithm::SmoothWeighted => return self.smooth(),
            Algorithm::First => 0,
        })
    }

    /// The earliest of those with the smallest key.
    fn least(&mut self, algorithm: Algorithm) -> Option<usize> {
        if self.least.as_ref().is_none_or(|(known, _)| *known != algorithm) {
            let keys = self.loads.iter().map(|load| Some(key_of(algorithm, load)));
            self.least = Some((algorithm, Tournament::new(keys, (0.0, 0.0))));
        }
        self.least.as_ref().and_then(|(_, tree)| tree.best())
    }

    fn smooth(&mut self) -> Option<usize> {
        let loads = self.loads.iter().map(|load| (load.current, Some(load.weight)));
        self.smooth.get_or_insert_with(|| Smooth::new(loads)).take_turn()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balancer(weights: &[f64]) -> Balancer {
        let mut balancer = Balancer::new(7);
        weights.iter().for_each(|weight| balancer.add(Load::new(*weight)));
        balancer
    }

    #[test]
    fn in_turn_and_around() {
        let mut balancer = balancer(&[1.0; 3]);
        let picks: Vec<_> = (0..5).map(|turn| balancer.pick(Algorithm::RoundRobin, turn).unwrap()).collect();
        assert_eq!(picks, [0, 1, 2, 0, 1]);
        assert_eq!(Balancer::new(1).pick(Algorithm::RoundRobin, 0), None);
    }

    #[test]
    fn the_fewest_requests_win_and_of_equals_the_earlier() {
        let mut balancer = balancer(&[1.0; 3]);
        assert_eq!(balancer.pick(Algorithm::LeastConnections, 0), Some(0));
        balancer.change(0, |load| load.record(5.0));
        assert_eq!(balancer.pick(Algorithm::LeastConnections, 0), Some(1));
        balancer.change(1, |load| load.active = 1);
        assert_eq!(balancer.pick(Algorithm::LeastConnections, 0), Some(2));
        balancer.change(2, |load| load.active = 1);
        assert_eq!(balancer.pick(Algorithm::LeastRequest, 0), Some(0));
    }

    #[test]
    fn heavy_targets_are_spread_between_the_light_ones() {
        let mut balancer = balancer(&[5.0, 1.0, 1.0]);
        let picks: Vec<_> = (0..7).map(|_| balancer.pick(Algorithm::SmoothWeighted, 0).unwrap()).collect();
        assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn the_turns_by_weight_go_on_when_a_target_comes_or_goes() {
        let mut balancer = balancer(&[2.0, 1.0]);
        assert_eq!(balancer.pick(Algorithm::SmoothWeighted, 0), Some(0));
        balancer.add(Load::new(1.0));
        // The light one that has waited is next, not the heavy one again.
        assert_eq!(balancer.pick(Algorithm::SmoothWeighted, 0), Some(1));
        balancer.remove(0);
        assert_eq!(balancer.pick(Algorithm::SmoothWeighted, 0), Some(1));
    }

    #[test]
    fn a_latency_rises_at_once_and_falls_slowly() {
        let mut load = Load::new(f64::NAN);
        load.record(10.0);
        load.record(f64::NAN);
        load.record(100.0);
        load.record(0.0);
        assert_eq!((load.latency, load.requests, load.weight), (90.0, 4.0, 1.0));
    }

    #[test]
    fn two_choices_avoid_a_slow_target() {
        let mut balancer = balancer(&[1.0; 10]);
        for place in 0..10 {
            balancer.change(place, |load| load.record(if place == 3 { 1000.0 } else { 10.0 }));
        }
        let slow = (0..10_000).filter(|_| balancer.pick(Algorithm::P2cEwma, 0) == Some(3)).count();
        // Only where both draws are the slow one: one in a hundred.
        assert!(slow > 20 && slow < 250, "{slow}");
    }

    #[test]
    fn a_seed_repeats_every_choice() {
        let picks = |seed| {
            let mut balancer = Balancer { random: Random { state: seed }, ..balancer(&[1.0; 9]) };
            (0..50).map(|_| balancer.pick(Algorithm::Random, 0)).collect::<Vec<_>>()
        };
        assert_eq!(picks(1), picks(1));
        assert_ne!(picks(1), picks(2));
    }
}
