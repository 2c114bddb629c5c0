//! Rules for texts that no parser takes: other dialects, and texts too long for a syntax tree. They look at words, and
//! only at those that are certainly keywords.

use super::expression::HUGE_LIST;
use super::reader::{DEEP_OFFSET, MANY_JOINS};
use super::report::Found;
use super::rule::Rule;
use crate::query::fingerprint::{Bare, Word, placed_words};
use std::ops::Range;

/// The findings from the words of a text.
pub fn read(text: &str, bare: &Bare) -> Vec<Found> {
    let words: Vec<Word<'_>> = placed_words(text).collect();
    let is = |at: usize, wanted: &str| words.get(at).is_some_and(|word| word.text.eq_ignore_ascii_case(wanted));
    let place = |from: usize, to: usize| {
        let start = words.get(from).map_or(0, |word| word.at);
        start..words.get(to).map_or(start, |word| word.at + word.text.len())
    };
    let mut found = Vec::new();
    let mut add = |rule, place: Range<usize>| found.push(Found { rule, place, fix: None });
    let has = |wanted: &str| (0..words.len()).find(|&at| is(at, wanted));
    let whole = 0..text.len();

    if let Some(star) = (0..words.len()).filter(|&at| is(at, "select")).find_map(|at| star(&words, at)) {
        add(Rule::SelectStar, place(star.start, star.end));
    }
    let joins: Vec<usize> = (0..words.len()).filter(|&at| is(at, "join")).collect();
    if let (true, [first, .., last]) = (joins.len() >= MANY_JOINS, joins.as_slice()) {
        add(Rule::ManyJoins, place(*first, *last));
    }
    let filter = has("where");
    let filtered = filter.is_some();
    if filtered && has("limit").is_none() && has("fetch").is_none() {
        add(Rule::UnlimitedWhere, whole.clone());
    }
    if filtered && has("index").is_none() && !bare.comments.contains("index") {
        add(Rule::UnknownIndex, whole);
    }
    if !filtered && is(0, "delete") && is(1, "from") {
        add(Rule::DeleteWithoutWhere, place(0, 2));
    }
    if !filtered && is(0, "update") && has("set").is_some() {
        add(Rule::UpdateWithoutWhere, place(0, 1));
    }
    if let Some(order) = (0..words.len()).find(|&at| is(at, "order") && is(at + 1, "by")) {
        let random = ["random", "rand", "newid"].iter().any(|name| is(order + 2, name));
        if random && is(order + 3, "(") {
            add(Rule::OrderByRandom, place(order + 2, order + 4));
        }
    }
    // Before WHERE, `= NULL` assigns.
    if let Some(at) = filter.and_then(|filter| (filter..words.len()).find(|&at| is(at, "=") && is(at + 1, "null"))) {
        add(Rule::NullComparison, place(at - 1, at + 1));
    }
    let deep = |at: &usize| {
        let rows = words.get(at + 1).and_then(|word| word.text.parse::<u64>().ok());
        is(*at, "offset") && rows.is_some_and(|rows| rows >= DEEP_OFFSET)
    };
    if let Some(at) = (0..words.len()).find(deep) {
        add(Rule::DeepOffset, place(at, at + 1));
    }
    if let Some((start, end)) = huge_list(&words) {
        add(Rule::HugeInList, place(start, end));
    }
    found.sort_by_key(|found| (found.place.start, found.place.end, found.rule));
    found
}

/// The `*` of a select list that starts with one, with what qualifies it.
fn star(words: &[Word<'_>], select: usize) -> Option<Range<usize>> {
    let word = |at: usize| words.get(at).map_or("", |word| word.text);
    let mut at = select + 1;
    if word(at).eq_ignore_ascii_case("distinct") || word(at).eq_ignore_ascii_case("all") {
        at += 1;
    }
    let first = at;
    while word(at + 1) == "." {
        at += 2;
    }
    (word(at) == "*").then_some(first..at)
}

/// The first IN with a very long list: the places of IN and of the closing parenthesis.
fn huge_list(words: &[Word<'_>]) -> Option<(usize, usize)> {
    let (mut at, word) = (0, |at: usize| words.get(at).map_or("", |word| word.text));
    while at < words.len() {
        if word(at).eq_ignore_ascii_case("in") && word(at + 1) == "(" && !word(at + 2).eq_ignore_ascii_case("select") {
            let (start, mut depth, mut items) = (at, 0usize, 1usize);
            at += 1;
            while at < words.len() {
                match word(at) {
                    "(" => depth += 1,
                    ")" => depth -= 1,
                    "," if depth == 1 => items += 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                at += 1;
            }
            if items > HUGE_LIST && at < words.len() {
                return Some((start, at));
            }
        }
        at += 1;
    }
    None
}
