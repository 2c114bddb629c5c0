//! The advice of `optimizeQuery`: the findings about a text, in words.

use super::analyze;

/// All advice about a text: the original's four kinds in their order, then the others; none means that the query is
/// fine as it is.
pub fn advise(text: &str) -> Vec<&'static str> {
    analyze::advice(text).into_iter().map(|rule| rule.message()).collect()
}
