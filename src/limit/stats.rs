//! The ratios that statistics show.

use crate::stats::percent;

/// Of the requests decided so far, how many were let through, 0 to 100 %. Waiting ones are not decided.
pub fn allow_rate(allowed: f64, denied: f64) -> String {
    percent(allowed, allowed + denied, "0.00%")
}

/// How much of its limit a client has used up.
pub fn utilization(tokens: f64, limit: f64) -> String {
    percent((limit - tokens).max(0.0), limit, "0.00%")
}

/// A balance as statistics show it, with at most two decimals.
pub fn shown(tokens: f64) -> f64 {
    // Beyond this a float has no decimals, and the multiplication would lose digits.
    if tokens.abs() < 1e13 { (tokens * 100.0).round() / 100.0 } else { tokens }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_ratios_are_defined() {
        assert_eq!(allow_rate(0.0, 0.0), "0.00%");
        assert_eq!(allow_rate(1.0, 2.0), "33.33%");
        assert_eq!(utilization(0.0, 0.0), "0.00%");
        assert_eq!(utilization(7.5, 10.0), "25.00%");
        assert_eq!(utilization(20.0, 10.0), "0.00%");
        assert_eq!(shown(1.005), 1.0);
        assert_eq!(shown(3.333_333), 3.33);
    }
}
