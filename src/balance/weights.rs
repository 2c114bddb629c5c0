//! Who owns a point on the line of all weights: a binary indexed tree (Fenwick, "A New Data Structure for Cumulative
//! Frequency Tables", 1994). Finding an owner and changing a weight cost the logarithm of the number of places.

/// Weights by place, laid one after the other.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    each: Vec<f64>,
    sums: Vec<f64>,
    total: f64,
}

impl Weights {
    /// With these weights; 0 owns nothing.
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let each: Vec<f64> = weights.into_iter().collect();
        let mut sums = vec![0.0; each.len() + 1];
        for (place, weight) in each.iter().enumerate() {
            let node = place + 1;
            sums[node] += weight;
            let parent = node + (node & node.wrapping_neg());
            if parent < sums.len() {
                sums[parent] += sums[node];
            }
        }
        let total = each.iter().sum();
        Self { each, sums, total }
    }

    /// The length of the line.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Changes a weight.
    pub fn set(&mut self, place: usize, weight: f64) {
        let Some(old) = self.each.get_mut(place) else { return };
        let change = weight - std::mem::replace(old, weight);
        self.total += change;
        let mut node = place + 1;
        while node < self.sums.len() {
            self.sums[node] += change;
            node += node & node.wrapping_neg();
        }
    }

    /// Who owns the point, from 0 to below the total; `None` where nobody owns anything.
    pub fn owner(&self, mut point: f64) -> Option<usize> {
        let mut node = 0;
        let mut step = self.each.len().next_power_of_two();
        while step > 0 {
            if node + step < self.sums.len() && self.sums[node + step] <= point {
                node += step;
                point -= self.sums[node];
            }
            step /= 2;
        }
        // Rounding can put a point beyond the last owner, or at somebody's who owns nothing.
        let found = node.min(self.each.len());
        (found..self.each.len()).chain((0..found).rev()).find(|place| self.each[*place] > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_point_has_its_owner() {
        let mut weights = Weights::new([1.0, 3.0, 0.0, 0.5]);
        let owners: Vec<_> = [0.0, 1.0, 3.9, 4.0, 4.4, 9.0].iter().map(|point| weights.owner(*point)).collect();
        assert_eq!(owners, [Some(0), Some(1), Some(1), Some(3), Some(3), Some(3)]);
        weights.set(1, 0.0);
        assert_eq!((weights.owner(1.0), weights.total()), (Some(3), 1.5));
        assert_eq!(Weights::new([0.0, 0.0]).owner(0.0), None);
        assert_eq!(Weights::default().owner(0.0), None);
    }

    proptest! {
        #[test]
        fn an_owner_is_found_as_by_adding_up(mut weights in prop::collection::vec(0u8..4, 1..20), changes in prop::collection::vec((0usize..20, 0u8..4), 0..20)) {
            let mut tree = Weights::new(weights.iter().map(|weight| f64::from(*weight)));
            for (place, weight) in changes {
                tree.set(place, f64::from(weight));
                if let Some(slot) = weights.get_mut(place) { *slot = weight; }
            }
            let expected: Vec<usize> = weights.iter().enumerate().flat_map(|(place, weight)| vec![place; usize::from(*weight)]).collect();
            let found: Vec<usize> = (0..expected.len()).filter_map(|point| tree.owner(point as f64)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
