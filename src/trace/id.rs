//! Ids of traces (32 hex digits) and spans (16), from ChaCha12 with keys of the operating system's random generator: asking
//! the system for each id was 4 % of what a span costs.
//!
//! They are handed out in blocks: one string that JavaScript cuts up. A piece keeps its whole block alive, so a block
//! is a few kilobytes at most.

use super::sampler::Sampler;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

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

/// The ids of a block of spans.
type SpanIds = [[u8; SPAN_DIGITS / 2]; SPANS];

/// The blocks of span ids that were drawn last. Ids are numbered as they are drawn, and JavaScript tells the exporter of
/// an id by its number. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DrawnIds {
    blocks: VecDeque<Arc<SpanIds>>,
    /// The number of the first id that is still known, in blocks.
    first: u32,
}

impl DrawnIds {
    /// Numbers stay below it and begin anew.
    const NUMBERS: u32 = 1 << 30;
    /// Blocks that are kept: as many ids as spans wait for their export by default.
    const BLOCKS: usize = 32;
    /// So many ids before the one drawn last are known for certain.
    pub const KEPT: usize = (Self::BLOCKS - 1) * SPANS;

    /// Draws a block: [`SPANS`] times 16 digits. `keep` says whether numbers will be asked for.
    pub fn draw(&mut self, keep: bool) -> Result<String, NoRandomness> {
        let ids: SpanIds = random_ids()?;
        if keep {
            self.blocks.push_back(Arc::new(ids));
            if self.blocks.len() > Self::BLOCKS {
                self.blocks.pop_front();
                self.first = (self.first + 1) % (Self::NUMBERS / SPANS as u32);
            }
        }
        Ok(encode(&ids))
    }

    /// Memory of the ids.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * size_of::<SpanIds>()
    }

    /// The id of this number, unless it was drawn too long ago.
    pub fn get(&self, number: u32) -> Option<u64> {
        let place = number.wrapping_sub(self.first * SPANS as u32) % Self::NUMBERS;
        let (block, at) = (place as usize / SPANS, place as usize % SPANS);
        self.blocks.get(block).map(|ids| u64::from_be_bytes(ids[at]))
    }
}

fn random_ids<const BYTES: usize, const IDS: usize>() -> Result<[[u8; BYTES]; IDS], NoRandomness> {
    let mut ids = [[0; BYTES]; IDS];
    fill(ids.as_flattened_mut())?;
    ids.iter_mut().for_each(never_zero);
    Ok(ids)
}

/// Bytes that are drawn with one key.
const BYTES_OF_KEY: usize = 1024 * 1024;

fn fill(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    thread_local! {
        /// The generator and the bytes that its key is still good for.
        static GENERATOR: RefCell<Option<(StdRng, usize)>> = const { RefCell::new(None) };
    }
    GENERATOR.with_borrow_mut(|slot| {
        let (generator, left) = match slot {
            Some((generator, left)) if *left >= bytes.len() => (generator, left),
            _ => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(|error| NoRandomness(error.to_string()))?;
                let (generator, left) = slot.insert((StdRng::from_seed(key), BYTES_OF_KEY));
                (generator, left)
            }
        };
        *left -= bytes.len();
        generator.fill_bytes(bytes);
        Ok(())
    })
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
        let (traces, spans) = (trace_block(Sampler::new(1.0)).unwrap(), DrawnIds::default().draw(false).unwrap());
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
    fn ids_are_known_by_their_numbers_for_a_while() {
        let mut drawn = DrawnIds { first: DrawnIds::NUMBERS / SPANS as u32 - 2, ..DrawnIds::default() };
        let start = drawn.first * SPANS as u32;
        let text: String = (0..DrawnIds::BLOCKS + 3).map(|_| drawn.draw(true).unwrap()).collect();
        let count = text.len() / SPAN_DIGITS;
        for index in 0..count {
            let number = (start + index as u32) % DrawnIds::NUMBERS;
            let id = u64::from_str_radix(&text[index * SPAN_DIGITS..(index + 1) * SPAN_DIGITS], 16).unwrap();
            let is_known = index >= 3 * SPANS;
            assert_eq!(drawn.get(number), is_known.then_some(id), "{index}");
            assert!(is_known || count - 1 - index >= DrawnIds::KEPT);
        }
        assert_eq!(drawn.get((start + count as u32) % DrawnIds::NUMBERS), None);
    }

    #[test]
    fn an_id_is_never_zero() {
        let mut id = [0; 8];
        never_zero(&mut id);
        assert_eq!(encode(&[id]), "01".repeat(8));
    }
}
