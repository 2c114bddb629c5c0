//! When a batch that did not arrive is sent again: what the OTLP specification says about it (OTLP/HTTP, "Failures"
//! and "Throttling"), with exponential growth and jitter.

use std::time::{Duration, SystemTime};

/// The longest wait before the first repetition.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait, but for one that the collector asks for.
const CEILING: Duration = Duration::from_secs(10);
/// The longest wait that a collector may ask for.
const MOST_ASKED: Duration = Duration::from_secs(300);

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The collector has the spans.
    Delivered,
    /// It may take them later, not before the time it asked for.
    Later(Option<Duration>),
    /// It will never take them.
    Refused,
}

impl Outcome {
    /// By an answer's status and its `Retry-After` header.
    pub fn of_status(status: u16, retry_after: Option<&str>, now: SystemTime) -> Self {
        match status {
            200..=299 => Self::Delivered,
            429 | 502 | 503 | 504 => Self::Later(retry_after.and_then(|header| asked(header, now))),
            _ => Self::Refused,
        }
    }
}

/// `Retry-After` as seconds or as a date.
fn asked(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(header).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(MOST_ASKED))
}

/// The wait before repetition number `attempt` (from 0); `random` is between 0 and 1. Half of it is random, so that
/// services which failed together do not return together; what the collector asked for is always waited.
pub fn wait(attempt: u32, asked: Option<Duration>, random: f64) -> Duration {
    let longest = FIRST.saturating_mul(1u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(CEILING);
    longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0).max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_ceiling_and_half_of_them_is_random() {
        let waits = [0, 1, 2, 10, 40].map(|attempt| wait(attempt, None, 1.0).as_millis());
        assert_eq!(waits, [500, 1_000, 2_000, 10_000, 10_000]);
        assert_eq!(wait(0, None, 0.0).as_millis(), 250);
    }

    #[test]
    fn what_the_collector_asks_for_is_waited() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let later = |header| Outcome::of_status(503, Some(header), now);
        assert_eq!(later("7"), Outcome::Later(Some(Duration::from_secs(7))));
        assert_eq!(later("Sun, 06 Nov 1994 08:50:07 GMT"), Outcome::Later(Some(Duration::from_secs(30))));
        assert_eq!(later("Sun, 06 Nov 1994 08:40:00 GMT"), Outcome::Later(Some(Duration::ZERO)));
        assert_eq!(later("99999999999"), Outcome::Later(Some(MOST_ASKED)));
        assert_eq!(later("soon"), Outcome::Later(None));
        assert_eq!(wait(0, Some(Duration::from_secs(7)), 1.0), Duration::from_secs(7));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let of = |status| Outcome::of_status(status, None, SystemTime::UNIX_EPOCH);
        assert_eq!([200, 202].map(of), [Outcome::Delivered; 2]);
        assert_eq!([429, 502, 503, 504].map(of), [Outcome::Later(None); 4]);
        assert_eq!([301, 400, 401, 404, 413, 500, 501].map(of), [Outcome::Refused; 7]);
    }
}
