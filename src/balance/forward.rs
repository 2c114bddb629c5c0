//! Sending a request on to a target: how long it may take, and when another target may be asked instead.

use crate::options::{OptionError, Options, Scalar, count, millis};
use std::time::Duration;

/// A proxy's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwardConfig {
    /// Until a connection to the target stands. Default 2 s.
    pub connect_timeout: Duration,
    /// Without a byte in either direction. Default 60 s.
    pub timeout: Duration,
    /// Further targets that are asked where that is safe. Default 2.
    pub retries: u32,
}

impl ForwardConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        Ok(Self {
            connect_timeout: millis(options, "connectTimeoutMs", Duration::from_secs(2))?,
            timeout: millis(options, "timeoutMs", Duration::from_secs(60))?,
            retries: match options.get("retries") {
                Scalar::Number(0.0) => 0,
                _ => count(options, "retries", 2, 0, 100)? as u32,
            },
        })
    }
}

/// How far a request came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The connection stood, so the target may have acted on the request.
    pub connected: bool,
    /// Some of the request's body was read, so it cannot be sent again.
    pub body_begun: bool,
    /// The answer began.
    pub answered: bool,
}

/// Whether another target may be asked: always where the first one never saw the request, and else for methods that are
/// safe by RFC 9110, 9.2.1, which change nothing when they are done twice.
pub fn may_ask_another(method: &str, progress: Progress) -> bool {
    let safe = matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE");
    !progress.answered && !progress.body_begun && (safe || !progress.connected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Progress = Progress { connected: false, body_begun: false, answered: false };

    #[test]
    fn what_the_target_never_saw_may_go_elsewhere() {
        assert!(may_ask_another("POST", REFUSED) && may_ask_another("GET", REFUSED));
    }

    #[test]
    fn what_it_saw_only_where_twice_is_as_good_as_once() {
        let seen = Progress { connected: true, ..REFUSED };
        assert!(may_ask_another("GET", seen) && !may_ask_another("POST", seen) && !may_ask_another("DELETE", seen));
        assert!(!may_ask_another("GET", Progress { answered: true, ..seen }));
        assert!(!may_ask_another("GET", Progress { body_begun: true, ..seen }));
    }

    #[test]
    fn no_retries_can_be_asked_for() {
        let config = ForwardConfig::from_options(&[("retries", Scalar::Number(0.0))][..]).unwrap();
        assert_eq!((config.retries, config.timeout), (0, Duration::from_secs(60)));
    }
}
