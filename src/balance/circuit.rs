//! One target's breaker inside a router: so many failures take it out for a while, then one request tries it.

/// A target's breaker; times are milliseconds of the caller's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circuit {
    /// Whether the target is out.
    pub tripped: bool,
    /// Failures, each success takes one away.
    pub failures: f64,
    /// Successes since it tripped or was reset.
    pub successes: f64,
    /// When the last failure was; `NaN` before the first.
    pub last_failure: f64,
    /// Failures that trip it. Default 5.
    pub threshold: f64,
    /// Milliseconds after the last failure until it is tried again. Default 60,000.
    pub timeout: f64,
    trial: Trial,
}

/// What a target that was out may get.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trial {
    /// It is not on trial.
    None,
    /// The next request is the trial.
    Due,
    /// A request is under way since then.
    Running(f64),
}

/// What an outcome or the time has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The target went out.
    Tripped,
    /// It is back.
    Reset,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            tripped: false,
            failures: 0.0,
            successes: 0.0,
            last_failure: f64::NAN,
            threshold: 5.0,
            timeout: 60_000.0,
            trial: Trial::None,
        }
    }
}

impl Circuit {
    /// Whether a request may go there now.
    pub fn admits(&self) -> bool {
        !self.tripped && !matches!(self.trial, Trial::Running(_))
    }

    /// A request goes there. Whether others have to stay away from now on.
    pub fn begins(&mut self, now: impl FnOnce() -> f64) -> bool {
        if self.trial != Trial::Due {
            return false;
        }
        self.trial = Trial::Running(now());
        true
    }

    /// When [`Circuit::wake`] has something to do; infinite for never.
    pub fn due(&self) -> f64 {
        match self.trial {
            Trial::Running(since) => since + self.timeout,
            _ if self.tripped && self.last_failure.is_nan() => f64::NEG_INFINITY,
            _ if self.tripped => self.last_failure + self.timeout,
            _ => f64::INFINITY,
        }
    }

    /// What the time has changed: a target that was out long enough is tried again, and a trial that nobody reported
    /// within the timeout counts as passed, since not every caller reports successes.
    pub fn wake(&mut self, now: f64) -> Option<Turn> {
        // Also where a breaker that was tripped by hand has never failed.
        if now < self.due() {
            return None;
        }
        if matches!(self.trial, Trial::Running(_)) {
            self.trial = Trial::None;
            return None;
        }
        self.reset();
        self.trial = Trial::Due;
        Some(Turn::Reset)
    }

    /// A request failed.
    pub fn failed(&mut self, now: f64) -> Option<Turn> {
        self.failures += 1.0;
        self.last_failure = now;
        let out = self.failures >= self.threshold || self.trial != Trial::None;
        self.trial = Trial::None;
        if self.tripped || !out {
            return None;
        }
        (self.tripped, self.successes) = (true, 0.0);
        Some(Turn::Tripped)
    }

    /// A request succeeded; more than half the threshold of successes bring back a target that is out.
    pub fn succeeded(&mut self) -> Option<Turn> {
        self.successes += 1.0;
        self.failures = (self.failures - 1.0).max(0.0);
        self.trial = Trial::None;
        if !self.tripped || self.successes <= self.threshold / 2.0 {
            return None;
        }
        self.reset();
        Some(Turn::Reset)
    }

    /// As if nothing had happened.
    pub fn reset(&mut self) {
        let Self { last_failure, threshold, timeout, .. } = *self;
        *self = Self { last_failure, threshold, timeout, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tripped() -> Circuit {
        let mut circuit = Circuit::default();
        let turns: Vec<_> = (0..7).map(|_| circuit.failed(1000.0)).collect();
        assert_eq!(turns, [None, None, None, None, Some(Turn::Tripped), None, None]);
        circuit
    }

    #[test]
    fn it_trips_once_whatever_fails_after_that() {
        assert!(!tripped().admits());
    }

    #[test]
    fn after_the_timeout_one_request_tries_it() {
        let mut circuit = tripped();
        assert_eq!(circuit.wake(60_999.0), None);
        assert_eq!(circuit.wake(61_000.0), Some(Turn::Reset));
        assert!(circuit.admits());
        assert!(circuit.begins(|| 61_000.0));
        assert!(!circuit.admits());
        assert_eq!(circuit.failed(61_001.0), Some(Turn::Tripped));
        assert_eq!(circuit.wake(121_001.0), Some(Turn::Reset));
        assert!(circuit.begins(|| 121_001.0));
        assert_eq!(circuit.succeeded(), None);
        assert!(circuit.admits() && !circuit.begins(|| 0.0));
    }

    #[test]
    fn a_trial_that_nobody_reports_counts_as_passed() {
        let mut circuit = tripped();
        circuit.wake(61_000.0);
        circuit.begins(|| 61_000.0);
        assert_eq!(circuit.due(), 121_000.0);
        assert_eq!(circuit.wake(121_000.0), None);
        assert!(circuit.admits() && circuit.due().is_infinite());
    }

    #[test]
    fn successes_bring_it_back_early_and_make_up_for_failures() {
        let mut circuit = tripped();
        assert_eq!([circuit.succeeded(), circuit.succeeded(), circuit.succeeded()], [None, None, Some(Turn::Reset)]);
        circuit.failed(5.0);
        circuit.succeeded();
        assert_eq!(circuit.failures, 0.0);
    }
}
