//! Whose turn it is for tokens that all clients share: deficit round robin (Shreedhar and Varghese, "Efficient Fair
//! Queueing Using Deficit Round-Robin", SIGCOMM 1995), with weights, in classes of priority.
//!
//! The lines that could be served stand in a ring. A line whose turn comes may spend its quantum, times its weight, and
//! what it saved in earlier turns; then it is the next one's turn. So a line that floods holds up another for no more
//! than its own quantum, whatever it has queued, and over time each gets its weight's share. A class is only looked at
//! when no line of a class before it stands in the ring. A line that leaves the ring leaves its savings.
//!
//! Costs are only looked at, never chosen: who waits for what is in [`super::queue`].

use super::queue::LineId;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How far savings may fall short of a cost by rounding.
const ROUNDING: f64 = 1e-9;

#[derive(Debug)]
struct Flow {
    /// Tokens it may spend in this turn.
    deficit: f64,
    weight: f64,
    /// Whether the quantum of the turn it is in was given to it.
    in_turn: bool,
}

/// The ring of the lines that wait for shared tokens.
#[derive(Debug)]
pub struct Fair {
    quantum: f64,
    rings: BTreeMap<u8, VecDeque<LineId>>,
    flows: HashMap<LineId, Flow>,
}

impl Fair {
    /// An empty ring; `quantum` is what a line of weight 1 may spend in a turn.
    pub fn new(quantum: f64) -> Self {
        Self { quantum, rings: BTreeMap::new(), flows: HashMap::new() }
    }

    /// Whether nobody of this class, or of one before it, stands in the ring.
    pub fn is_idle(&self, class: u8) -> bool {
        self.flows.is_empty() || self.rings.range(..=class).all(|(_, ring)| ring.is_empty())
    }

    /// Puts a line at the end of the ring of its class, unless it stands there. Its weight holds from now on.
    pub fn join(&mut self, line: LineId, weight: f64) {
        if let Some(flow) = self.flows.get_mut(&line) {
            flow.weight = weight;
            return;
        }
        self.flows.insert(line, Flow { deficit: 0.0, weight, in_turn: false });
        self.rings.entry(line.class).or_default().push_back(line);
    }

    /// Takes a line out of the ring.
    pub fn leave(&mut self, line: LineId) {
        if self.flows.remove(&line).is_none() {
            return;
        }
        if let Some(ring) = self.rings.get_mut(&line.class) {
            // Nearly always it is the one whose turn it is.
            if ring.front() == Some(&line) {
                ring.pop_front();
            } else {
                ring.retain(|other| *other != line);
            }
        }
    }

    /// Whether the line stands in the ring.
    pub fn has(&self, line: LineId) -> bool {
        self.flows.contains_key(&line)
    }

    /// The lines in the ring, and what each may spend in so many rounds.
    pub fn shares(&self, rounds: f64) -> impl Iterator<Item = (LineId, f64)> {
        // Whose turn it is has the first round's in its savings.
        let to_come = move |flow: &Flow| rounds - f64::from(u8::from(flow.in_turn));
        let most = move |flow: &Flow| flow.deficit + to_come(flow) * self.quantum * flow.weight;
        self.flows.iter().map(move |(&line, flow)| (line, most(flow)))
    }

    /// Spends `cost` of the line's turn.
    pub fn spend(&mut self, line: LineId, cost: f64) {
        if let Some(flow) = self.flows.get_mut(&line) {
            flow.deficit = (flow.deficit - cost).max(0.0);
        }
    }

    /// The line whose turn it is, with what its first waiter asks for; `head` tells that of any line. `None` when
    /// nobody stands in the ring. The turn stays with the line until it cannot spend or leaves.
    pub fn turn(&mut self, head: impl Fn(LineId) -> Option<f64>) -> Option<(LineId, f64)> {
        let Self { quantum, rings, flows } = self;
        for ring in rings.values_mut() {
            while !ring.is_empty() {
                let mut rounds = f64::INFINITY;
                for _ in 0..ring.len() {
                    let Some(&line) = ring.front() else { break };
                    let (Some(cost), Some(flow)) = (head(line), flows.get_mut(&line)) else {
                        ring.pop_front();
                        flows.remove(&line);
                        continue;
                    };
                    let share = *quantum * flow.weight;
                    if !flow.in_turn {
                        flow.in_turn = true;
                        flow.deficit += share;
                    }
                    if cost <= flow.deficit + ROUNDING {
                        return Some((line, cost));
                    }
                    flow.in_turn = false;
                    rounds = rounds.min(((cost - flow.deficit) / share).ceil() - 1.0);
                    ring.rotate_left(1);
                }
                // All are saving for something dear: the rounds in which nobody could spend are skipped.
                if rounds.is_finite() && rounds > 0.0 {
                    for line in ring.iter() {
                        let Some(flow) = flows.get_mut(line) else { continue };
                        flow.deficit += rounds * *quantum * flow.weight;
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: LineId = LineId { slot: 1, class: 5 };
    const B: LineId = LineId { slot: 2, class: 5 };
    const URGENT: LineId = LineId { slot: 1, class: 0 };

    /// Serves `count` times, every line wanting its cost for ever; returns how much each line got.
    fn serve(fair: &mut Fair, cost: impl Fn(LineId) -> f64, count: usize) -> HashMap<LineId, f64> {
        let mut got = HashMap::new();
        for _ in 0..count {
            let (line, price) = fair.turn(|line| Some(cost(line))).unwrap();
            fair.spend(line, price);
            *got.entry(line).or_default() += price;
        }
        got
    }

    #[test]
    fn equal_lines_get_equal_amounts_whatever_their_costs() {
        let mut fair = Fair::new(4.0);
        fair.join(A, 1.0);
        fair.join(B, 1.0);
        let got = serve(&mut fair, |line| if line == A { 1.0 } else { 7.0 }, 8000);
        assert!((got[&A] - got[&B]).abs() <= 14.0, "{got:?}");
    }

    #[test]
    fn weights_are_shares() {
        let mut fair = Fair::new(1.0);
        fair.join(A, 3.0);
        fair.join(B, 0.5);
        let got = serve(&mut fair, |_| 1.0, 7000);
        assert!((got[&A] / got[&B] - 6.0).abs() < 0.05, "{got:?}");
    }

    #[test]
    fn a_class_waits_for_those_before_it() {
        let mut fair = Fair::new(1.0);
        fair.join(B, 1.0);
        assert!(!fair.is_idle(5) && fair.is_idle(4));
        fair.join(URGENT, 1.0);
        assert_eq!(fair.turn(|_| Some(1.0)), Some((URGENT, 1.0)));
        fair.leave(URGENT);
        assert_eq!(fair.turn(|_| Some(1.0)), Some((B, 1.0)));
    }

    #[test]
    fn what_is_much_dearer_than_the_quantum_is_reached_without_a_walk_of_a_million_rounds() {
        let mut fair = Fair::new(1e-3);
        fair.join(A, 1e-3);
        fair.join(B, 1e-3);
        let cost = |line| if line == A { 9e15 } else { 8e15 };
        assert_eq!(fair.turn(|line| Some(cost(line))), Some((B, 8e15)));
    }

    #[test]
    fn lines_without_waiters_fall_out() {
        let mut fair = Fair::new(1.0);
        fair.join(A, 1.0);
        fair.join(B, 1.0);
        assert_eq!(fair.turn(|line| (line == B).then_some(1.0)), Some((B, 1.0)));
        fair.leave(B);
        assert!(fair.is_idle(9));
        assert_eq!(fair.turn(|_| Some(1.0)), None);
    }
}
