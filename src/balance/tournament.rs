//! The smallest of many keys, where one key changes at a time: a winner tree (Knuth, TAOCP 3, 5.4.1). A change costs the
//! logarithm of the number of places, the answer nothing.

/// Keys by place; of equal keys the earlier place wins.
#[derive(Debug, Clone, Default)]
pub struct Tournament<K> {
    keys: Vec<K>,
    /// A perfect binary tree of places, the root at 1.
    winners: Vec<u32>,
    leaves: usize,
}

/// Stands for a place that takes no part.
const NOBODY: u32 = u32::MAX;

impl<K: PartialOrd + Copy> Tournament<K> {
    /// With these keys; `None` takes no part.
    pub fn new(keys: impl IntoIterator<Item = Option<K>>, filler: K) -> Self {
        let given: Vec<Option<K>> = keys.into_iter().collect();
        let leaves = given.len().next_power_of_two();
        let mut winners = vec![NOBODY; leaves * 2];
        for (place, key) in given.iter().enumerate() {
            if key.is_some() {
                winners[leaves + place] = place as u32;
            }
        }
        let keys = given.into_iter().map(|key| key.unwrap_or(filler)).collect();
        let mut tree = Self { keys, winners, leaves };
        (1..leaves).rev().for_each(|node| tree.winners[node] = tree.winner(node));
        tree
    }

    fn winner(&self, node: usize) -> u32 {
        let (left, right) = (self.winners[node * 2], self.winners[node * 2 + 1]);
        if left == NOBODY {
            return right;
        }
        let later = right != NOBODY && self.keys[right as usize] < self.keys[left as usize];
        if later { right } else { left }
    }

    /// Changes the key of a place; `None` takes it out.
    pub fn set(&mut self, place: usize, key: Option<K>) {
        if place >= self.keys.len() {
            return;
        }
        if let Some(key) = key {
            self.keys[place] = key;
        }
        let mut node = self.leaves + place;
        self.winners[node] = if key.is_some() { place as u32 } else { NOBODY };
        while node > 1 {
            node /= 2;
            self.winners[node] = self.winner(node);
        }
    }

    /// The place with the smallest key; `None` where nobody takes part.
    pub fn best(&self) -> Option<usize> {
        let winner = *self.winners.get(1)?;
        (winner != NOBODY).then_some(winner as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_equals_the_earlier_wins_and_nobody_is_nobody() {
        let mut tree = Tournament::new([Some(2.0), Some(1.0), Some(1.0)], 0.0);
        assert_eq!(tree.best(), Some(1));
        tree.set(1, None);
        assert_eq!(tree.best(), Some(2));
        tree.set(2, None);
        tree.set(0, None);
        assert_eq!(tree.best(), None);
        assert_eq!(Tournament::<f64>::new([], 0.0).best(), None);
        assert_eq!(Tournament::new([Some(1.0)], 0.0).best(), Some(0));
    }

    proptest! {
        #[test]
        fn the_winner_is_the_first_of_the_smallest(changes in prop::collection::vec((0usize..13, prop::option::of(0u8..5)), 0..80)) {
            let mut keys = vec![Some(3u8); 13];
            let mut tree = Tournament::new(keys.clone(), 0);
            for (place, key) in changes {
                keys[place] = key;
                tree.set(place, key);
                let best = keys.iter().flatten().min();
                prop_assert_eq!(tree.best(), best.and_then(|best| keys.iter().position(|key| key.as_ref() == Some(best))));
            }
        }
    }
}
