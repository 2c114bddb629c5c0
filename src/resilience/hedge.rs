//! When a slow call gets a second one beside it (Dean and Barroso, "The Tail at Scale", 2013).

use crate::options::{OptionError, Options, Scalar, count};

/// Fewer observations say nothing about a percentile.
const FEWEST: usize = 10;

/// A hedge's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HedgeConfig {
    /// Milliseconds after which a second call is made.
    pub delay: Option<f64>,
    /// Or: as long as this share of the calls takes, in percent.
    pub percentile: Option<f64>,
    /// Calls beside the first one. Default 1.
    pub most: u32,
}

impl HedgeConfig {
    /// Reads the options; `delayMs` or `percentile` has to be there.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let given = |name: &'static str, range: std::ops::RangeInclusive<f64>| match options.get(name) {
            Scalar::Missing | Scalar::Null => Ok(None),
            Scalar::Number(number) if range.contains(&number) => Ok(Some(number)),
            value => {
                let expected = format!("a number from {} to {}", range.start(), range.end());
                Err(OptionError::out_of_range(name, expected, &value))
            }
        };
        let delay = given("delayMs", 0.0..=crate::options::MAX_TIMER_MS)?;
        let percentile = given("percentile", 1.0..=99.99)?;
        if delay.is_none() && percentile.is_none() {
            return Err(OptionError::wrong_type("delayMs", "given, or \"percentile\"", &Scalar::Missing));
        }
        Ok(Self { delay, percentile, most: count(options, "maxHedges", 1, 1, 10)? as u32 })
    }
}

/// How long to wait for the first call, from the latencies seen (nearest rank); `None`: too few are known. The order of
/// `latencies` changes.
pub fn delay(latencies: &mut [f64], percentile: f64) -> Option<f64> {
    if latencies.len() < FEWEST {
        return None;
    }
    let rank = ((percentile / 100.0 * latencies.len() as f64).ceil() as usize).clamp(1, latencies.len());
    let (_, value, _) = latencies.select_nth_unstable_by(rank - 1, f64::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_the_latency_at_the_percentile() {
        let mut latencies: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(delay(&mut latencies, 95.0), Some(95.0));
        assert_eq!(delay(&mut latencies, 1.0), Some(1.0));
        assert_eq!(delay(&mut latencies[..9], 95.0), None);
    }

    #[test]
    fn either_of_the_two_has_to_be_there() {
        assert!(HedgeConfig::from_options(&[][..] as &[(&str, Scalar)]).is_err());
        let config = HedgeConfig::from_options(&[("delayMs", Scalar::Number(0.0))][..]).unwrap();
        assert_eq!(config, HedgeConfig { delay: Some(0.0), percentile: None, most: 1 });
    }
}
