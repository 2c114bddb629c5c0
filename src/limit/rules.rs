//! Which limit a client has by its id. An exact id comes before every pattern; among patterns the first in the list
//! that matches holds: `*` stands for anything and `?` for one character. Regular expressions are the caller's: he is
//! told which of them stand before the pattern that was found.

use super::bucket::MOST;
use super::config::Share;
use crate::error::{Code, Coded, ErrorClass};
use crate::options::Scalar;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// A list of limits that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// It is no JSON.
    #[error("the limits are no JSON: {0}")]
    NotJson(String),
    /// It is no list of objects with `match`, `rateLimit` and `refillRate`.
    #[error("option \"limits\" must be a list of {{ match, rateLimit, refillRate }}: {0}")]
    WrongShape(String),
    /// One of them cannot be used.
    #[error("option \"limits[{index}].{name}\" must be {expected}")]
    WrongValue {
        /// Its place in the list.
        index: usize,
        /// Which of its settings.
        name: &'static str,
        /// What would have been accepted.
        expected: &'static str,
    },
}

impl Coded for RuleError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::TypeError
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    r#match: Value,
    #[serde(rename = "rateLimit", default)]
    rate_limit: Value,
    #[serde(rename = "refillRate", default)]
    refill_rate: Value,
    #[serde(default)]
    weight: Value,
    #[serde(default)]
    priority: Value,
}

/// What holds for the clients that match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Tokens a bucket holds; `None` for the limiter's.
    pub limit: Option<f64>,
    /// Tokens a second; `None` for the limiter's.
    pub rate: Option<f64>,
    /// What its share of a limit weighs that clients share, and the class in which it waits, unless a request says so.
    pub share: Share,
}

/// The limits by id.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    exact: HashMap<String, usize>,
    patterns: Vec<(usize, Vec<char>)>,
}

impl Rules {
    /// Reads a JSON list. `match` is an id, a pattern, or an object: the caller's regular expression. `"Infinity"` is a
    /// limit.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let list: Value = serde_json::from_str(text).map_err(|error| RuleError::NotJson(error.to_string()))?;
        let list: Vec<Raw> = serde_json::from_value(list).map_err(|error| RuleError::WrongShape(error.to_string()))?;
        let mut rules = Self::default();
        for (index, raw) in list.into_iter().enumerate() {
            let wrong = |name, expected| RuleError::WrongValue { index, name, expected };
            let optional = |name, value: &Value| match value {
                Value::Null => Ok(None),
                given => number(given).map(Some).ok_or(wrong(name, "a number that is not negative")),
            };
            let (limit, rate) = (optional("rateLimit", &raw.rate_limit)?, optional("refillRate", &raw.refill_rate)?);
            if limit.is_none() && raw.weight.is_null() && raw.priority.is_null() {
                return Err(wrong("rateLimit", "a number that is not negative"));
            }
            let share = Share::read(&scalar(&raw.weight), &Scalar::Missing)
                .map_err(|_| wrong("weight", "a number from 0.001 to 1000"))?;
            let class = Share::read(&Scalar::Missing, &scalar(&raw.priority))
                .map_err(|_| wrong("priority", "a whole number from 0 to 9"))?;
            let share = Share { class: class.class, ..share };
            match raw.r#match {
                Value::String(id) if id.is_empty() => return Err(wrong("match", "a client id, a pattern or a RegExp")),
                Value::String(id) if id.contains(['*', '?']) => rules.patterns.push((index, id.chars().collect())),
                // Said twice, the first holds.
                Value::String(id) => _ = rules.exact.entry(id).or_insert(index),
                Value::Object(_) => {}
                _ => return Err(wrong("match", "a client id, a pattern or a RegExp")),
            }
            rules.rules.push(Rule { limit, rate, share });
        }
        Ok(rules)
    }

    /// The place of the rule for this id, and whether it names the id itself; `None` when none does.
    pub fn find(&self, id: &str) -> Option<(usize, bool)> {
        if let Some(&index) = self.exact.get(id) {
            return Some((index, true));
        }
        let characters: Vec<char> = if self.patterns.is_empty() { Vec::new() } else { id.chars().collect() };
        self.patterns.iter().find(|(_, pattern)| matches(pattern, &characters)).map(|&(index, _)| (index, false))
    }

    /// The rule at this place.
    pub fn get(&self, index: usize) -> Option<Rule> {
        self.rules.get(index).copied()
    }
}

fn scalar(value: &Value) -> Scalar {
    match value {
        Value::Null => Scalar::Missing,
        given => given.as_f64().map_or(Scalar::Other("object"), Scalar::Number),
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = if value == "Infinity" { Some(f64::INFINITY) } else { value.as_f64() };
    number.filter(|number| *number >= 0.0).map(|number| number.min(MOST))
}

/// Whether the pattern matches all of it, in time that grows with the product of both lengths at most.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut at, mut here, mut star) = (0, 0, None);
    while here < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[here] => (at, here) = (at + 1, here + 1),
            _ => match star {
                None => return false,
                Some((place, from)) => {
                    star = Some((place, from + 1));
                    (at, here) = (place + 1, from + 1);
                }
            },
        }
    }
    pattern[at..].iter().all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_id_comes_first_then_the_first_pattern() {
        let rules = Rules::parse(
            r#"[{"match":"user:*","rateLimit":1},{"match":"user:a?c","rateLimit":2},
                {"match":{"regexp":"x"},"rateLimit":3},
                {"match":"user:abc","rateLimit":"Infinity","refillRate":4,"weight":2},
                {"match":"*","rateLimit":5}]"#,
        )
        .unwrap();
        assert_eq!(rules.find("user:abc"), Some((3, true)));
        assert_eq!(
            rules.get(3),
            Some(Rule { limit: Some(MOST), rate: Some(4.0), share: Share { weight: 2.0, class: 5 } })
        );
        assert_eq!((rules.find("user:adc"), rules.find("x")), (Some((0, false)), Some((4, false))));
        assert_eq!(Rules::parse("[]").unwrap().find("x"), None);
    }

    #[test]
    fn patterns_match_whole_ids() {
        let matches = |pattern: &str, text: &str| {
            matches(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
        };
        for (pattern, text) in [("a*c", "abbc"), ("*", ""), ("a*", "a"), ("*é?", "xéy"), ("a*b*c", "a1b2b3c")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*c", "abb"), ("?", ""), ("a", "ab"), ("a*b", "xab")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("{", "no JSON"),
            ("{}", "must be a list"),
            (r#"[{"match":"a"}]"#, "rateLimit"),
            (r#"[{"match":"a","rateLimit":-1}]"#, "limits[0].rateLimit"),
            (r#"[{"match":"a","rateLimit":1,"refillRate":"x"}]"#, "limits[0].refillRate"),
            (r#"[{"match":"a","weight":0}]"#, "limits[0].weight"),
            (r#"[{"match":"a","weight":2,"priority":1.5}]"#, "limits[0].priority"),
            (r#"[{"match":5,"rateLimit":1}]"#, "limits[0].match"),
            (r#"[{"match":"a","rateLimit":1,"limit":2}]"#, "unknown field"),
        ] {
            let error = Rules::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
