//! Whether a failed call is made again, and after how long.
//!
//! The verdict on an error looks at what transports put there: a status code, a system error code (on the error or on
//! its cause, where Node's own `fetch` has it) and, last, known words in the message.

use crate::options::{OptionError, Scalar};

/// How a delay is spread, so that callers that failed together do not return together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Half fixed, half random ("equal jitter").
    Equal,
    /// Between the first delay and three times the previous one ("decorrelated jitter"). Both from Brooker,
    /// "Exponential Backoff And Jitter", 2015.
    Decorrelated,
}

/// A retry's settings. Durations are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryConfig {
    /// Calls in all. Default 3.
    pub max_attempts: f64,
    /// The delay before the second call; it doubles from there. Default 100.
    pub backoff: f64,
    /// Default [`Jitter::Equal`].
    pub jitter: Jitter,
    /// How long one call may take; 0 is over at once. Default 5000.
    pub timeout: f64,
    /// The longest delay; a server that asks for a longer one is not asked again. Default none.
    pub max_delay: f64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { max_attempts: 3.0, backoff: 100.0, jitter: Jitter::Equal, timeout: 5000.0, max_delay: f64::INFINITY }
    }
}

impl RetryConfig {
    /// Reads the options, where only an absent one means its default: `0` is a value here.
    pub fn read(
        max_attempts: &Scalar,
        backoff: &Scalar,
        jitter: &Scalar,
        timeout: &Scalar,
        max_delay: &Scalar,
    ) -> Result<Self, OptionError> {
        let base = Self::default();
        Ok(Self {
            max_attempts: at_least("maxAttempts", max_attempts, base.max_attempts, 1.0)?,
            backoff: at_least("backoffMs", backoff, base.backoff, 0.0)?,
            jitter: match jitter {
                Scalar::Missing | Scalar::Bool(true) => Jitter::Equal,
                Scalar::Text(text) if text == "decorrelated" => Jitter::Decorrelated,
                value if value.is_falsy() => Jitter::None,
                value => return Err(OptionError::wrong_type("jitter", "true, false or \"decorrelated\"", value)),
            },
            timeout: at_least("timeout", timeout, base.timeout, 0.0)?,
            max_delay: at_least("maxDelayMs", max_delay, base.max_delay, 0.0)?,
        })
    }

    /// Milliseconds until call number `attempt + 1`. `previous` is the last delay, 0 before the first; `random` is
    /// between 0 and 1. `None` when the server asked for more patience than there is.
    pub fn delay(&self, attempt: f64, previous: f64, retry_after: f64, random: f64) -> Option<f64> {
        let doubled = self.backoff * (attempt - 1.0).clamp(0.0, 1000.0).exp2();
        let delay = match self.jitter {
            Jitter::None => doubled,
            Jitter::Equal => doubled * (0.5 + random / 2.0),
            Jitter::Decorrelated => {
                let most = (previous.max(self.backoff) * 3.0).max(self.backoff);
                self.backoff + (most - self.backoff) * random
            }
        };
        if retry_after > self.max_delay {
            return None;
        }
        Some(delay.min(self.max_delay).max(retry_after))
    }
}

/// Whether a value can be a policy's `timeoutMs`.
pub fn check_limit(value: &Scalar) -> Result<f64, OptionError> {
    at_least("timeoutMs", value, f64::INFINITY, 0.0)
}

fn at_least(name: &str, value: &Scalar, default: f64, min: f64) -> Result<f64, OptionError> {
    match value {
        Scalar::Missing => Ok(default),
        Scalar::Number(number) if *number >= min => Ok(*number),
        Scalar::Number(_) => Err(OptionError::out_of_range(name, format!("a number of at least {min}"), value)),
        _ => Err(OptionError::wrong_type(name, "a number", value)),
    }
}

/// What is known of an error; texts are empty where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// `statusCode`, 0 where there is none.
    pub status: f64,
    /// `code`
    pub code: &'a str,
    /// The cause's `code`.
    pub cause: &'a str,
    /// `name`
    pub name: &'a str,
    /// `message`
    pub message: &'a str,
}

const TRANSIENT: &[&str] = &["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH"];
/// Known as codes only.
const TRANSIENT_CODES: &[&str] = &[
    "ENOTFOUND",
    "EAI_AGAIN",
    "EPIPE",
    "ENETUNREACH",
    "UND_ERR_SOCKET",
    "UND_ERR_CONNECT_TIMEOUT",
    "UND_ERR_HEADERS_TIMEOUT",
    "UND_ERR_BODY_TIMEOUT",
];
/// Looked for in messages too, as whole words.
const WORDS: &[&str] = &["Timeout", "502", "503", "504"];

/// Whether the same call may succeed when it is made again.
pub fn is_transient(seen: &Seen<'_>) -> bool {
    if (400.0..500.0).contains(&seen.status) {
        return false;
    }
    // An open circuit says itself that it wants no more calls.
    if matches!(seen.code, "EAUTH" | "CIRCUIT_BREAKER_OPEN") || seen.message.contains("unauthorized") {
        return false;
    }
    let known = |code: &str| [TRANSIENT, TRANSIENT_CODES, WORDS].iter().any(|list| list.contains(&code));
    known(seen.code)
        || known(seen.cause)
        || [502.0, 503.0, 504.0].contains(&seen.status)
        || matches!(seen.name, "TimeoutError" | "AbortError")
        || TRANSIENT.iter().chain(WORDS).any(|word| has_word(seen.message, word))
}

/// Whether `word` stands in `text` by itself, not as a part of a longer word or number.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |character: Option<char>| character.is_some_and(|found| found.is_alphanumeric() || found == '_');
    text.match_indices(word)
        .any(|(at, found)| !inside(text[..at].chars().next_back()) && !inside(text[at + found.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(jitter: Jitter) -> RetryConfig {
        RetryConfig { jitter, max_delay: 1000.0, ..RetryConfig::default() }
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let delays = [1.0, 2.0, 3.0, 9.0, 1e9].map(|attempt| config(Jitter::None).delay(attempt, 0.0, 0.0, 0.3));
        assert_eq!(delays, [100.0, 200.0, 400.0, 1000.0, 1000.0].map(Some));
    }

    #[test]
    fn equal_jitter_leaves_half_of_the_delay() {
        assert_eq!(config(Jitter::Equal).delay(2.0, 0.0, 0.0, 0.0), Some(100.0));
        assert_eq!(config(Jitter::Equal).delay(2.0, 0.0, 0.0, 1.0), Some(200.0));
    }

    #[test]
    fn decorrelated_jitter_grows_from_the_delay_before() {
        let config = config(Jitter::Decorrelated);
        assert_eq!(config.delay(1.0, 0.0, 0.0, 1.0), Some(300.0));
        assert_eq!(config.delay(2.0, 300.0, 0.0, 0.5), Some(500.0));
        assert_eq!(config.delay(5.0, 300.0, 0.0, 0.0), Some(100.0));
        assert_eq!(config.delay(5.0, 900.0, 0.0, 1.0), Some(1000.0));
    }

    #[test]
    fn what_the_server_asks_for_is_waited_or_refused() {
        assert_eq!(config(Jitter::None).delay(1.0, 0.0, 700.0, 0.0), Some(700.0));
        assert_eq!(config(Jitter::None).delay(1.0, 0.0, 1001.0, 0.0), None);
    }

    #[test]
    fn a_word_counts_only_by_itself() {
        let message = |message| is_transient(&Seen { message, ..Seen::default() });
        assert!(message("HTTP 502: bad gateway") && message("connect ECONNREFUSED 127.0.0.1:1") && message("503"));
        assert!(!message("order 15020 failed") && !message("MyTimeoutish") && !message("") && !message("x503"));
    }

    #[test]
    fn client_errors_and_open_circuits_are_final() {
        assert!(!is_transient(&Seen { status: 429.0, code: "ETIMEDOUT", ..Seen::default() }));
        assert!(!is_transient(&Seen { code: "CIRCUIT_BREAKER_OPEN", message: "Timeout", ..Seen::default() }));
        assert!(!is_transient(&Seen { message: "unauthorized: Timeout", ..Seen::default() }));
        assert!(is_transient(&Seen { cause: "ECONNREFUSED", message: "fetch failed", ..Seen::default() }));
        assert!(is_transient(&Seen { status: 503.0, ..Seen::default() }));
    }
}
