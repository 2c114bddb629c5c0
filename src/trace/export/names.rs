//! Texts that come again and again, such as the names of operations and attributes: JavaScript tells each of them once.

use std::sync::Arc;

/// Texts by their numbers. Cheap to clone: a hand-over keeps those it was written with.
#[derive(Debug, Clone, Default)]
pub struct Names(Arc<Vec<Arc<str>>>);

impl Names {
    /// Texts that get a number; JavaScript tells the rest each time.
    pub const MOST: usize = 2_048;
    /// The longest of them, in UTF-16 code units.
    pub const CHARS: usize = 64;
    /// Values of one attribute that get a number. One that has more is likely to have ever new ones.
    pub const VALUES: usize = 64;

    /// Gives a text a number; a negative one when there are too many.
    pub fn add(&mut self, text: &str) -> f64 {
        if self.0.len() >= Self::MOST {
            return -1.0;
        }
        let names = Arc::make_mut(&mut self.0);
        names.push(text.into());
        (names.len() - 1) as f64
    }

    /// Memory of the table; the texts are there once for all.
    pub fn bytes(&self) -> usize {
        self.0.len() * size_of::<Arc<str>>()
    }

    /// The text of a number.
    pub fn get(&self, number: usize) -> Option<&Arc<str>> {
        self.0.get(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_up_to_a_limit_and_stay() {
        let mut names = Names::default();
        let early = (names.add("a"), names.clone());
        assert_eq!((early.0, names.add("b")), (0.0, 1.0));
        assert_eq!((early.1.get(0).map(|name| &**name), early.1.get(1)), (Some("a"), None));
        assert_eq!(names.get(1).map(|name| &**name), Some("b"));
        let more = (2..Names::MOST + 2).map(|_| names.add("c")).filter(|&number| number >= 0.0).count();
        assert_eq!(more, Names::MOST - 2);
    }
}
