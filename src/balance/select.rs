//! What is known of one target, and what asking it would cost: for two choices (Mitzenmacher, "The Power of Two Choices",
//! 2001) by peak EWMA as in Finagle, latency × (requests under way + 1), where a latency above the average counts at once
//! and one below it slowly.

/// What is known of one target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Share of the requests against the others'.
    pub weight: f64,
    /// Requests recorded.
    pub requests: f64,
    /// Requests under way.
    pub active: u32,
    /// Peak EWMA of the latency in milliseconds; 0 before the first.
    pub latency: f64,
}

impl Load {
    /// Nothing is known yet. A weight that is not positive counts as 1.
    pub fn new(weight: f64) -> Self {
        let weight = if weight > 0.0 && weight.is_finite() { weight } else { 1.0 };
        Self { weight, requests: 0.0, active: 0, latency: 0.0 }
    }

    /// A request has ended after so many milliseconds.
    pub fn record(&mut self, latency: f64) {
        self.requests += 1.0;
        if latency.is_finite() && latency >= 0.0 {
            let rises = self.latency == 0.0 || latency > self.latency;
            self.latency = if rises { latency } else { self.latency * 0.9 + latency * 0.1 };
        }
    }

    /// What asking it would cost. A target nobody has an answer of yet costs nothing, until it is asked: then it is the
    /// last resort until it has answered, so that it is not flooded.
    pub fn cost(&self) -> f64 {
        let load = f64::from(self.active) + 1.0;
        match (self.latency == 0.0, self.active) {
            (true, 0) => 0.0,
            (true, _) => f64::MAX / 2.0 + load,
            _ => self.latency * load / self.weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_rises_at_once_and_falls_slowly() {
        let mut load = Load::new(f64::NAN);
        load.record(10.0);
        load.record(f64::NAN);
        load.record(100.0);
        load.record(0.0);
        assert_eq!((load.latency, load.requests, load.weight), (90.0, 4.0, 1.0));
    }
}
