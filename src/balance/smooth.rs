//! Smooth weighted round robin as nginx does it: with each turn everybody gains its weight, whoever has the most is
//! chosen and pays the sum of all weights, so that heavy ones are spread between the light ones.
//!
//! What somebody has after `t` turns is a line, `base + weight * t`; the choice is the highest line. The lines stand in a
//! kinetic tournament (Basch, Guibas and Hershberger, "Data Structures for Mobile Data", 1999): each match remembers its
//! winner and the turn from which it may have another one. So a choice looks again only at matches that are due, and at
//! the path of the one that paid: with any number of places about the square of its logarithm.

/// After so many turns the lines are counted from here anew, so that the numbers stay small.
const ROUND: f64 = 1_048_576.0;
/// Stands for a match without anybody.
const NOBODY: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Line {
    base: f64,
    weight: f64,
    takes_part: bool,
}

/// A match: who won it, and from which turn on that may be somebody else.
#[derive(Debug, Clone, Copy)]
struct Match {
    winner: u32,
    due: f64,
}

/// Places with weights, in turn.
#[derive(Debug, Clone)]
pub struct Smooth {
    lines: Vec<Line>,
    /// A perfect binary tree, the root at 1.
    matches: Vec<Match>,
    leaves: usize,
    turn: f64,
    total: f64,
}

impl Smooth {
    /// Places with what they have so far and their weight; without a weight they do not take part.
    pub fn new(places: impl IntoIterator<Item = (f64, Option<f64>)>) -> Self {
        let line = |(base, weight): (f64, Option<f64>)| Line {
            base,
            weight: weight.unwrap_or(0.0),
            takes_part: weight.is_some(),
        };
        let lines: Vec<Line> = places.into_iter().map(line).collect();
        let leaves = lines.len().next_power_of_two();
        let matches = vec![Match { winner: NOBODY, due: f64::INFINITY }; leaves * 2];
        let mut smooth = Self { lines, matches, leaves, turn: 0.0, total: 0.0 };
        smooth.build();
        smooth
    }

    fn build(&mut self) {
        for (place, line) in self.lines.iter().enumerate() {
            let winner = if line.takes_part { place as u32 } else { NOBODY };
            self.matches[self.leaves + place] = Match { winner, due: f64::INFINITY };
        }
        (1..self.leaves).rev().for_each(|node| self.matches[node] = self.play(node));
        self.total = self.lines.iter().filter(|line| line.takes_part).map(|line| line.weight).sum();
    }

    /// What a place has now.
    pub fn current(&self, place: usize) -> f64 {
        self.lines.get(place).map_or(0.0, |line| self.height(line))
    }

    fn height(&self, line: &Line) -> f64 {
        if line.takes_part { line.base + line.weight * self.turn } else { line.base }
    }

    /// The outcome of a match between the winners below it; of equals the earlier place wins.
    fn play(&self, node: usize) -> Match {
        let (left, right) = (self.matches[node * 2], self.matches[node * 2 + 1]);
        let below = left.due.min(right.due);
        if left.winner == NOBODY || right.winner == NOBODY {
            let winner = if left.winner == NOBODY { right.winner } else { left.winner };
            return Match { winner, due: below };
        }
        let (one, other) = (self.lines[left.winner as usize], self.lines[right.winner as usize]);
        let later = self.height(&other) > self.height(&one);
        let (behind, ahead) = if later { (one, other) } else { (other, one) };
        // Who gains more than the winner catches up with it.
        let catches_up = behind.weight > ahead.weight;
        let due = if catches_up { (ahead.base - behind.base) / (behind.weight - ahead.weight) } else { f64::INFINITY };
        Match { winner: if later { right.winner } else { left.winner }, due: due.min(below) }
    }

    /// Plays the matches that are due.
    fn advance(&mut self, node: usize) {
        if node >= self.leaves || self.matches[node].due > self.turn {
            return;
        }
        self.advance(node * 2);
        self.advance(node * 2 + 1);
        self.matches[node] = self.play(node);
    }

    fn replay(&mut self, place: usize) {
        let mut node = (self.leaves + place) / 2;
        while node > 0 {
            self.matches[node] = self.play(node);
            node /= 2;
        }
    }

    /// Changes the weight of a place, which keeps what it has; without one it takes no part.
    pub fn set(&mut self, place: usize, weight: Option<f64>) {
        let Some(line) = self.lines.get(place).copied() else { return };
        if line.takes_part == weight.is_some() && weight.is_none_or(|weight| weight == line.weight) {
            return;
        }
        let has = self.height(&line);
        let takes_part = weight.is_some();
        let weight = weight.unwrap_or(0.0);
        self.lines[place] = Line { base: has - weight * self.turn, weight, takes_part };
        self.total += weight - line.weight;
        self.matches[self.leaves + place].winner = if takes_part { place as u32 } else { NOBODY };
        // The matches above are played at this turn: what else is due has to be so as well.
        self.advance(1);
        self.replay(place);
    }

    /// The next place; `None` where nobody takes part.
    pub fn take_turn(&mut self) -> Option<usize> {
        self.turn += 1.0;
        self.advance(1);
        let winner = self.matches.get(1)?.winner;
        if winner == NOBODY {
            return None;
        }
        self.lines[winner as usize].base -= self.total;
        self.replay(winner as usize);
        if self.turn >= ROUND {
            self.restart();
        }
        Some(winner as usize)
    }

    fn restart(&mut self) {
        for place in 0..self.lines.len() {
            self.lines[place].base = self.current(place);
        }
        self.turn = 0.0;
        self.build();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// nginx's own way: looks at everybody.
    fn plain(has: &mut [f64], weights: &[Option<f64>]) -> Option<usize> {
        let mut best: Option<usize> = None;
        for place in 0..has.len() {
            let Some(weight) = weights[place] else { continue };
            has[place] += weight;
            if best.is_none_or(|best| has[place] > has[best]) {
                best = Some(place);
            }
        }
        has[best?] -= weights.iter().flatten().sum::<f64>();
        best
    }

    #[test]
    fn heavy_ones_are_spread_between_the_light_ones() {
        let mut smooth = Smooth::new([(0.0, Some(5.0)), (0.0, Some(1.0)), (0.0, Some(1.0))]);
        let picks: Vec<_> = (0..14).filter_map(|_| smooth.take_turn()).collect();
        assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(Smooth::new([]).take_turn(), None);
        assert_eq!(Smooth::new([(0.0, None)]).take_turn(), None);
    }

    #[test]
    fn the_numbers_stay_small_and_the_turns_go_on() {
        let mut smooth = Smooth::new([(0.0, Some(3.0)), (0.0, Some(1.0))]);
        smooth.turn = ROUND - 2.0;
        smooth.lines.iter_mut().for_each(|line| line.base -= line.weight * (ROUND - 2.0));
        smooth.build();
        let picks: Vec<_> = (0..8).filter_map(|_| smooth.take_turn()).collect();
        assert_eq!(picks, [0, 0, 1, 0, 0, 0, 1, 0]);
        assert!(smooth.turn < 10.0);
    }

    proptest! {
        #[test]
        fn it_chooses_what_nginx_chooses(
            weights in prop::collection::vec(prop::option::of(1u8..9), 1..12),
            changes in prop::collection::vec((0usize..12, prop::option::of(1u8..9), 0usize..9), 0..30),
        ) {
            let mut weights: Vec<Option<f64>> = weights.into_iter().map(|weight| weight.map(f64::from)).collect();
            let mut has = vec![0.0; weights.len()];
            let mut smooth = Smooth::new(weights.iter().map(|weight| (0.0, *weight)));
            for (place, weight, turns) in changes {
                for _ in 0..turns {
                    prop_assert_eq!(smooth.take_turn(), plain(&mut has, &weights));
                }
                if let Some(slot) = weights.get_mut(place) {
                    *slot = weight.map(f64::from);
                    smooth.set(place, *slot);
                }
                for (place, has) in has.iter().enumerate() {
                    prop_assert_eq!(smooth.current(place), *has);
                }
            }
        }

        #[test]
        fn each_gets_its_share(weights in prop::collection::vec(1u8..20, 1..40)) {
            let sum: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
            let mut smooth = Smooth::new(weights.iter().map(|weight| (0.0, Some(f64::from(*weight)))));
            let mut counts = vec![0usize; weights.len()];
            for _ in 0..sum {
                counts[smooth.take_turn().unwrap()] += 1;
            }
            prop_assert_eq!(counts, weights.iter().map(|weight| usize::from(*weight)).collect::<Vec<_>>());
        }
    }
}
