//! Which targets are worse than they may be, as Envoy's outlier detection finds them: a target that fails too large a
//! share of its requests is sent away for a while, each time for longer, but never too many of them at once.

use crate::options::{OptionError, Options, Scalar, count, number};

/// When a target is ejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlierConfig {
    /// Share of failed requests from which on a target is ejected, 0 to 1. Default 0.5.
    pub failure_rate: f64,
    /// Requests within the interval below which nobody is judged. Default 20.
    pub minimum_requests: u32,
    /// Milliseconds over which requests are counted. Default 10,000.
    pub interval: f64,
    /// Milliseconds of the first ejection; the second takes twice, the third three times as long. Default 30,000.
    pub base_ejection: f64,
    /// The longest ejection in milliseconds. Default 300,000.
    pub max_ejection: f64,
    /// Share of a service's targets that are ejected at most, in percent; one always may be. Default 50.
    pub max_percent: f64,
}

impl OutlierConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let millis = |name, default| number(options, name, default, 1.0, f64::INFINITY);
        Ok(Self {
            failure_rate: number(options, "failureRate", 0.5, 0.0, 1.0)?,
            minimum_requests: count(options, "minimumRequests", 20, 1, 1_000_000)? as u32,
            interval: millis("intervalMs", 10_000.0)?,
            base_ejection: millis("baseEjectionMs", 30_000.0)?,
            max_ejection: millis("maxEjectionMs", 300_000.0)?,
            max_percent: match options.get("maxEjectionPercent") {
                Scalar::Number(0.0) => 0.0,
                _ => number(options, "maxEjectionPercent", 50.0, 0.0, 100.0)?,
            },
        })
    }

    /// How many of so many targets may be away at once.
    pub fn most(&self, targets: usize) -> usize {
        ((targets as f64 * self.max_percent / 100.0).floor() as usize).max(1)
    }
}

/// What a target has done lately.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Record {
    since: f64,
    requests: u32,
    failures: u32,
    ejections: u32,
    /// Until when it is away; 0 when it is not.
    pub until: f64,
}

impl Record {
    /// A request has ended. Whether the target deserves to be ejected.
    pub fn note(&mut self, config: &OutlierConfig, now: f64, failed: bool) -> bool {
        if now - self.since >= config.interval {
            // A whole interval that was good enough takes back one step of the growing times.
            let good = self.requests > 0 && f64::from(self.failures) < config.failure_rate * f64::from(self.requests);
            self.ejections -= u32::from(good && self.until == 0.0 && self.ejections > 0);
            (self.since, self.requests, self.failures) = (now, 0, 0);
        }
        self.requests += 1;
        self.failures += u32::from(failed);
        let rate = f64::from(self.failures) / f64::from(self.requests);
        failed && self.until == 0.0 && self.requests >= config.minimum_requests && rate >= config.failure_rate
    }

    /// Sends it away; for how many milliseconds.
    pub fn eject(&mut self, config: &OutlierConfig, now: f64) -> f64 {
        self.ejections = self.ejections.saturating_add(1);
        let time =
            (config.base_ejection * f64::from(self.ejections)).min(config.max_ejection.max(config.base_ejection));
        (self.requests, self.failures) = (0, 0);
        self.until = now + time;
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> OutlierConfig {
        OutlierConfig::from_options(&[][..]).unwrap()
    }

    #[test]
    fn a_share_of_failures_over_enough_requests_ejects() {
        let mut record = Record::default();
        let marks: Vec<_> = (0..20).map(|number| record.note(&config(), 5.0, number % 2 == 1)).collect();
        assert!(marks[..19].iter().all(|mark| !mark) && marks[19]);
    }

    #[test]
    fn each_time_takes_longer_up_to_a_limit() {
        let (config, mut record) = (config(), Record::default());
        let times: Vec<_> = (0..12).map(|_| record.eject(&config, 0.0)).collect();
        assert_eq!((times[0], times[1], times[11]), (30_000.0, 60_000.0, 300_000.0));
        record.until = 0.0;
        // A good interval takes one step back.
        record.note(&config, 20_000.0, false);
        record.note(&config, 40_000.0, false);
        assert_eq!(record.ejections, 11);
    }

    #[test]
    fn not_everybody_goes_but_one_always_may() {
        assert_eq!((config().most(10), config().most(1), config().most(0)), (5, 1, 1));
    }
}
