//! The targets of one service, or of one zone of it, in the order of insertion, and the ways to choose among those that
//! are available. With any number of targets a choice costs about the same.

use super::ring::Ring;
use super::select::Load;
use super::smooth::Smooth;
use super::tournament::Tournament;
use super::weights::Weights;
use crate::random::Random;
use std::collections::HashMap;

/// A way to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// In turn, each as often as its weight says before the next one comes.
    WeightedRoundRobin,
    /// The fewest requests under way.
    LeastConnections,
    /// The fewest under way for its weight, the next one included.
    LeastRequest,
    /// The lowest mean latency; nothing measured is lowest.
    LatencyAware,
    /// Any.
    Random,
    /// The better of two by latency and load.
    P2cEwma,
    /// In turn by weight, heavy ones spread between the light ones.
    SmoothWeighted,
    /// The same key to the same target while that has room.
    ConsistentHash,
    /// In turn, whatever the weights; whose turn it is, the caller says.
    RoundRobin,
    /// The fewest requests: under way first, then recorded ones.
    LeastRecorded,
    /// The first in the order of insertion.
    First,
}

impl Method {
    /// Those of a router; an unknown name means the first.
    pub const ALL: [(&str, Self); 8] = [
        ("weighted-round-robin", Self::WeightedRoundRobin),
        ("least-connections", Self::LeastConnections),
        ("least-request", Self::LeastRequest),
        ("latency-aware", Self::LatencyAware),
        ("random", Self::Random),
        ("p2c-ewma", Self::P2cEwma),
        ("smooth-weighted-round-robin", Self::SmoothWeighted),
        ("consistent-hash", Self::ConsistentHash),
    ];

    /// The number of the method that callers mean by this name.
    pub fn numbered(name: &str) -> usize {
        Self::ALL.iter().position(|(known, _)| *known == name).unwrap_or(0)
    }
}

/// What a choice needs to know of a target.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its weight, requests and latency.
    pub load: Load,
    /// The mean of the latencies that were recorded; 0 before the first.
    pub mean_latency: f64,
    /// Whether it may be chosen.
    pub available: bool,
    /// The hash of its id.
    pub id: u64,
}

/// Members of a group are known by their slot among the router's candidates.
#[derive(Debug, Clone, Default)]
pub struct Group {
    members: Vec<u32>,
    /// Slot → place among the members.
    places: Vec<u32>,
    /// Places of the available ones, in no order, and where each stands there.
    open: Vec<u32>,
    spots: Vec<u32>,
    weights: Weights,
    keyed: Option<(Method, Tournament<Key>)>,
    ring: Option<Ring>,
    smooth: Option<Smooth>,
    /// Slot → what it had in the turns by weight before members came or went.
    had: HashMap<u32, f64>,
    turn: f64,
    active: u64,
    stale: bool,
}

const NOWHERE: u32 = u32::MAX;

/// What the least of goes by; the second number decides between equals.
type Key = (f64, f64);

fn key_of(method: Method, candidate: &Candidate) -> Key {
    let active = f64::from(candidate.load.active);
    match method {
        Method::LeastConnections => (active, 0.0),
        Method::LeastRecorded => (active, candidate.load.requests),
        Method::LeastRequest => ((active + 1.0) / candidate.load.weight, 0.0),
        _ => (candidate.mean_latency, 0.0),
    }
}

impl Group {
    /// Members' slots, in the order of insertion.
    pub fn members(&self) -> &[u32] {
        &self.members
    }

    /// How many may be chosen now.
    pub fn available(&self) -> usize {
        self.open.len()
    }

    /// Requests that went round; what comes next in turn follows from it.
    pub fn turn(&self) -> f64 {
        self.turn
    }

    /// Takes a candidate in, at the end.
    pub fn add(&mut self, slot: u32) {
        self.members.push(slot);
        self.stale = true;
    }

    /// Forgets a candidate.
    pub fn remove(&mut self, slot: u32) {
        self.members.retain(|member| *member != slot);
        self.had.remove(&slot);
        if let Some(place) = self.places.get_mut(slot as usize) {
            *place = NOWHERE;
        }
        self.stale = true;
    }

    /// Everything anew, after members came or went.
    pub fn settle(&mut self, candidates: &[Candidate]) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let of = |slot: &u32| &candidates[*slot as usize];
        if let Some(smooth) = self.smooth.take() {
            let places = (0..).zip(&self.places).filter(|(_, place)| **place != NOWHERE);
            self.had = places.map(|(slot, place)| (slot, smooth.current(*place as usize))).collect();
        }
        self.places = vec![NOWHERE; candidates.len()];
        self.open.clear();
        self.spots = vec![NOWHERE; self.members.len()];
        for (place, slot) in self.members.iter().enumerate() {
            self.places[*slot as usize] = place as u32;
            if of(slot).available {
                self.spots[place] = self.open.len() as u32;
                self.open.push(place as u32);
            }
        }
        let weight = |slot| if of(slot).available { of(slot).load.weight } else { 0.0 };
        self.weights = Weights::new(self.members.iter().map(weight));
        self.active = self.members.iter().map(|slot| u64::from(of(slot).load.active)).sum();
        self.keyed = None;
        self.ring = None;
    }

    /// The place of a slot among the members, in the order of insertion; `None` while that has yet to be settled.
    pub fn place_of(&self, slot: u32) -> Option<usize> {
        let place = *self.places.get(slot as usize)?;
        (place != NOWHERE && !self.stale).then_some(place as usize)
    }

    /// A candidate's weight or availability has changed. Followed by [`Group::loaded`].
    pub fn changed(&mut self, slot: u32, candidate: &Candidate) {
        let Some(place) = self.place_of(slot) else { return };
        let spot = self.spots[place];
        if candidate.available && spot == NOWHERE {
            self.spots[place] = self.open.len() as u32;
            self.open.push(place as u32);
        } else if !candidate.available && spot != NOWHERE {
            self.open.swap_remove(spot as usize);
            if let Some(moved) = self.open.get(spot as usize) {
                self.spots[*moved as usize] = spot;
            }
            self.spots[place] = NOWHERE;
        }
        self.weights.set(place, if candidate.available { candidate.load.weight } else { 0.0 });
        if let Some(smooth) = &mut self.smooth {
            smooth.set(place, candidate.available.then_some(candidate.load.weight));
        }
    }

    /// A candidate's requests or latency have changed; by how many requests under way.
    pub fn loaded(&mut self, slot: u32, candidate: &Candidate, more: i64) {
        let Some(place) = self.place_of(slot) else { return };
        self.active = self.active.saturating_add_signed(more);
        if let Some((method, tree)) = &mut self.keyed {
            tree.set(place, candidate.available.then(|| key_of(*method, candidate)));
        }
    }

    /// The slot of any available member.
    pub fn any(&self, random: &mut Random) -> Option<u32> {
        (!self.open.is_empty()).then(|| self.members[self.open[random.below(self.open.len())] as usize])
    }

    /// The slot of the one to ask.
    pub fn pick(&mut self, method: Method, candidates: &[Candidate], random: &mut Random, by: &Keyed) -> Option<u32> {
        if self.open.is_empty() {
            return None;
        }
        let place = match method {
            Method::WeightedRoundRobin => self.in_turn()?,
            Method::LeastConnections | Method::LeastRecorded | Method::LeastRequest | Method::LatencyAware => {
                self.least(method, candidates)?
            }
            Method::RoundRobin => self.next_from(by.turn)?,
            Method::First => self.next_from(0)?,
            Method::Random => return self.any(random),
            Method::P2cEwma => {
                let (one, other) = (self.any(random)?, self.any(random)?);
                let cost = |slot: u32| candidates[slot as usize].load.cost();
                return Some(if cost(other) < cost(one) { other } else { one });
            }
            Method::SmoothWeighted => self.smooth(candidates)?,
            Method::ConsistentHash => match by.key {
                Some(key) => self.at_home(key, by.bound, candidates)?,
                // Without a key there is no home.
                None => self.in_turn()?,
            },
        };
        Some(self.members[place])
    }

    fn in_turn(&mut self) -> Option<usize> {
        let place = self.weights.owner(self.turn % self.weights.total());
        self.turn += 1.0;
        place
    }

    /// The first available place from this one on, and around.
    fn next_from(&self, place: usize) -> Option<usize> {
        let start = place % self.spots.len().max(1);
        (start..self.spots.len()).chain(0..start).find(|place| self.spots[*place] != NOWHERE)
    }

    fn least(&mut self, method: Method, candidates: &[Candidate]) -> Option<usize> {
        if self.keyed.as_ref().is_none_or(|(known, _)| *known != method) {
            let keys = self.members.iter().map(|slot| &candidates[*slot as usize]);
            let keys = keys.map(|candidate| candidate.available.then(|| key_of(method, candidate)));
            self.keyed = Some((method, Tournament::new(keys, (0.0, 0.0))));
        }
        self.keyed.as_ref().and_then(|(_, tree)| tree.best())
    }

    fn smooth(&mut self, candidates: &[Candidate]) -> Option<usize> {
        let members = self.members.iter().map(|slot| {
            let Candidate { load, available, .. } = &candidates[*slot as usize];
            (self.had.get(slot).copied().unwrap_or(0.0), available.then_some(load.weight))
        });
        self.smooth.get_or_insert_with(|| Smooth::new(members)).take_turn()
    }

    fn at_home(&mut self, key: u64, bound: f64, candidates: &[Candidate]) -> Option<usize> {
        let of = |place: usize| &candidates[self.members[place] as usize];
        let ring = self.ring.get_or_insert_with(|| {
            let members = self.members.iter().map(|slot| &candidates[*slot as usize]);
            Ring::new(&members.map(|candidate| (candidate.id, candidate.load.weight)).collect::<Vec<_>>())
        });
        let share = bound * (self.active as f64 + 1.0) / self.weights.total();
        let has_room = |place| {
            let candidate = of(place);
            candidate.available && f64::from(candidate.load.active) < (share * candidate.load.weight).ceil()
        };
        ring.find(key, has_room).or_else(|| ring.find(key, |place| of(place).available))
    }
}

/// What `consistent-hash` goes by, and what is next in turn.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Keyed {
    /// The hash of the request's key.
    pub key: Option<u64>,
    /// How many times the mean load a target may have.
    pub bound: f64,
    /// The place from which on [`Method::RoundRobin`] looks.
    pub turn: usize,
}
