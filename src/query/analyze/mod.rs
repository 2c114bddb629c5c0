//! What is wrong with a statement, from its text alone.
//!
//! A syntax tree knows that a keyword in a string, a name or a comment is none, and which LIMIT belongs to which WHERE
//! ([`tree`], [`reader`]). A text without one gets the few rules that words alone can carry ([`textual`]). A rule looks
//! away where it cannot be sure: nothing is known here of types, indexes or the size of tables, which is what a plan is
//! for. Work is bounded by the text's length: nesting by the parser's limit, the rest by [`tree::PARSED_BYTES`].

#[cfg(test)]
mod analyze_tests;
pub mod column;
mod expression;
pub mod filter;
mod limit;
mod reader;
mod relation;
mod report;
pub mod rule;
mod source;
mod textual;
pub mod tree;

use super::fingerprint::{self, Bare, words};
use report::Found;
use rule::Rule;

/// A finding, in the units of a JavaScript string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: Rule,
    /// Where the offending part starts, in UTF-16 units.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What to write there instead; `None` where that takes more than the text.
    pub fix: Option<String>,
}

/// What is known about a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// The short name of the text without its values.
    pub fingerprint: String,
    /// Its kind, such as `select`; the first word where it is none of the common ones, `None` without a word.
    pub statement: Option<String>,
    /// The tables, in the order of the text, as the server folds their names.
    pub tables: Vec<String>,
    /// In the order of the text.
    pub findings: Vec<Finding>,
}

/// Looks at a text.
pub fn analyze(text: &str) -> Analysis {
    let bare = fingerprint::bare(text);
    let (statement, tables, found) = match tree::read(text, &bare) {
        Some(read) => (read.statement, read.tables, read.found),
        None => (None, Vec::new(), textual::read(text, &bare)),
    };
    let units = Units { text, ascii: text.is_ascii() };
    let findings = found.into_iter().filter(|found| found.rule.is_finding()).map(|found| {
        let Found { rule, place, fix } = found;
        Finding { rule, start: units.until(place.start), end: units.until(place.end), fix }
    });
    Analysis {
        fingerprint: fingerprint::short(&fingerprint::without_literals(text)),
        statement: statement.map(str::to_owned).or_else(|| first_word(&bare)),
        tables,
        findings: findings.collect(),
    }
}

/// The rules that have something to say about a text: the four of the original first, then the others.
pub fn advice(text: &str) -> Vec<Rule> {
    let bare = fingerprint::bare(text);
    let found = tree::read(text, &bare).map(|read| read.found).unwrap_or_else(|| textual::read(text, &bare));
    let mut rules: Vec<Rule> = found.into_iter().map(|found| found.rule).filter(|rule| rule.is_advice()).collect();
    rules.sort();
    rules.dedup();
    rules
}

fn first_word(bare: &Bare) -> Option<String> {
    let word = words(&bare.text).find(|word| *word != "(")?;
    (word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_lowercase())).then(|| word.to_owned())
}

/// Counts as JavaScript does.
struct Units<'q> {
    text: &'q str,
    ascii: bool,
}

impl Units<'_> {
    /// UTF-16 units before a byte.
    fn until(&self, byte: usize) -> usize {
        if self.ascii { byte } else { self.text.get(..byte).map_or(0, |before| before.encode_utf16().count()) }
    }
}
