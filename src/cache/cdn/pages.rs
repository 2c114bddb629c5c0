//! Which pages bear which tag, for a provider that knows pages only.

use std::collections::{HashMap, HashSet, VecDeque};

/// Pairs of tag and page that are remembered; the oldest goes.
const MOST_PAIRS: usize = 100_000;

/// Pages by tag.
#[derive(Default)]
pub struct Pages {
    by_tag: HashMap<String, HashSet<String>>,
    order: VecDeque<(String, String)>,
    forgotten: u64,
}

impl Pages {
    /// A page was answered with these encoded tags.
    pub fn note(&mut self, page: &str, tags: impl IntoIterator<Item = String>) {
        for tag in tags {
            if !self.by_tag.entry(tag.clone()).or_default().insert(page.to_owned()) {
                continue;
            }
            self.order.push_back((tag, page.to_owned()));
            while self.order.len() > MOST_PAIRS {
                self.forget_oldest();
            }
        }
    }

    fn forget_oldest(&mut self) {
        let Some((tag, page)) = self.order.pop_front() else { return };
        let Some(pages) = self.by_tag.get_mut(&tag) else { return };
        if pages.remove(&page) {
            self.forgotten += 1;
        }
        if pages.is_empty() {
            self.by_tag.remove(&tag);
        }
    }

    /// The pages of a tag. They stay known: they are fetched anew, not removed.
    pub fn of(&self, tag: &str) -> Vec<String> {
        self.by_tag.get(tag).map(|pages| pages.iter().cloned().collect()).unwrap_or_default()
    }

    /// Pairs that were forgotten: their pages stay as they are until their time is over.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_found_by_each_of_its_tags_until_it_is_the_oldest() {
        let mut pages = Pages::default();
        pages.note("/old", ["a".to_owned(), "b".to_owned()]);
        assert_eq!((pages.of("a"), pages.of("b"), pages.of("c")), (vec!["/old".into()], vec!["/old".into()], vec![]));
        for page in 0..MOST_PAIRS {
            pages.note(&format!("/{page}"), ["a".to_owned()]);
        }
        assert_eq!((pages.of("b").len(), pages.of("a").len(), pages.forgotten()), (0, MOST_PAIRS, 2));
    }
}
