//! Ids of traces (32 hex digits) and spans (16), from ChaCha12 with keys of the operating system's random generator: asking
//! the system for each id was 4 % of what a span costs.
//!
//! They are handed out in blocks: one string that JavaScript cuts up. A piece keeps its whole block alive, so a block
//! is a few kilobytes at most, and what is sampled, and kept for long, has blocks of its own: from common ones, the ids of
//! 10,000 traces sampled at 10 % kept those of 100,000.

use super::sampler::Sampler;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

/// Traces that are decided about at once.
pub const TRACES: usize = 128;
/// Hex digits of a trace id.
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

/// The ids of [`TRACES`] traces.
#[derive(Debug)]
pub struct TraceBlock {
    /// A digit for each trace, in the order of their drawing: `1` where the sampler takes it.
    pub decisions: String,
    /// The ids that the sampler takes, one after the other.
    pub taken: String,
    /// The ids that it does not take.
    pub left: String,
}

impl TraceBlock {
    /// Draws a block.
    pub fn draw(sampler: Sampler) -> Result<Self, NoRandomness> {
        let ids: [[u8; TRACE_DIGITS / 2]; TRACES] = random_ids()?;
        // In one pass and in place: this is drawn for every 128 traces.
        let mut sorted = ids;
        let (mut decisions, mut taken, mut left) = (String::with_capacity(TRACES), 0, TRACES);
        for id in ids {
            let is_taken = sampler.takes_bytes(id);
            decisions.push(if is_taken { '1' } else { '0' });
            if is_taken {
                sorted[taken] = id;
                taken += 1;
            } else {
                left -= 1;
                sorted[left] = id;
            }
        }
        let (taken, left) = sorted.split_at(taken);
        Ok(Self { decisions, taken: encode(taken), left: encode(left) })
    }
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
    /// So many ids, counted back from the last one of the block drawn last, are known for certain.
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
    let mut text = vec![0; bytes.len() * 2];
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
        let traces = TraceBlock::draw(Sampler::new(1.0)).unwrap().taken;
        let spans = DrawnIds::default().draw(false).unwrap();
        assert_eq!(traces.len(), TRACES * TRACE_DIGITS);
        assert_eq!(spans.len(), SPANS * SPAN_DIGITS);
        assert!(traces.bytes().chain(spans.bytes()).all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        let ids: HashSet<_> = (0..SPANS).map(|index| &spans[index * SPAN_DIGITS..(index + 1) * SPAN_DIGITS]).collect();
        assert_eq!(ids.len(), SPANS);
    }

    #[test]
    fn the_decision_for_each_trace_follows_its_ids() {
        let sampler = Sampler::new(0.5);
        let TraceBlock { decisions, taken, left } = TraceBlock::draw(sampler).unwrap();
        let ids =
            |text: &str| text.as_bytes().chunks(TRACE_DIGITS).map(|id| String::from_utf8_lossy(id).into()).collect();
        let (taken, left): (Vec<String>, Vec<String>) = (ids(&taken), ids(&left));
        assert!(taken.iter().all(|id| sampler.takes(id)));
        assert!(!left.iter().any(|id| sampler.takes(id)));
        let counts = ['1', '0'].map(|digit| decisions.chars().filter(|&each| each == digit).count());
        assert_eq!((counts, decisions.len()), ([taken.len(), left.len()], TRACES));
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
