//! Which traces are to be exported: one decision for a trace, the same in every service that sees its id.
//!
//! Consistent probability sampling as OpenTelemetry specifies it: the last 56 bits of the trace id are the
//! random value, and a trace is taken when that value is not below the rejection threshold. Ids of another form are
//! hashed to 56 bits first.

const BITS: u32 = 56;
const HEX_DIGITS: usize = 14;

/// A sampling rate, ready to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// Random values from here on are taken; 2^56 takes none.
    threshold: u64,
}

impl Sampler {
    /// A sampler that takes the given share of the traces, 0 to 1.
    pub fn new(rate: f64) -> Self {
        let span = (1u64 << BITS) as f64;
        Self { threshold: ((1.0 - rate.clamp(0.0, 1.0)) * span) as u64 }
    }

    /// Whether the trace with these random bytes for an id is to be exported.
    pub fn takes_bytes(self, trace_id: [u8; 16]) -> bool {
        u128::from_be_bytes(trace_id) as u64 & ((1 << BITS) - 1) >= self.threshold
    }

    /// Whether the trace is to be exported.
    pub fn takes(self, trace_id: &str) -> bool {
        random_value(trace_id) >= self.threshold
    }
}

fn random_value(trace_id: &str) -> u64 {
    trace_id
        .len()
        .checked_sub(HEX_DIGITS)
        .filter(|_| trace_id.len() == 32 && trace_id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|start| u64::from_str_radix(&trace_id[start..], 16).ok())
        .unwrap_or_else(|| hashed(trace_id) >> (64 - BITS))
}

/// FNV-1a with the finisher of MurmurHash3, which spreads short texts over the high bits.
fn hashed(text: &str) -> u64 {
    let mut hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_takes_none_and_one_takes_all() {
        for id in ["ffffffffffffffffffffffffffffffff", "00000000000000000000000000000001", "req-1", ""] {
            assert!(!Sampler::new(0.0).takes(id), "{id}");
            assert!(Sampler::new(1.0).takes(id), "{id}");
        }
    }

    #[test]
    fn ids_of_any_form_are_taken_at_the_rate() {
        let sampler = Sampler::new(0.25);
        let taken = (0..10_000).filter(|number| sampler.takes(&format!("request-{number}"))).count();
        assert!((2_300..2_700).contains(&taken), "{taken}");
    }

    proptest! {
        #[test]
        fn a_higher_rate_takes_what_a_lower_one_took(id in "[0-9a-f]{32}|\\PC{0,40}", low in 0.0f64..1.0, high in 0.0f64..1.0) {
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!(!Sampler::new(low).takes(&id) || Sampler::new(high).takes(&id));
        }

        #[test]
        fn hex_ids_are_taken_by_their_last_56_bits(random in 0u64..(1 << 56), rate in 0.0f64..1.0) {
            let id = format!("{:018x}{random:014x}", 7);
            let share = random as f64 / (1u64 << 56) as f64;
            prop_assume!((share - (1.0 - rate)).abs() > 1e-9);
            prop_assert_eq!(Sampler::new(rate).takes(&id), share > 1.0 - rate);
        }
    }
}
