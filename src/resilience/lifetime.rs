//! How long a result is kept in memory, and which results go first when there are too many.

use crate::options::Scalar;

/// Milliseconds a deduplicated result is kept unless the caller says otherwise: one hour.
pub const RESULT_TTL_MS: f64 = 3_600_000.0;
/// Seconds an entry of the process-wide cache is kept unless the caller says otherwise.
pub const ENTRY_TTL_SECONDS: f64 = 300.0;
/// Entries the process-wide cache holds at most.
pub const MAX_ENTRIES: u32 = 10_000;

/// The lifetime asked for, or `default` where what was asked is no number. Zero and less mean "not kept", `Infinity`
/// means "until it is evicted".
pub fn lifetime(asked: &Scalar, default: f64) -> f64 {
    match asked {
        Scalar::Number(number) if !number.is_nan() => *number,
        _ => default,
    }
}

/// The lifetime of one call's result: the first of `asked` that is a finite number other than 0, else `default`.
/// A negative one means "not kept".
pub fn lifetime_of_call(asked: [&Scalar; 2], default: &Scalar) -> f64 {
    let first = asked.into_iter().find_map(|value| match value {
        Scalar::Number(number) if number.is_finite() && *number != 0.0 => Some(*number),
        _ => None,
    });
    first.unwrap_or_else(|| lifetime(default, RESULT_TTL_MS))
}

/// The stamp up to which entries are to go, so that a tenth of `capacity` is free again: evicting one entry at a time
/// would look through all of them each time. `None` when there is room. The order of `stamps` changes.
pub fn eviction_cutoff(stamps: &mut [f64], capacity: usize) -> Option<f64> {
    let keep = capacity - capacity / 10;
    let surplus = stamps.len().checked_sub(keep).filter(|surplus| *surplus > 0)?;
    let (_, oldest_kept, _) = stamps.select_nth_unstable_by(surplus - 1, f64::total_cmp);
    Some(*oldest_kept)
}

/// The share of `hits` as text: `0%` before the first request, else with two decimals.
pub fn hit_rate(hits: f64, total: f64) -> String {
    if total > 0.0 { format!("{:.2}%", (hits / total * 10_000.0).round() / 100.0) } else { "0%".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_that_is_no_number_is_the_default() {
        for value in [Scalar::Missing, Scalar::Null, Scalar::Number(f64::NAN), Scalar::Text("60".into())] {
            assert_eq!(lifetime(&value, 7.0), 7.0);
        }
        assert_eq!(lifetime(&Scalar::Number(0.0), 7.0), 0.0);
        assert_eq!(lifetime(&Scalar::Number(f64::INFINITY), 7.0), f64::INFINITY);
    }

    #[test]
    fn a_call_takes_the_first_usable_lifetime() {
        let (five, minus, zero) = (Scalar::Number(5.0), Scalar::Number(-1.0), Scalar::Number(0.0));
        let default = Scalar::Number(9.0);
        assert_eq!(lifetime_of_call([&zero, &five], &default), 5.0);
        assert_eq!(lifetime_of_call([&minus, &five], &default), -1.0);
        assert_eq!(lifetime_of_call([&Scalar::Number(f64::INFINITY), &Scalar::Missing], &default), 9.0);
        assert_eq!(lifetime_of_call([&Scalar::Missing, &Scalar::Missing], &Scalar::Null), RESULT_TTL_MS);
    }

    #[test]
    fn a_tenth_is_freed_at_once_oldest_first() {
        let mut stamps: Vec<f64> = (0..101).rev().map(f64::from).collect();
        assert_eq!(eviction_cutoff(&mut stamps, 100), Some(10.0));
        assert_eq!(eviction_cutoff(&mut [1.0, 2.0], 1), Some(1.0));
        assert_eq!(eviction_cutoff(&mut [1.0], 10), None);
    }

    #[test]
    fn a_rate_has_two_decimals() {
        assert_eq!(hit_rate(0.0, 0.0), "0%");
        assert_eq!(hit_rate(2.0, 3.0), "66.67%");
        assert_eq!(hit_rate(1.0, 800.0), "0.13%");
    }
}
