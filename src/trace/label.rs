//! Operation names as slot numbers, bounded: a service that puts an id into its operation names costs no memory.

use std::collections::HashMap;

/// The slot of all operations that found the table full.
pub const OVERFLOW_SLOT: u32 = 0;
/// The name of that slot in the metrics.
pub const OVERFLOW_NAME: &str = "(other)";
/// Characters of a name that count; longer names are cut.
pub const NAME_CHARS: usize = 200;

/// Names and their slots. Slots are dense from zero, in the order of first use.
#[derive(Debug)]
pub struct Labels {
    slots: HashMap<String, u32>,
    names: Vec<String>,
    capacity: usize,
}

impl Labels {
    /// A table for `capacity` names beside the overflow slot.
    pub fn new(capacity: usize) -> Self {
        let slots = HashMap::from([(OVERFLOW_NAME.to_owned(), OVERFLOW_SLOT)]);
        Self { slots, names: vec![OVERFLOW_NAME.into()], capacity }
    }

    /// The slot of a name, taken for it when there is room.
    pub fn slot(&mut self, name: &str) -> u32 {
        let name = name.char_indices().nth(NAME_CHARS).map_or(name, |(end, _)| &name[..end]);
        if let Some(&slot) = self.slots.get(name) {
            return slot;
        }
        if self.names.len() > self.capacity {
            return OVERFLOW_SLOT;
        }
        let slot = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.slots.insert(name.to_owned(), slot);
        slot
    }

    /// Every name, by slot.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_slot() {
        let mut labels = Labels::new(2);
        assert_eq!([labels.slot("a"), labels.slot("b"), labels.slot("a")], [1, 2, 1]);
    }

    #[test]
    fn a_name_beyond_the_cap_shares_the_overflow_slot() {
        let mut labels = Labels::new(1);
        assert_eq!([labels.slot("a"), labels.slot("b"), labels.slot("c")], [1, OVERFLOW_SLOT, OVERFLOW_SLOT]);
        assert_eq!(labels.names(), [OVERFLOW_NAME, "a"]);
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let mut labels = Labels::new(9);
        let long = "é".repeat(NAME_CHARS + 50);
        assert_eq!(labels.slot(&long), labels.slot(&"é".repeat(NAME_CHARS)));
        assert_eq!(labels.names()[1].chars().count(), NAME_CHARS);
    }
}
