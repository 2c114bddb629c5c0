//! The same key to the same target, as long as that has room: a hash ring (Karger and others, 1997) with bounded loads
//! (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018). When a target comes or goes,
//! only the keys next to its points move.

/// Points of one target for a weight of 1, with up to [`FEW`] targets.
const POINTS: f64 = 100.0;
/// With more targets than this, each gets fewer points, so that the ring stays below a few million.
const FEW: f64 = 10_000.0;
const MOST_POINTS: f64 = 10_000.0;

/// A number for a text that is the same in every process and version: FNV-1a, mixed as in SplitMix64.
pub fn hash(text: &str) -> u64 {
    let fnv = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    mix(fnv)
}

fn mix(mut mixed: u64) -> u64 {
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Targets' points, in order.
#[derive(Debug, Clone, Default)]
pub struct Ring {
    points: Vec<(u64, u32)>,
}

impl Ring {
    /// Of targets with the hash of their id and their weight; a target's number is its position here.
    pub fn new(targets: &[(u64, f64)]) -> Self {
        let share = POINTS * (FEW / targets.len().max(1) as f64).min(1.0);
        let mut points = Vec::new();
        for (place, (id, weight)) in targets.iter().enumerate() {
            let count = (share * weight).clamp(1.0, MOST_POINTS).round() as u64;
            points.extend((0..count).map(|point| (mix(id ^ mix(point + 1)), place as u32)));
        }
        points.sort_unstable();
        Self { points }
    }

    /// The first target from the key's point on for which `has_room`; each is asked at most about once for each of its
    /// points.
    pub fn find(&self, key: u64, mut has_room: impl FnMut(usize) -> bool) -> Option<usize> {
        let start = self.points.partition_point(|(point, _)| *point < key);
        let mut last = None;
        for (_, place) in self.points[start..].iter().chain(&self.points[..start]) {
            if last == Some(*place) {
                continue;
            }
            if has_room(*place as usize) {
                return Some(*place as usize);
            }
            last = Some(*place);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[&str]) -> Ring {
        Ring::new(&ids.iter().map(|id| (hash(id), 1.0)).collect::<Vec<_>>())
    }

    #[test]
    fn a_key_stays_and_only_a_lost_targets_keys_move() {
        let all = ["a", "b", "c", "d"];
        let (four, three) = (ring(&all), ring(&all[..3]));
        let (mut moved, mut shares) = (0, [0; 4]);
        for number in 0..10_000 {
            let key = hash(&number.to_string());
            let before = four.find(key, |_| true).unwrap();
            shares[before] += 1;
            let after = three.find(key, |_| true).unwrap();
            if before == 3 {
                moved += 1;
            } else {
                assert_eq!(before, after);
            }
        }
        assert_eq!(moved, shares[3]);
        assert!(shares.iter().all(|share| (1500..3500).contains(share)), "{shares:?}");
    }

    #[test]
    fn a_full_target_is_passed_over() {
        let ring = ring(&["a", "b"]);
        let home = ring.find(7, |_| true).unwrap();
        assert_eq!(ring.find(7, |place| place != home), Some(1 - home));
        assert_eq!(ring.find(7, |_| false), None);
        assert_eq!(Ring::default().find(7, |_| true), None);
    }

    #[test]
    fn a_heavier_target_gets_more_keys() {
        let ring = Ring::new(&[(hash("a"), 1.0), (hash("b"), 3.0)]);
        let heavy =
            (0..10_000).filter(|number: &u32| ring.find(hash(&number.to_string()), |_| true) == Some(1)).count();
        assert!((6_500..8_500).contains(&heavy), "{heavy}");
    }
}
