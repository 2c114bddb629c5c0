//! One list of targets, known by their places in it: a router's choices, ejections, zones and draining without services
//! and without breakers, and the original's three ways to choose besides.

use super::group::Method;
use super::ring;
use super::router::Router;
use super::router_config::RouterConfig;

/// By the names callers use; any other name takes the first target.
const METHODS: [(&str, Method); 7] = [
    ("round-robin", Method::RoundRobin),
    ("least-connections", Method::LeastRecorded),
    ("least-request", Method::LeastRequest),
    ("random", Method::Random),
    ("p2c-ewma", Method::P2cEwma),
    ("smooth-weighted-round-robin", Method::SmoothWeighted),
    ("consistent-hash", Method::ConsistentHash),
];

/// The number of the method that callers mean by this name.
pub fn numbered(name: &str) -> usize {
    METHODS.iter().position(|(known, _)| *known == name).unwrap_or(METHODS.len())
}

/// The method of a number.
pub fn method(number: usize) -> Method {
    METHODS.get(number).map_or(Method::First, |(_, method)| *method)
}

/// Targets by their places.
pub struct Balancer {
    router: Router,
    service: usize,
}

impl Balancer {
    /// No targets; the seed repeats every random choice. `now` is a monotonic clock in milliseconds.
    pub fn new(config: RouterConfig, seed: u64, now: Box<dyn Fn() -> f64 + Send>) -> Self {
        // Nobody asks for a target's latencies, and nobody hears of a breaker.
        let mut router = Router::new(RouterConfig { breakers: false, max_history: 1, ..config }, seed, now);
        let service = router.service();
        Self { router, service }
    }

    fn slot(&self, place: usize) -> Option<u32> {
        self.router.members(self.service).get(place).copied()
    }

    /// Takes a target in, at the end. `local`: in the balancer's own zone.
    pub fn add(&mut self, id: &str, weight: f64, local: bool) {
        self.router.add(self.service, id, weight, local);
    }

    /// Forgets a target; the places after it move up.
    pub fn remove(&mut self, place: usize) {
        if let Some(slot) = self.slot(place) {
            self.router.remove(slot);
        }
    }

    /// Forgets every target.
    pub fn clear(&mut self) {
        self.router.clear();
    }

    /// The place of the target to ask; `turn` is the next place of the round, `key` for `consistent-hash`. `None` where
    /// nobody is available.
    pub fn pick(&mut self, method: Method, turn: usize, key: Option<&str>) -> Option<usize> {
        let slot = self.router.route_in_turn(self.service, method, key.map(ring::hash), turn)?;
        self.router.events.clear();
        self.router.place_of(self.service, slot)
    }

    /// A request goes to a target, or is given up by who asked; how many are under way there now.
    pub fn track(&mut self, place: usize, more: bool) -> u32 {
        let Some(slot) = self.slot(place) else { return 0 };
        let active = self.router.change(slot, |_, load, _| {
            load.active = if more { load.active.saturating_add(1) } else { load.active.saturating_sub(1) };
            load.active
        });
        active.unwrap_or(0)
    }

    /// A request of a target has ended, after `latency` milliseconds where that is known.
    pub fn ended(&mut self, place: usize, failed: bool, latency: f64, tracked: bool) {
        if let Some(slot) = self.slot(place) {
            self.router.ended(slot, failed, latency, tracked);
            self.router.events.clear();
        }
    }

    /// Nothing new for a target from now on; how many requests are under way there.
    pub fn drain(&mut self, place: usize) -> u32 {
        let Some(slot) = self.slot(place) else { return 0 };
        let active = self.router.change(slot, |target, load, _| {
            target.drain();
            load.active
        });
        active.unwrap_or(0)
    }

    /// How many targets may be chosen now.
    pub fn available(&mut self) -> usize {
        let count = self.router.available(self.service).len();
        self.router.events.clear();
        count
    }
}

#[cfg(test)]
#[path = "balancer_tests.rs"]
mod tests;
