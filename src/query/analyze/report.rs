//! What was found in one text.

use super::rule::Rule;
use super::source::Source;
use std::ops::Range;

/// Findings of one text are kept up to here: a generated text may repeat one mistake thousands of times.
const KEPT: usize = 100;

/// A finding at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The rule.
    pub rule: Rule,
    /// Bytes of the text.
    pub place: Range<usize>,
    /// What to write there instead.
    pub fix: Option<String>,
}

/// The findings so far, and the text they are about.
#[derive(Debug)]
pub struct Report<'q> {
    /// The text.
    pub source: Source<'q>,
    found: Vec<Found>,
}

impl<'q> Report<'q> {
    /// Nothing found yet.
    pub fn new(source: Source<'q>) -> Self {
        Self { source, found: Vec::new() }
    }

    /// Whether no more findings are kept.
    pub fn is_full(&self) -> bool {
        self.found.len() >= KEPT
    }

    /// Adds a finding without a fix.
    pub fn add(&mut self, rule: Rule, place: Range<usize>) {
        self.add_with(rule, place, None);
    }

    /// Adds a finding; the same one twice counts once.
    pub fn add_with(&mut self, rule: Rule, place: Range<usize>, fix: Option<String>) {
        let twice = |found: &Found| found.rule == rule && found.place == place;
        if !self.is_full() && !self.found.iter().any(twice) {
            self.found.push(Found { rule, place, fix });
        }
    }

    /// All, in the order of the text.
    pub fn into_found(mut self) -> Vec<Found> {
        self.found.sort_by_key(|found| (found.place.start, found.place.end, found.rule));
        self.found
    }
}
