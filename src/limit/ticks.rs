//! The refill's time: equal steps counted from the moment refilling started.

/// The ticks of one limiter. All its buckets are refilled at the same moments.
#[derive(Debug, Clone)]
pub struct Ticks {
    interval_ms: f64,
    origin_ms: f64,
    held: Option<u64>,
}

impl Ticks {
    /// Ticks that stand still at zero until [`Ticks::start`].
    pub fn new(interval_ms: f64) -> Self {
        Self { interval_ms, origin_ms: 0.0, held: Some(0) }
    }

    /// Counts from `now`, unless it does already.
    pub fn start(&mut self, now: f64) {
        if let Some(tick) = self.held.take() {
            self.origin_ms = now - tick as f64 * self.interval_ms;
        }
    }

    /// Stands still at the tick of `now`, until started again.
    pub fn stop(&mut self, now: f64) {
        self.held = Some(self.at(now));
    }

    /// Whether ticks pass at all.
    pub fn running(&self) -> bool {
        self.held.is_none()
    }

    /// The tick that `now` belongs to.
    pub fn at(&self, now: f64) -> u64 {
        self.held.unwrap_or(((now - self.origin_ms) / self.interval_ms) as u64)
    }

    /// When `tick` begins; never, if ticks stand still.
    pub fn begins(&self, tick: u64) -> f64 {
        if self.running() { self.origin_ms + tick as f64 * self.interval_ms } else { f64::INFINITY }
    }

    /// The first tick that begins at or after `time`.
    pub fn first_from(&self, time: f64) -> u64 {
        ((time - self.origin_ms) / self.interval_ms).ceil() as u64
    }

    /// What a refill of `rate` tokens a second adds at each tick.
    pub fn step(&self, rate: f64) -> f64 {
        if self.running() { rate * self.interval_ms / 1e3 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_counted_from_the_start() {
        let mut ticks = Ticks::new(100.0);
        assert_eq!((ticks.at(5000.0), ticks.begins(1)), (0, f64::INFINITY));
        ticks.start(1000.0);
        assert_eq!((ticks.at(1000.0), ticks.at(1099.9), ticks.at(1100.0)), (0, 0, 1));
        assert_eq!(ticks.begins(3), 1300.0);
        assert_eq!(ticks.first_from(1101.0), 2);
    }

    #[test]
    fn stopped_ticks_stand_still() {
        let mut ticks = Ticks::new(100.0);
        ticks.start(0.0);
        ticks.stop(250.0);
        assert_eq!((ticks.at(9e9), ticks.step(10.0)), (2, 0.0));
        ticks.start(1000.0);
        assert_eq!((ticks.at(1000.0), ticks.at(1100.0)), (2, 3));
    }
}
