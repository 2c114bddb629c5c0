//! Where a request goes: services, their targets, and what is known of each.
//!
//! A target may be chosen while it is healthy, its breaker lets requests through, it is not ejected and not draining.
//! Whatever changes that is told to the groups at once, so that a choice looks at nothing but the choice. The caller's
//! clock is read only while somebody is out, or starts slowly, or is judged.

use super::circuit::{Circuit, Turn};
use super::group::{Candidate, Group, Keyed, Method};
use super::outlier::Record;
use super::ring;
use super::router_config::RouterConfig;
use super::select::Load;
use crate::random::Random;
use crate::stats::MovingMean;

/// What a router's owner hears of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A target's breaker tripped.
    Tripped(u32),
    /// A target's breaker was reset.
    Reset(u32),
    /// A target was ejected for so many milliseconds.
    Ejected(u32, f64),
    /// A target's ejection is over.
    Returned(u32),
}

/// What is known of a target beside the choice.
#[derive(Debug, Clone)]
pub struct Target {
    service: usize,
    local: bool,
    healthy: bool,
    draining: bool,
    since: f64,
    /// Its breaker.
    pub circuit: Circuit,
    record: Record,
    latencies: MovingMean,
}

#[derive(Debug, Clone, Default)]
struct Service {
    /// All of its targets, and those of the router's own zone.
    groups: [Group; 2],
    ejected: usize,
}

const ALL: usize = 0;
const LOCAL: usize = 1;

/// Services by number, targets by slot.
pub struct Router {
    config: RouterConfig,
    random: Random,
    services: Vec<Service>,
    candidates: Vec<Candidate>,
    targets: Vec<Target>,
    free: Vec<u32>,
    /// Slots that time will change, and when the first of them does.
    waiting: Vec<u32>,
    wake: f64,
    /// What happened since it was last asked for.
    pub events: Vec<Event>,
    /// Targets that were passed over because they were not available.
    pub filtered: f64,
    now: Box<dyn Fn() -> f64 + Send>,
}

impl Router {
    /// Without services. `now` is a monotonic clock in milliseconds.
    pub fn new(config: RouterConfig, seed: u64, now: Box<dyn Fn() -> f64 + Send>) -> Self {
        Self {
            config,
            random: Random { state: seed },
            services: Vec::new(),
            candidates: Vec::new(),
            targets: Vec::new(),
            free: Vec::new(),
            waiting: Vec::new(),
            wake: f64::INFINITY,
            events: Vec::new(),
            filtered: 0.0,
            now,
        }
    }

    /// The number of a new service.
    pub fn service(&mut self) -> usize {
        self.services.push(Service::default());
        self.services.len() - 1
    }

    /// The slot of a new target of a service, healthy and unmeasured. `local`: in the router's own zone.
    pub fn add(&mut self, service: usize, id: &str, weight: f64, local: bool) -> Option<u32> {
        self.services.get(service)?;
        let candidate = Candidate { load: Load::new(weight), mean_latency: 0.0, available: true, id: ring::hash(id) };
        let since = if self.config.slow_start > 0.0 { (self.now)() } else { f64::NEG_INFINITY };
        let latencies = MovingMean::new(self.config.max_history);
        let (circuit, record) = (Circuit::default(), Record::default());
        let target = Target { service, local, healthy: true, draining: false, since, circuit, record, latencies };
        let slot = match self.free.pop() {
            Some(slot) => {
                (self.candidates[slot as usize], self.targets[slot as usize]) = (candidate, target);
                slot
            }
            None => {
                self.candidates.push(candidate);
                self.targets.push(target);
                (self.targets.len() - 1) as u32
            }
        };
        for group in &mut self.services[service].groups[..=usize::from(local)] {
            group.add(slot);
        }
        Some(slot)
    }

    /// Forgets a target.
    pub fn remove(&mut self, slot: u32) {
        let Some(target) = self.targets.get(slot as usize) else { return };
        let service = &mut self.services[target.service];
        if target.record.until > 0.0 {
            service.ejected -= 1;
        }
        service.groups.iter_mut().for_each(|group| group.remove(slot));
        self.waiting.retain(|waiting| *waiting != slot);
        self.candidates[slot as usize].available = false;
        self.free.push(slot);
    }

    /// The target of a slot.
    pub fn target(&self, slot: u32) -> Option<&Target> {
        self.targets.get(slot as usize)
    }

    /// What a choice knows of a slot.
    pub fn candidate(&self, slot: u32) -> Option<&Candidate> {
        self.candidates.get(slot as usize)
    }

    /// Changes what is known of a target and tells the groups.
    pub fn change<R>(&mut self, slot: u32, body: impl FnOnce(&mut Target, &mut Load, f64) -> R) -> Option<R> {
        let target = self.targets.get_mut(slot as usize)?;
        let candidate = &mut self.candidates[slot as usize];
        let now = (self.now)();
        let Load { active, weight, .. } = candidate.load;
        let result = body(target, &mut candidate.load, now);
        let until = target.record.until;
        let was = candidate.available;
        candidate.available = target.healthy && !target.draining && until == 0.0 && target.circuit.admits();
        candidate.mean_latency = target.latencies.mean().unwrap_or(0.0);
        if candidate.available && !was && self.config.slow_start > 0.0 {
            target.since = now;
        }
        let due = target.circuit.due().min(if until > 0.0 { until } else { f64::INFINITY });
        if due < f64::INFINITY {
            if !self.waiting.contains(&slot) {
                self.waiting.push(slot);
            }
            self.wake = self.wake.min(due);
        }
        let more = i64::from(candidate.load.active) - i64::from(active);
        for group in &mut self.services[target.service].groups[..=usize::from(target.local)] {
            if candidate.available != was || candidate.load.weight != weight {
                group.changed(slot, candidate);
            }
            group.loaded(slot, candidate, more);
        }
        Some(result)
    }

    /// What time has changed: trials that are due, ejections that are over.
    pub fn settle(&mut self) {
        if self.wake == f64::INFINITY || (self.now)() < self.wake {
            return;
        }
        self.wake = f64::INFINITY;
        for slot in std::mem::take(&mut self.waiting) {
            let turns = self.change(slot, |target, _, now| {
                let back = target.record.until > 0.0 && target.record.until <= now;
                if back {
                    target.record.until = 0.0;
                }
                (target.circuit.wake(now), back, target.service)
            });
            let Some((turn, back, service)) = turns else { continue };
            self.tell(slot, turn);
            if back {
                self.services[service].ejected -= 1;
                self.events.push(Event::Returned(slot));
            }
        }
    }

    fn tell(&mut self, slot: u32, turn: Option<Turn>) {
        self.events.extend(turn.map(|turn| match turn {
            Turn::Tripped => Event::Tripped(slot),
            Turn::Reset => Event::Reset(slot),
        }));
    }

    /// The slot to ask; `None` where nobody is available. `key` is for `consistent-hash`; `not` are slots to avoid.
    pub fn route(&mut self, service: usize, method: Method, key: Option<u64>, not: &[u32]) -> Option<u32> {
        self.route_by(service, method, &Keyed { key, bound: self.config.hash_bound, turn: 0 }, not)
    }

    /// As [`Router::route`], where `turn` is the place of the one that is next in turn.
    pub fn route_in_turn(&mut self, service: usize, method: Method, key: Option<u64>, turn: usize) -> Option<u32> {
        self.route_by(service, method, &Keyed { key, bound: self.config.hash_bound, turn }, &[])
    }

    fn route_by(&mut self, service: usize, method: Method, by: &Keyed, not: &[u32]) -> Option<u32> {
        self.settle();
        let own = self.services.get_mut(service)?;
        own.groups.iter_mut().for_each(|group| group.settle(&self.candidates));
        let [all, local] = &own.groups;
        let (members, open) = (all.members().len(), all.available());
        self.filtered += (members - open) as f64;
        let shares = |group: &Group, least: f64| group.available() as f64 >= least * group.members().len() as f64;
        if members > 0 && !shares(all, self.config.panic_threshold) {
            return self.panic(service, not);
        }
        let stays = local.available() > 0 && shares(local, self.config.zone_threshold);
        let slot = self.choose(service, if stays { LOCAL } else { ALL }, method, by, not)?;
        let now = &self.now;
        if self.targets[slot as usize].circuit.begins(now) {
            self.change(slot, |_, _, _| ());
        }
        Some(slot)
    }

    fn choose(&mut self, service: usize, group: usize, method: Method, by: &Keyed, not: &[u32]) -> Option<u32> {
        let group = &mut self.services[service].groups[group];
        let mut slot = group.pick(method, &self.candidates, &mut self.random, by)?;
        if self.config.slow_start > 0.0 && self.targets[slot as usize].since.is_finite() {
            let age = ((self.now)() - self.targets[slot as usize].since) / self.config.slow_start;
            // A tenth of its share at first, growing to the whole.
            if age < 1.0 && self.random.uniform() > age.max(0.1) {
                slot = group.any(&mut self.random)?;
            }
        }
        if !not.contains(&slot) {
            return Some(slot);
        }
        let others = self.services[service].groups[ALL].members().iter();
        let others = others.filter(|slot| self.candidates[**slot as usize].available && !not.contains(slot));
        others.min_by_key(|slot| self.candidates[**slot as usize].load.active).copied()
    }

    /// So many are out that more of the same would take the rest out too: anybody is asked who is not leaving.
    fn panic(&mut self, service: usize, not: &[u32]) -> Option<u32> {
        let members = self.services[service].groups[ALL].members();
        let start = self.random.below(members.len());
        let around = members[start..].iter().chain(&members[..start]);
        around.copied().find(|slot| !self.targets[*slot as usize].draining && !not.contains(slot))
    }

    /// A request of this target has ended, after `latency` milliseconds where that is known.
    pub fn ended(&mut self, slot: u32, failed: bool, latency: f64, tracked: bool) {
        let (config, breakers) = (self.config.outlier, self.config.breakers);
        let outcome = self.change(slot, |target, load, now| {
            if tracked {
                load.active = load.active.saturating_sub(1);
            }
            if failed {
                load.requests += 1.0;
            } else {
                target.latencies.record(if latency >= 0.0 { latency } else { f64::NAN });
                load.record(latency);
            }
            let bad = config.is_some_and(|config| target.record.note(&config, now, failed));
            let turn = match (breakers, failed) {
                (false, _) => None,
                (true, true) => target.circuit.failed(now),
                (true, false) => target.circuit.succeeded(),
            };
            (turn, bad, target.service)
        });
        let Some((turn, bad, service)) = outcome else { return };
        self.tell(slot, turn);
        if let (true, Some(config)) = (bad, config) {
            let own = &mut self.services[service];
            if own.ejected < config.most(own.groups[ALL].members().len()) {
                own.ejected += 1;
                let time = self.change(slot, |target, _, now| target.record.eject(&config, now));
                self.events.extend(time.map(|time| Event::Ejected(slot, time)));
            }
        }
    }

    /// Slots of a service that may be chosen, in the order of insertion.
    pub fn available(&mut self, service: usize) -> Vec<u32> {
        self.settle();
        let Some(own) = self.services.get(service) else { return Vec::new() };
        let members = own.groups[ALL].members().iter();
        members.filter(|slot| self.candidates[**slot as usize].available).copied().collect()
    }

    /// All slots of a service, in the order of insertion.
    pub fn members(&self, service: usize) -> &[u32] {
        self.services.get(service).map_or(&[], |own| own.groups[ALL].members())
    }

    /// The place of a slot among [`Router::members`], once something was chosen.
    pub fn place_of(&self, service: usize, slot: u32) -> Option<usize> {
        self.services.get(service)?.groups[ALL].place_of(slot)
    }

    /// Forgets every target of every service.
    pub fn clear(&mut self) {
        self.services.iter_mut().for_each(|service| *service = Service::default());
        (self.candidates, self.targets) = (Vec::new(), Vec::new());
        (self.free, self.waiting) = (Vec::new(), Vec::new());
        self.wake = f64::INFINITY;
    }

    /// How many requests of a service went round.
    pub fn turn(&self, service: usize) -> f64 {
        self.services.get(service).map_or(0.0, |own| own.groups[ALL].turn() + own.groups[LOCAL].turn())
    }
}

impl Target {
    /// Healthy or not, as its probes say.
    pub fn set_healthy(&mut self, healthy: bool) {
        self.healthy = healthy;
    }

    /// No new requests from now on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// A latency in milliseconds, recorded by itself.
    pub fn record_latency(&mut self, load: &mut Load, latency: f64) {
        let latency = if latency >= 0.0 { latency } else { f64::NAN };
        self.latencies.record(latency);
        load.record(latency);
    }

    /// The latencies kept, oldest first.
    pub fn latencies(&self) -> impl ExactSizeIterator<Item = f64> {
        self.latencies.samples()
    }

    /// How many are kept, their mean and their percentile by nearest rank; zeros without any.
    pub fn latency(&self, percent: f64) -> (usize, f64, f64) {
        let mut sorted: Vec<f64> = self.latencies.samples().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
        let percentile = sorted.get(rank.min(sorted.len()).wrapping_sub(1)).copied().unwrap_or(0.0);
        (sorted.len(), self.latencies.mean().unwrap_or(0.0), percentile)
    }

    /// As new: healthy, unmeasured; the breaker stays as it is.
    pub fn renew(&mut self, load: &mut Load, weight: f64) {
        self.latencies.clear();
        self.healthy = true;
        self.draining = false;
        *load = Load { active: load.active, ..Load::new(weight) };
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
