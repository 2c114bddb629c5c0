//! When which purge goes out. A state machine over a passed-in time (milliseconds).
//!
//! Tags that come within [`CdnConfig::batch_ms`] share a request; one request is under way at a time, so that purges keep
//! their order; no more go out than [`CdnConfig::requests_per_second`]. What failed for a passing reason goes out again,
//! after a wait that doubles from 250 ms to 30 s, or as long as the provider asked for.

use super::config::CdnConfig;
use super::provider::Purge;
use std::collections::{HashSet, VecDeque};

const FIRST_WAIT: f64 = 250.0;
const LONGEST_WAIT: f64 = 30_000.0;

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Send this, and report how it ended.
    Send(Purge),
    /// Ask again after so many milliseconds.
    Wait(f64),
    /// Nothing is waiting, or the request under way has to end first.
    Rest,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ended {
    /// The provider let go.
    Purged,
    /// It has to go out again; it waits already.
    Again,
    /// It will not be tried again.
    Failed,
}

/// Counters; they only grow, but for `pending`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CdnStats {
    /// Tags that wait.
    pub pending: usize,
    /// Requests that went out.
    pub requests: u64,
    /// Tags that the provider let go of.
    pub purged: u64,
    /// Requests that went out again.
    pub retried: u64,
    /// Tags that were given up.
    pub failed: u64,
    /// Times that everything was purged because too much was waiting.
    pub escalated: u64,
}

/// Purges on their way out.
#[derive(Default)]
pub struct Queue {
    waiting: VecDeque<String>,
    known: HashSet<String>,
    everything: bool,
    under_way: Option<Purge>,
    since: f64,
    not_before: f64,
    attempts: u32,
    stats: CdnStats,
}

impl Queue {
    /// Takes encoded tags. What waits already waits once.
    pub fn add(&mut self, config: &CdnConfig, tags: impl IntoIterator<Item = String>, now: f64) {
        if self.is_empty() {
            self.since = now;
        }
        for tag in tags {
            if !self.everything && self.known.insert(tag.clone()) {
                self.waiting.push_back(tag);
            }
        }
        if self.waiting.len() > config.max_pending {
            self.stats.escalated += 1;
            self.add_everything(now);
        }
    }

    /// Purges everything, and with it what waits.
    pub fn add_everything(&mut self, now: f64) {
        if self.is_empty() {
            self.since = now;
        }
        self.everything = true;
        self.waiting.clear();
        self.known.clear();
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.everything
    }

    /// What to do at `now`. `hurry`: without waiting for others to share the request.
    pub fn next(&mut self, config: &CdnConfig, now: f64, hurry: bool) -> Next {
        if self.is_empty() || self.under_way.is_some() {
            return Next::Rest;
        }
        let full = self.waiting.len() >= config.max_batch || hurry;
        let linger = if full { now } else { self.since + config.batch_ms };
        let due = linger.max(self.not_before);
        if due > now {
            return Next::Wait(due - now);
        }
        let purge = if self.everything {
            self.everything = false;
            Purge::All
        } else {
            let count = self.waiting.len().min(config.max_batch);
            let tags: Vec<String> = self.waiting.drain(..count).collect();
            tags.iter().for_each(|tag| {
                self.known.remove(tag);
            });
            Purge::Tags(tags)
        };
        self.under_way = Some(purge.clone());
        self.stats.requests += 1;
        self.not_before = now + 1000.0 / config.requests_per_second;
        Next::Send(purge)
    }

    /// The request under way ended with this HTTP status (0: no answer). `retry_after`: milliseconds that the provider
    /// asked to be left alone, or `NaN`.
    pub fn ended(&mut self, config: &CdnConfig, status: u16, retry_after: f64, now: f64) -> Ended {
        let Some(purge) = self.under_way.take() else { return Ended::Failed };
        let count = if let Purge::Tags(tags) = &purge { tags.len() as u64 } else { 1 };
        self.since = now;
        if (200..300).contains(&status) {
            self.attempts = 0;
            self.stats.purged += count;
            return Ended::Purged;
        }
        let passing = status == 0 || status == 408 || status == 425 || status == 429 || status >= 500;
        if !passing || self.attempts >= config.retries {
            self.attempts = 0;
            self.stats.failed += count;
            return Ended::Failed;
        }
        let doubled = (FIRST_WAIT * 2f64.powi(self.attempts as i32)).min(LONGEST_WAIT);
        // 0 and NaN leave the doubled wait.
        self.not_before = now + if retry_after > 0.0 { retry_after.min(LONGEST_WAIT) } else { doubled };
        self.attempts += 1;
        self.stats.retried += 1;
        match purge {
            Purge::All => self.add_everything(now),
            Purge::Tags(tags) if !self.everything => {
                for tag in tags.into_iter().rev() {
                    if self.known.insert(tag.clone()) {
                        self.waiting.push_front(tag);
                    }
                }
            }
            // What waits covers it.
            Purge::Tags(_) => {}
        }
        Ended::Again
    }

    /// The counters.
    pub fn stats(&self) -> CdnStats {
        CdnStats { pending: self.waiting.len() + usize::from(self.everything), ..self.stats }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Scalar;
    use proptest::prelude::*;

    fn config(max_pending: f64) -> CdnConfig {
        let options = [
            ("provider", Scalar::Text("varnish".into())),
            ("url", Scalar::Text("http://127.0.0.1".into())),
            ("maxPending", Scalar::Number(max_pending)),
            ("maxBatch", Scalar::Number(3.0)),
            ("retries", Scalar::Number(2.0)),
        ];
        CdnConfig::from_options(&options[..]).ok().unwrap()
    }

    fn tags(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn tags_that_come_together_share_a_request_and_the_rate_is_held() {
        let config = config(100.0);
        let mut queue = Queue::default();
        queue.add(&config, tags(&["a", "b", "a"]), 0.0);
        assert_eq!(queue.next(&config, 5.0, false), Next::Wait(15.0));
        assert_eq!(queue.next(&config, 20.0, false), Next::Send(Purge::Tags(tags(&["a", "b"]))));
        queue.add(&config, tags(&["c", "d", "e", "f"]), 21.0);
        assert_eq!(queue.next(&config, 22.0, false), Next::Rest);
        assert_eq!(queue.ended(&config, 200, f64::NAN, 23.0), Ended::Purged);
        assert_eq!(queue.next(&config, 23.0, false), Next::Wait(97.0));
        assert_eq!(queue.next(&config, 120.0, false), Next::Send(Purge::Tags(tags(&["c", "d", "e"]))));
    }

    #[test]
    fn a_passing_failure_is_tried_again_and_a_refusal_is_not() {
        let config = config(100.0);
        let mut queue = Queue::default();
        queue.add(&config, tags(&["a"]), 0.0);
        let mut now = 1000.0;
        for (status, wait) in [(503, 250.0), (0, 500.0)] {
            assert!(matches!(queue.next(&config, now, false), Next::Send(_)));
            assert_eq!(queue.ended(&config, status, f64::NAN, now), Ended::Again);
            assert_eq!(queue.next(&config, now, false), Next::Wait(wait));
            now += wait;
        }
        assert!(matches!(queue.next(&config, now, false), Next::Send(_)));
        assert_eq!(queue.ended(&config, 503, f64::NAN, now), Ended::Failed);
        queue.add(&config, tags(&["b"]), now);
        assert!(matches!(queue.next(&config, now + 1000.0, false), Next::Send(_)));
        assert_eq!(queue.ended(&config, 403, f64::NAN, now), Ended::Failed);
        assert_eq!(queue.stats().failed, 2);
    }

    #[test]
    fn the_provider_says_how_long_to_wait() {
        let config = config(100.0);
        let mut queue = Queue::default();
        queue.add(&config, tags(&["a"]), 0.0);
        assert!(matches!(queue.next(&config, 100.0, false), Next::Send(_)));
        assert_eq!(queue.ended(&config, 429, 4000.0, 100.0), Ended::Again);
        assert_eq!(queue.next(&config, 100.0, true), Next::Wait(4000.0));
    }

    #[test]
    fn beyond_the_bound_everything_goes_rather_than_nothing() {
        let config = config(5.0);
        let mut queue = Queue::default();
        queue.add(&config, (0..6).map(|tag| tag.to_string()), 0.0);
        assert_eq!(queue.next(&config, 1000.0, false), Next::Send(Purge::All));
        assert_eq!(queue.stats().escalated, 1);
    }

    proptest! {
        #[test]
        fn every_tag_is_purged_after_it_was_asked_for(steps in prop::collection::vec((0u8..20, 0u8..4), 1..200)) {
            let config = config(8.0);
            let mut queue = Queue::default();
            let (mut now, mut owed) = (0.0, std::collections::BTreeSet::new());
            let settle = |queue: &mut Queue, owed: &mut std::collections::BTreeSet<String>, now: f64, status: u16| {
                if let Next::Send(purge) = queue.next(&config, now, false) {
                    let sent: Vec<String> = match &purge {
                        Purge::All => owed.iter().cloned().collect(),
                        Purge::Tags(tags) => tags.clone(),
                    };
                    if queue.ended(&config, status, f64::NAN, now) == Ended::Purged {
                        sent.iter().for_each(|tag| { owed.remove(tag); });
                    }
                }
            };
            for (tag, outcome) in steps {
                now += 200.0;
                queue.add(&config, [tag.to_string()], now);
                owed.insert(tag.to_string());
                // Never so many failures in a row that a purge is given up.
                settle(&mut queue, &mut owed, now, if outcome == 0 && may_fail(now) { 503 } else { 200 });
            }
            for _ in 0..100 {
                now += 40_000.0;
                settle(&mut queue, &mut owed, now, 200);
            }
            prop_assert!(owed.is_empty(), "{:?}", owed);
        }
    }

    /// Every other step may fail.
    fn may_fail(now: f64) -> bool {
        ((now / 200.0) as u64).is_multiple_of(2)
    }
}
