//! The `OTEL_*` variables of the environment, as the OpenTelemetry specification defines them.
//!
//! A value that cannot be used never fails anything: it is ignored, and a warning names the variable, never its
//! value.

use crate::options::{Options, Scalar};
use std::collections::BTreeMap;

/// The variables of a process, and what was wrong with them.
pub struct Environment<'a> {
    variables: &'a dyn Options,
    /// A line for each variable that was ignored.
    pub warnings: Vec<String>,
}

impl<'a> Environment<'a> {
    /// Reads from the variables given.
    pub fn new(variables: &'a dyn Options) -> Self {
        Self { variables, warnings: Vec::new() }
    }

    /// The first of the variables that is set to something; empty means unset.
    pub fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names.iter().find_map(|name| match self.variables.get(name) {
            Scalar::Text(text) if !text.trim().is_empty() => Some((*name, text.trim().to_owned())),
            _ => None,
        })
    }

    /// The value of one variable.
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(&[name]).map(|(_, text)| text)
    }

    /// Whether the variable says `true`, in any case.
    pub fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// A number from `min` to `max`.
    pub fn number(&mut self, names: &[&str], min: f64, max: f64) -> Option<f64> {
        let (name, text) = self.first(names)?;
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.warn(name, &format!("a number from {min} to {max}"));
        }
        number
    }

    /// Pairs as W3C Baggage writes them: `key=value,key=value`, the values percent-encoded.
    pub fn pairs(&mut self, names: &[&str]) -> BTreeMap<String, String> {
        let Some((name, text)) = self.first(names) else { return BTreeMap::new() };
        let mut pairs = BTreeMap::new();
        for member in text.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            match member.split_once('=').map(|(key, value)| (key.trim(), decoded(value.trim()))) {
                Some((key, Some(value))) if !key.is_empty() => {
                    pairs.insert(key.to_owned(), value);
                }
                _ => self.warn(name, "a list like key=value,key=value with percent-encoded values"),
            }
        }
        pairs
    }

    /// Notes that a variable was ignored.
    pub fn warn(&mut self, name: &str, expected: &str) {
        self.warnings.push(format!("{name} must be {expected}; it is ignored"));
    }
}

/// Text without percent-encoding; `None` where it is torn or not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?].map(char::from).map(|digit| digit.to_digit(16));
        let [Some(high), Some(low)] = digits else { return None };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Scalar {
        Scalar::Text(value.into())
    }

    #[test]
    fn pairs_are_decoded_and_torn_ones_left_out_with_a_warning() {
        let variables = [("LIST", text("a=b%20c, d = e=f ,x,=y,z=%4,k=%ff"))];
        let options = &variables[..];
        let mut environment = Environment::new(&options);
        let pairs = environment.pairs(&["UNSET", "LIST"]);
        assert_eq!(pairs.into_iter().collect::<Vec<_>>(), [("a".into(), "b c".into()), ("d".into(), "e=f".into())]);
        assert_eq!(environment.warnings.len(), 4);
        assert!(environment.warnings.iter().all(|warning| warning.starts_with("LIST must be")));
    }

    #[test]
    fn a_number_that_cannot_be_used_is_ignored_and_its_value_not_told() {
        let variables = [("A", text("secret")), ("B", text("5")), ("C", text("  "))];
        let options = &variables[..];
        let mut environment = Environment::new(&options);
        assert_eq!(environment.number(&["C", "B"], 1.0, 9.0), Some(5.0));
        assert_eq!(environment.number(&["A"], 1.0, 9.0), None);
        assert_eq!(environment.warnings, ["A must be a number from 1 to 9; it is ignored"]);
    }
}
