//! Open the circuit? A state machine over a passed-in time, after Nygard ("Release It!").
//!
//! Closed counts consecutive failures, and rates over the latest calls where they are configured. Open lets nothing
//! through until the wait since the last failure is over. Half-open lets a few probes through; as many successes as
//! asked for close the circuit, one failure opens it again, for longer if the wait is to grow.
//!
//! Every change of state begins a new generation. The caller remembers the generation in which a call began and
//! reports only outcomes of the current one, so that what ends late decides nothing.

use super::config::BreakerConfig;
use super::window::{Tally, Window};

/// What the circuit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Calls go through.
    #[default]
    Closed,
    /// Calls are refused.
    Open,
    /// A few probes go through.
    HalfOpen,
}

impl State {
    /// The name that callers see.
    pub const fn name(self) -> &'static str {
        match self {
            State::Closed => "CLOSED",
            State::Open => "OPEN",
            State::HalfOpen => "HALF_OPEN",
        }
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<Self> {
        [State::Closed, State::Open, State::HalfOpen].into_iter().find(|state| state.name() == name)
    }
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It goes through.
    Permit,
    /// It goes through as a probe: the end of it has to be reported with [`Breaker::release`].
    Probe,
    /// It is refused.
    Reject,
    /// The circuit has to become half-open first; then ask again.
    HalfOpenFirst,
}

/// The part of the machine that callers read and write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visible {
    /// The state.
    pub state: State,
    /// Failures in a row, while closed.
    pub failures: f64,
    /// Successful probes, while half-open.
    pub successes: f64,
    /// See [`BreakerConfig::failure_threshold`].
    pub failure_threshold: f64,
    /// See [`BreakerConfig::success_threshold`].
    pub success_threshold: f64,
    /// See [`BreakerConfig::reset_timeout`].
    pub reset_timeout: f64,
    /// When the last failure was, in milliseconds of the caller's clock; `NaN` before the first.
    pub last_failure: f64,
    /// When the state changed last.
    pub last_change: f64,
    /// Grows with every change of state.
    pub generation: u32,
    /// Whether the circuit is held open by hand.
    pub isolated: bool,
}

/// One circuit breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    /// What callers see of it.
    pub visible: Visible,
    config: BreakerConfig,
    window: Option<Window>,
    probes: u32,
    failed_probes: i32,
    /// When the machine was last asked to say until when it is quiet.
    quiet_since: f64,
}

impl Breaker {
    /// A closed circuit.
    pub fn new(config: BreakerConfig, now: f64) -> Self {
        let visible = Visible {
            state: State::Closed,
            failures: 0.0,
            successes: 0.0,
            failure_threshold: config.failure_threshold,
            success_threshold: config.success_threshold,
            reset_timeout: config.reset_timeout,
            last_failure: f64::NAN,
            last_change: now,
            generation: 0,
            isolated: false,
        };
        let window = config.rates.map(|rates| Window::new(rates.span));
        Self { visible, config, window, probes: 0, failed_probes: 0, quiet_since: now }
    }

    /// From which duration on, in milliseconds, a success is slow.
    pub fn slow_call_ms(&self) -> f64 {
        self.config.rates.map_or(f64::INFINITY, |rates| rates.slow_call_ms)
    }

    /// Until when a success that is not slow would change no decision, so that it is enough to tell of it later, with
    /// [`Breaker::succeeded_meanwhile`]. 0 when each has to be told.
    pub fn quiet_until(&mut self, now: f64) -> f64 {
        self.quiet_since = now;
        if self.visible.state != State::Closed || self.visible.failures != 0.0 {
            return 0.0;
        }
        let (Some(window), Some(rates)) = (&mut self.window, self.config.rates) else { return f64::INFINITY };
        // A rate of zero is reached by successes alone.
        if rates.failure_rate == 0.0 || (rates.slow_call_ms.is_finite() && rates.slow_call_rate == 0.0) {
            return 0.0;
        }
        window.quiet_until(now).unwrap_or(0.0)
    }

    /// So many calls succeeded, none of them slow, since the circuit said until when it is quiet.
    pub fn succeeded_meanwhile(&mut self, calls: u32) {
        if let Some(window) = &mut self.window {
            window.record_successes(self.quiet_since, calls);
        }
    }

    /// How long the circuit stays open now, in milliseconds.
    pub fn wait(&self) -> f64 {
        let base = self.visible.reset_timeout;
        let grown = base * self.config.reset_timeout_factor.powi(self.failed_probes);
        grown.min(self.config.max_reset_timeout.max(base))
    }

    /// Milliseconds until a probe may go through; 0 when the circuit is not open or the wait is over.
    pub fn remaining(&self, now: f64) -> f64 {
        match self.visible.state {
            State::Open if self.visible.isolated => f64::INFINITY,
            State::Open if !self.is_cool(now) => self.visible.last_failure + self.wait() - now,
            _ => 0.0,
        }
    }

    fn is_cool(&self, now: f64) -> bool {
        // Never failed, but opened by hand: there is no failure to wait for.
        self.visible.last_failure.is_nan() || now - self.visible.last_failure > self.wait()
    }

    /// Decides about a call that begins now.
    pub fn admit(&mut self, now: f64) -> Admission {
        match self.visible.state {
            State::Closed => Admission::Permit,
            State::Open if !self.visible.isolated && self.is_cool(now) => Admission::HalfOpenFirst,
            State::Open => Admission::Reject,
            State::HalfOpen if self.probes < self.config.half_open_probes => {
                self.probes += 1;
                Admission::Probe
            }
            State::HalfOpen => Admission::Reject,
        }
    }

    /// A probe that began in `generation` has ended, whatever came of it.
    pub fn release(&mut self, generation: u32) {
        if generation == self.visible.generation {
            self.probes = self.probes.saturating_sub(1);
        }
    }

    /// A call of this generation succeeded after `duration` milliseconds. The state to go to, if any.
    pub fn succeeded(&mut self, now: f64, duration: f64) -> Option<State> {
        match self.visible.state {
            State::Closed => {
                self.visible.failures = 0.0;
                self.rate_trips(now, false, duration).then_some(State::Open)
            }
            State::HalfOpen => self.probe_succeeded(),
            // Reported from outside, by a caller who does not let the breaker run its calls: that was the probe.
            State::Open if !self.visible.isolated && self.is_cool(now) => Some(State::HalfOpen),
            State::Open => None,
        }
    }

    fn probe_succeeded(&mut self) -> Option<State> {
        self.visible.successes += 1.0;
        (self.visible.successes >= self.visible.success_threshold).then_some(State::Closed)
    }

    /// A call of this generation failed after `duration` milliseconds. The state to go to, if any.
    pub fn failed(&mut self, now: f64, duration: f64) -> Option<State> {
        self.visible.last_failure = now;
        match self.visible.state {
            State::Closed => {
                self.visible.failures += 1.0;
                let rate_trips = self.rate_trips(now, true, duration);
                (rate_trips || self.visible.failures >= self.visible.failure_threshold).then_some(State::Open)
            }
            State::HalfOpen => Some(State::Open),
            State::Open => None,
        }
    }

    fn rate_trips(&mut self, now: f64, failed: bool, duration: f64) -> bool {
        let (Some(window), Some(rates)) = (&mut self.window, self.config.rates) else { return false };
        window.record(now, failed, duration >= rates.slow_call_ms);
        let tally = window.tally(now);
        let enough = tally.calls >= rates.minimum_calls;
        let slow = rates.slow_call_ms.is_finite() && tally.slow_rate() >= rates.slow_call_rate;
        if enough && slow {
            // The wait counts from the last failure; slow calls are what failed here.
            self.visible.last_failure = now;
        }
        enough && (slow || tally.failure_rate() >= rates.failure_rate)
    }

    /// Goes to a state; both counters begin anew.
    pub fn transition(&mut self, to: State, now: f64) {
        match (self.visible.state, to) {
            (State::HalfOpen, State::Open) => self.failed_probes = self.failed_probes.saturating_add(1),
            (_, State::Closed) => self.failed_probes = 0,
            _ => {}
        }
        if to == State::Closed
            && let Some(window) = &mut self.window
        {
            window.clear();
        }
        (self.visible.failures, self.visible.successes) = (0.0, 0.0);
        self.visible.last_change = now;
        self.force(to);
    }

    /// Sets the state as an assignment does: counters and times stay.
    pub fn force(&mut self, to: State) {
        self.visible.state = to;
        self.visible.isolated = false;
        self.visible.generation = self.visible.generation.wrapping_add(1);
        self.probes = 0;
    }

    /// Holds the circuit open until the next transition.
    pub fn isolate(&mut self) {
        self.visible.isolated = self.visible.state == State::Open;
    }

    /// What is in the window at `now`; nothing without one.
    pub fn tally(&mut self, now: f64) -> Tally {
        self.window.as_mut().map(|window| window.tally(now)).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
