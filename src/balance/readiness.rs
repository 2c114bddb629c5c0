//! What a process answers when it is asked whether it is alive, started and ready.
//!
//! The meaning is Kubernetes': a startup that is not over gates the others (nothing is restarted for being slow to
//! start), failing liveness asks for a restart, failing readiness takes traffic away. Resources, which are other
//! people's services, count for readiness only: restarting a process does not repair its database.

use crate::options::{OptionError, Options, number};

/// A probe's settings, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadinessConfig {
    /// From the end of a round of checks to the next. Default 10,000.
    pub polling_interval: f64,
    /// How long one check may take. Default 5000, and never more than the interval.
    pub check_timeout: f64,
    /// For how long the handler answers from what is known. Default 1000.
    pub cache: f64,
}

impl Default for ReadinessConfig {
    fn default() -> Self {
        Self { polling_interval: 10_000.0, check_timeout: 5_000.0, cache: 1_000.0 }
    }
}

impl ReadinessConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let base = Self::default();
        let polling_interval = number(options, "pollingInterval", base.polling_interval, 0.0, f64::INFINITY)?;
        let timeout = base.check_timeout.min(polling_interval);
        Ok(Self {
            polling_interval,
            check_timeout: number(options, "checkTimeoutMs", timeout, 0.0, f64::INFINITY)?,
            cache: number(options, "cacheMs", base.cache, 0.0, f64::INFINITY)?,
        })
    }
}

/// How a process is taken down, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShutdownConfig {
    /// Between failing readiness and refusing connections, so that who sends traffic hears of it. Default 5000; 0 is
    /// a value.
    pub delay: f64,
    /// From the signal to a hard end. Default 30,000.
    pub deadline: f64,
}

impl ShutdownConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        use crate::options::Scalar;
        let delay = match options.get("delayMs") {
            Scalar::Number(0.0) => 0.0,
            _ => number(options, "delayMs", 5_000.0, 0.0, crate::options::MAX_TIMER_MS)?,
        };
        Ok(Self { delay, deadline: number(options, "deadlineMs", 30_000.0, 1.0, crate::options::MAX_TIMER_MS)? })
    }
}

/// What a check has said so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing.
    Pending,
    /// Yes.
    Ready,
    /// No.
    NotReady,
    /// It threw, or took too long.
    Error,
}

impl Status {
    /// From the word callers see; any other word is an error.
    pub fn named(word: &str) -> Self {
        match word {
            "pending" => Status::Pending,
            "ready" => Status::Ready,
            "not-ready" => Status::NotReady,
            _ => Status::Error,
        }
    }
}

/// The states of the checks, by kind.
#[derive(Debug, Clone, Copy)]
pub struct Checks<'a> {
    /// Whether the process is done with its start.
    pub startup: &'a [Status],
    /// Whether it can take traffic.
    pub readiness: &'a [Status],
    /// Whether it works at all.
    pub liveness: &'a [Status],
    /// Whether what it depends on works.
    pub resource: &'a [Status],
    /// Whether its startup was over once: it stays so.
    pub started: bool,
    /// Whether it is on its way out.
    pub leaving: bool,
}

/// A question that the handler answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Is it to be restarted?
    Live,
    /// Is it to get traffic?
    Ready,
    /// Has it started?
    Startup,
}

impl Checks<'_> {
    /// Whether the startup is over, now or before.
    pub fn has_started(&self) -> bool {
        self.started || self.startup.iter().all(|status| *status == Status::Ready)
    }

    /// `None` for yes, else why not.
    pub fn refusal(&self, question: Question) -> Option<String> {
        let waiting = |kind: &str, statuses: &[Status]| {
            let open = statuses.iter().filter(|status| **status != Status::Ready).count();
            (open > 0).then(|| format!("{kind}: {open} of {} not ready", statuses.len()))
        };
        let starting = if self.has_started() { None } else { waiting("startup", self.startup) };
        match question {
            Question::Startup => starting,
            Question::Live => {
                let failing = |status: &&Status| matches!(status, Status::NotReady | Status::Error);
                let failed = self.liveness.iter().filter(failing).count();
                let failed = if starting.is_none() { failed } else { 0 };
                (failed > 0).then(|| format!("liveness: {failed} of {} failing", self.liveness.len()))
            }
            Question::Ready if self.leaving => Some("shutting down".into()),
            Question::Ready => {
                starting.or_else(|| waiting("readiness", self.readiness)).or_else(|| waiting("resource", self.resource))
            }
        }
    }
}

/// The share of checks that failed; 0 without checks.
pub fn failure_rate(passed: f64, failed: f64) -> f64 {
    let checks = passed + failed;
    if checks > 0.0 { failed / checks } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Scalar;

    const NONE: Checks<'_> =
        Checks { startup: &[], readiness: &[], liveness: &[], resource: &[], started: false, leaving: false };

    #[test]
    fn a_process_without_checks_is_alive_started_and_ready() {
        for question in [Question::Live, Question::Ready, Question::Startup] {
            assert_eq!(NONE.refusal(question), None);
        }
    }

    #[test]
    fn startup_gates_the_others() {
        let checks = Checks { startup: &[Status::Pending], liveness: &[Status::Error], ..NONE };
        assert_eq!(checks.refusal(Question::Live), None);
        assert_eq!(checks.refusal(Question::Ready).unwrap(), "startup: 1 of 1 not ready");
        assert_eq!(checks.refusal(Question::Startup).unwrap(), "startup: 1 of 1 not ready");
    }

    #[test]
    fn a_startup_that_was_over_stays_over() {
        let checks = Checks { startup: &[Status::Error], started: true, ..NONE };
        assert_eq!(checks.refusal(Question::Startup), None);
        assert_eq!(checks.refusal(Question::Ready), None);
    }

    #[test]
    fn dependencies_count_for_readiness_and_never_for_liveness() {
        let checks = Checks { resource: &[Status::Ready, Status::Error], readiness: &[Status::Ready], ..NONE };
        assert_eq!(checks.refusal(Question::Live), None);
        assert_eq!(checks.refusal(Question::Ready).unwrap(), "resource: 1 of 2 not ready");
    }

    #[test]
    fn a_check_that_has_not_run_is_alive_but_not_ready() {
        let checks = Checks { liveness: &[Status::Pending], readiness: &[Status::Pending], ..NONE };
        assert_eq!(checks.refusal(Question::Live), None);
        assert!(checks.refusal(Question::Ready).is_some());
        let failing = Checks { liveness: &[Status::NotReady], ..NONE };
        assert_eq!(failing.refusal(Question::Live).unwrap(), "liveness: 1 of 1 failing");
    }

    #[test]
    fn who_is_leaving_takes_no_traffic_but_is_alive() {
        let checks = Checks { leaving: true, ..NONE };
        assert_eq!(checks.refusal(Question::Ready).unwrap(), "shutting down");
        assert_eq!(checks.refusal(Question::Live), None);
    }

    #[test]
    fn a_check_may_not_take_longer_than_a_round() {
        let config = ReadinessConfig::from_options(&[("pollingInterval", Scalar::Number(50.0))][..]).unwrap();
        assert_eq!(config.check_timeout, 50.0);
    }

    #[test]
    fn no_delay_is_a_delay() {
        let config = ShutdownConfig::from_options(&[("delayMs", Scalar::Number(0.0))][..]).unwrap();
        assert_eq!(config, ShutdownConfig { delay: 0.0, deadline: 30_000.0 });
    }
}
