//! How raw options become a validated configuration.
//!
//! The originals read numbers with `||`: a falsy value (`0`, `NaN`, `''`, `null`, `false`) means the default.
//! The readers here do the same. What is neither falsy nor a sensible value of its type is refused with an
//! error that names the option and the value. A room's `config.rs` holds the defaults and the ranges.

use crate::error::{Code, Coded, ErrorClass};
use std::time::Duration;

/// The longest wait a JavaScript timer can hold: 2^31 - 1 ms. Longer waits are clamped to it.
pub const MAX_TIMER_MS: f64 = 2_147_483_647.0;

/// One option as it came from the caller.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Scalar {
    /// Not given.
    #[default]
    Missing,
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number, `NaN` and infinities included.
    Number(f64),
    /// A string.
    Text(String),
    /// Something that no scalar option accepts; the name of its JavaScript type.
    Other(&'static str),
}

impl Scalar {
    /// JavaScript's notion of falsy, which is what `value || fallback` falls back on.
    pub fn is_falsy(&self) -> bool {
        match self {
            Scalar::Missing | Scalar::Null | Scalar::Bool(false) => true,
            Scalar::Number(number) => *number == 0.0 || number.is_nan(),
            Scalar::Text(text) => text.is_empty(),
            Scalar::Bool(true) | Scalar::Other(_) => false,
        }
    }

    fn describe(&self) -> String {
        match self {
            Scalar::Missing => "undefined".into(),
            Scalar::Null => "null".into(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Number(value) => value.to_string(),
            Scalar::Text(value) => format!("{value:?}"),
            Scalar::Other(kind) => format!("a value of type {kind}"),
        }
    }
}

/// Where options are read from: a JavaScript object behind the binding, or a list in a test.
pub trait Options {
    /// The option's value, [`Scalar::Missing`] when it is not there.
    fn get(&self, name: &str) -> Scalar;
}

impl<O: Options + ?Sized> Options for &O {
    fn get(&self, name: &str) -> Scalar {
        (**self).get(name)
    }
}

impl Options for [(&str, Scalar)] {
    fn get(&self, name: &str) -> Scalar {
        self.iter().find(|(key, _)| *key == name).map_or(Scalar::Missing, |(_, value)| value.clone())
    }
}

/// An option that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("option \"{option}\" must be {expected}, got {value}")]
pub struct OptionError {
    /// The option's name.
    pub option: String,
    /// What would have been accepted.
    pub expected: String,
    /// The refused value, as text.
    pub value: String,
    /// `TypeError` or `RangeError`.
    pub class: ErrorClass,
}

impl OptionError {
    /// A value of the wrong type.
    pub fn wrong_type(option: &str, expected: impl Into<String>, value: &Scalar) -> Self {
        Self { option: option.into(), expected: expected.into(), value: value.describe(), class: ErrorClass::TypeError }
    }

    /// A value that must not be shown.
    pub fn secret(option: &str, expected: impl Into<String>) -> Self {
        let (option, expected, value) = (option.into(), expected.into(), "something else".into());
        Self { option, expected, value, class: ErrorClass::TypeError }
    }

    /// A value of the right type outside its range.
    pub fn out_of_range(option: &str, expected: impl Into<String>, value: &Scalar) -> Self {
        Self { class: ErrorClass::RangeError, ..Self::wrong_type(option, expected, value) }
    }
}

impl Coded for OptionError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn class(&self) -> ErrorClass {
        self.class
    }
}

/// A number between `min` and `max`; falsy means `default`.
pub fn number(
    options: &(impl Options + ?Sized),
    name: &str,
    default: f64,
    min: f64,
    max: f64,
) -> Result<f64, OptionError> {
    let value = options.get(name);
    match value {
        _ if value.is_falsy() => Ok(default),
        Scalar::Number(number) if (min..=max).contains(&number) => Ok(number),
        Scalar::Number(_) => Err(OptionError::out_of_range(name, format!("a number from {min} to {max}"), &value)),
        _ => Err(OptionError::wrong_type(name, "a number", &value)),
    }
}

/// A whole number between `min` and `max`; falsy means `default`. Fractions are cut off, `Infinity` means `max`.
pub fn count(
    options: &(impl Options + ?Sized),
    name: &str,
    default: u64,
    min: u64,
    max: u64,
) -> Result<u64, OptionError> {
    let value = options.get(name);
    match value {
        _ if value.is_falsy() => Ok(default),
        Scalar::Number(f64::INFINITY) => Ok(max),
        Scalar::Number(number) if number >= min as f64 && number < max as f64 + 1.0 => Ok(number as u64),
        Scalar::Number(_) => {
            Err(OptionError::out_of_range(name, format!("a whole number from {min} to {max}"), &value))
        }
        _ => Err(OptionError::wrong_type(name, "a number", &value)),
    }
}

/// A duration in milliseconds; falsy means `default`. Clamped to what a timer can hold, so `Infinity` is as long as
/// there is; negative values are refused.
pub fn millis(options: &(impl Options + ?Sized), name: &str, default: Duration) -> Result<Duration, OptionError> {
    let value = options.get(name);
    match value {
        _ if value.is_falsy() => Ok(default),
        Scalar::Number(number) if number > 0.0 => Ok(Duration::from_secs_f64(number.min(MAX_TIMER_MS) / 1e3)),
        Scalar::Number(_) => Err(OptionError::out_of_range(name, "a positive number of milliseconds", &value)),
        _ => Err(OptionError::wrong_type(name, "a number of milliseconds", &value)),
    }
}

/// A switch that is on unless it is strictly `false`, as the originals test it.
pub fn unless_false(options: &(impl Options + ?Sized), name: &str) -> bool {
    options.get(name) != Scalar::Bool(false)
}

/// A string; falsy means `None`.
pub fn text(options: &(impl Options + ?Sized), name: &str) -> Result<Option<String>, OptionError> {
    match options.get(name) {
        Scalar::Text(text) if !text.is_empty() => Ok(Some(text)),
        value if value.is_falsy() => Ok(None),
        value => Err(OptionError::wrong_type(name, "a string", &value)),
    }
}

/// `transport`: whether a socket is to be on the caller's event loop (`loop`, the default) or not (`thread`).
pub fn is_on_loop(options: &(impl Options + ?Sized)) -> Result<bool, OptionError> {
    match text(options, "transport")?.as_deref() {
        None | Some("loop") => Ok(true),
        Some("thread") => Ok(false),
        Some(other) => Err(OptionError::out_of_range("transport", "loop or thread", &Scalar::Text(other.into()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: Scalar) -> Vec<(&'static str, Scalar)> {
        vec![("ttl", value)]
    }

    #[test]
    fn falsy_values_mean_the_default() {
        for value in [
            Scalar::Missing,
            Scalar::Null,
            Scalar::Bool(false),
            Scalar::Number(0.0),
            Scalar::Number(f64::NAN),
            Scalar::Text(String::new()),
        ] {
            assert_eq!(number(&one(value)[..], "ttl", 7.0, 1.0, 9.0), Ok(7.0));
        }
    }

    #[test]
    fn an_error_names_the_option_and_the_value() {
        let error = number(&one(Scalar::Text("soon".into()))[..], "ttl", 7.0, 1.0, 9.0).unwrap_err();
        assert_eq!(error.to_string(), "option \"ttl\" must be a number, got \"soon\"");
        assert_eq!(error.class(), ErrorClass::TypeError);
        let error = count(&one(Scalar::Number(-3.0))[..], "ttl", 7, 1, 9).unwrap_err();
        assert_eq!(error.to_string(), "option \"ttl\" must be a whole number from 1 to 9, got -3");
        assert_eq!(error.class(), ErrorClass::RangeError);
    }

    #[test]
    fn a_wait_longer_than_a_timer_can_hold_is_clamped() {
        for value in [1e12, f64::INFINITY] {
            let wait = millis(&one(Scalar::Number(value))[..], "ttl", Duration::ZERO).unwrap();
            assert_eq!(wait, Duration::from_millis(2_147_483_647));
        }
    }
}
