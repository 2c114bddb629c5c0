//! Ids of traces (32 hex digits) and spans (16), from the operating system's random generator.
//!
//! They are handed out in blocks: one string that JavaScript cuts up. A piece keeps its whole block alive, so a block
//! is a few kilobytes at most.

use super::sampler::Sampler;

/// Traces in a block.
pub const TRACES: usize = 64;
/// Hex digits of a trace id and of its root span's id, side by side in a trace block.
pub const TRACE_DIGITS: usize = 32;
/// Hex digits of a span id.
pub const SPAN_DIGITS: usize = 16;
/// Spans in a block.
pub const SPANS: usize = 256;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoRandomness(String);

impl crate::error::Coded for NoRandomness {
    fn code(&self) -> crate::error::Code {
        crate::error::Code::Io
    }

    fn retryable(&self) -> bool {
        true
    }
}

/// A block of trace ids: [`TRACES`] times the id of a trace, then as many digits `1` or `0` that say which of them
/// the sampler takes.
pub fn trace_block(sampler: Sampler) -> Result<String, NoRandomness> {
    let ids: [[u8; TRACE_DIGITS / 2]; TRACES] = random_ids()?;
    let flags = ids.iter().map(|&id| if sampler.takes_bytes(id) { '1' } else { '0' });
    let mut block = encode(&ids);
    block.extend(flags);
    Ok(block)
}

/// A block of span ids: [`SPANS`] times 16 digits.
pub fn span_block() -> Result<String, NoRandomness> {
    let ids: [[u8; SPAN_DIGITS / 2]; SPANS] = random_ids()?;
    Ok(encode(&ids))
}

fn random_ids<const BYTES: usize, const IDS: usize>() -> Result<[[u8; BYTES]; IDS], NoRandomness> {
    let mut ids = [[0; BYTES]; IDS];
    getrandom::fill(ids.as_flattened_mut()).map_err(|error| NoRandomness(error.to_string()))?;
    ids.iter_mut().for_each(never_zero);
    Ok(ids)
}

/// An id of zeros means "no id" to W3C and OpenTelemetry. One in 2^64 draws: any other value will do.
fn never_zero<const BYTES: usize>(id: &mut [u8; BYTES]) {
    if *id == [0; BYTES] {
        id.fill(1);
    }
}

/// The ids as hex digits. Arithmetic instead of a table, so that the compiler does sixteen bytes at a time.
fn encode<const BYTES: usize>(ids: &[[u8; BYTES]]) -> String {
    let digit = |nibble: u8| nibble + b'0' + if nibble > 9 { b'a' - b'0' - 10 } else { 0 };
    let bytes = ids.as_flattened();
    let mut text = Vec::with_capacity(bytes.len() * 2 + TRACES);
    text.resize(bytes.len() * 2, 0);
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    // Hex digits are ASCII, so nothing is ever replaced.
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_hex_and_never_repeat() {
        let (traces, spans) = (trace_block(Sampler::new(1.0)).unwrap(), span_block().unwrap());
        assert_eq!(traces.len(), TRACES * (TRACE_DIGITS + 1));
        assert_eq!(spans.len(), SPANS * SPAN_DIGITS);
        assert!(traces.bytes().chain(spans.bytes()).all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        let ids: HashSet<_> = (0..SPANS).map(|index| &spans[index * SPAN_DIGITS..(index + 1) * SPAN_DIGITS]).collect();
        assert_eq!(ids.len(), SPANS);
    }

    #[test]
    fn the_decision_for_each_trace_follows_its_ids() {
        let sampler = Sampler::new(0.5);
        let block = trace_block(sampler).unwrap();
        let (ids, flags) = block.split_at(TRACES * TRACE_DIGITS);
        for (index, flag) in flags.chars().enumerate() {
            assert_eq!(flag == '1', sampler.takes(&ids[index * TRACE_DIGITS..(index + 1) * TRACE_DIGITS]));
        }
    }

    #[test]
    fn an_id_is_never_zero() {
        let mut id = [0; 8];
        never_zero(&mut id);
        assert_eq!(encode(&[id]), "01".repeat(8));
    }
}
