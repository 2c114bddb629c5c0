//! The bytes of a file.
//!
//! A compressed file is ordinary gzip of the item's JSON, `{"key":…,"value":…,"expiresAt":…,"createdAt":…}`, so any
//! gzip reader and the original's can read it. The gzip extra field "TC" repeats key and times with a checksum:
//! whoever cleans up reads half a kilobyte and inflates nothing. A plain file is the same JSON; its times are the
//! last members and are read from the end.
//!
//! Extra field: version u8, flags u8 (1 = the key is too long and only its hash is there), length of the key u32,
//! expires, created, keep-until f64 (milliseconds since the epoch, infinity = never), CRC-32 of all that and of the
//! key, then the key. Little-endian throughout.

use super::error::CacheError;
use super::name::FileName;
use super::seal::Seal;
use super::sealed;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::cell::RefCell;

const MAGIC: [u8; 4] = [0x1f, 0x8b, 8, 4];
const ID: [u8; 2] = *b"TC";
const VERSION: u8 = 1;
const HASHED: u8 = 1;
/// Bytes of the extra field before the key.
const FIXED: usize = 34;
/// Offset of the extra field's content: gzip header, length of all extra fields, id and length of ours.
const CONTENT: usize = 16;
/// Longer keys leave their hash in the header; the extra field can hold 65,535 bytes.
const LONGEST_KEY: usize = 65_000;
/// What reading the header of nearly every file takes.
pub const HEADER_READ: usize = 512;
/// What reading the times at the end of a plain file takes.
pub const TAIL_READ: usize = 256;
/// deflate cannot shrink anything further than this; a larger announced size is a lie.
const LARGEST_RATIO: usize = 1040;

/// When an item was made and until when it counts, in milliseconds since the epoch; infinity = for ever.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// From then on the item is stale: a read is a miss.
    pub expires: f64,
    /// When it was set.
    pub created: f64,
    /// From then on nobody may use it, as a stand-in neither, and it is removed.
    pub keep: f64,
}

impl Times {
    /// Whether nobody may use the item any more.
    pub fn dead(&self, now: f64) -> bool {
        now > self.keep
    }
}

/// An item as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The JSON text of the value.
    pub text: String,
    /// Its times.
    pub times: Times,
}

/// What the first bytes of a file say.
#[derive(Debug, PartialEq)]
pub enum Header {
    /// One of ours: its times and where the compressed body begins.
    Ours(Times, usize),
    /// The header is longer than what was given.
    Longer(usize),
    /// One of ours, of another key than the one asked for.
    Other,
    /// A gzip file of another making, or no gzip.
    Foreign,
    /// Ours, but damaged.
    Damaged,
}

pub(super) fn number(bytes: &[u8], at: usize) -> Option<f64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(f64::from_le_bytes)
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(|pair| usize::from(u16::from_le_bytes(pair)))
}

/// The key as the header holds it.
fn header_key(key: &str) -> (u8, std::borrow::Cow<'_, [u8]>) {
    if key.len() <= LONGEST_KEY {
        return (0, key.as_bytes().into());
    }
    (HASHED, FileName::of(key).0.to_le_bytes().to_vec().into())
}

/// Reads the header; `bytes` may be the beginning of a file only.
pub fn header(bytes: &[u8]) -> Header {
    parse_header(bytes, None).unwrap_or(Header::Damaged)
}

fn parse_header(bytes: &[u8], key: Option<&str>) -> Option<Header> {
    let begins = &MAGIC[..bytes.len().min(MAGIC.len())];
    if bytes.len() < CONTENT && bytes.starts_with(begins) {
        return None;
    }
    if !bytes.starts_with(&MAGIC) || bytes.get(12..14) != Some(&ID) {
        return Some(Header::Foreign);
    }
    let body = 12 + half(bytes, 10)?;
    if bytes.len() < body {
        return Some(Header::Longer(body));
    }
    let content = bytes.get(CONTENT..CONTENT + half(bytes, 14)?)?;
    if content.first() != Some(&VERSION) {
        return Some(Header::Foreign);
    }
    let mut sum = crc32fast::Hasher::new();
    sum.update(content.get(..FIXED - 4)?);
    sum.update(content.get(FIXED..)?);
    if word(content, FIXED - 4)? != sum.finalize() {
        return None;
    }
    if let Some(key) = key {
        let (flags, stored) = header_key(key);
        let same = content.get(1) == Some(&flags) && word(content, 2)? as usize == key.len();
        if !same || content.get(FIXED..) != Some(&*stored) {
            return Some(Header::Other);
        }
    }
    let times = Times { expires: number(content, 6)?, created: number(content, 14)?, keep: number(content, 22)? };
    Some(Header::Ours(times, body))
}

fn json_time(time: f64) -> String {
    if time.is_finite() { time.to_string() } else { "null".into() }
}

fn key_prefix(key: &str) -> Result<String, CacheError> {
    let key = serde_json::to_string(key).map_err(|_| CacheError::Damaged)?;
    Ok(format!("{{\"key\":{key},\"value\":"))
}

/// The item's JSON.
pub fn envelope(key: &str, text: &str, times: Times) -> Result<String, CacheError> {
    let mut json = key_prefix(key)?;
    json.reserve(text.len() + 80);
    json.push_str(text);
    json.push_str(",\"expiresAt\":");
    json.push_str(&json_time(times.expires));
    json.push_str(",\"createdAt\":");
    json.push_str(&json_time(times.created));
    if times.keep != times.expires {
        json.push_str(",\"staleUntil\":");
        json.push_str(&json_time(times.keep));
    }
    json.push('}');
    Ok(json)
}

/// The times at the end of an item's JSON and where they begin.
pub fn tail(json: &[u8]) -> Option<(Times, usize)> {
    const MARK: &[u8] = b",\"expiresAt\":";
    let start = json.windows(MARK.len()).rposition(|window| window == MARK)?;
    let rest = std::str::from_utf8(json.get(start + MARK.len()..)?).ok()?.strip_suffix('}')?;
    let (expires, rest) = rest.split_once(",\"createdAt\":")?;
    let (created, keep) = match rest.split_once(",\"staleUntil\":") {
        Some((created, keep)) => (created, Some(keep)),
        None => (rest, None),
    };
    let time = |text: &str| if text == "null" { Some(f64::INFINITY) } else { text.parse::<f64>().ok() };
    let expires = time(expires)?;
    let keep = keep.map_or(Some(expires), time)?;
    Some((Times { expires, created: time(created)?, keep }, start))
}

thread_local! {
    /// One state for each level: resetting is an order of magnitude cheaper than making one.
    static DEFLATE: RefCell<Vec<(u32, Compress)>> = const { RefCell::new(Vec::new()) };
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

pub(super) fn deflate(level: u32, input: &[u8], output: &mut Vec<u8>) -> Result<(), CacheError> {
    DEFLATE.with_borrow_mut(|states| {
        let at = states.iter().position(|(of, _)| *of == level).unwrap_or_else(|| {
            states.push((level, Compress::new(Compression::new(level), false)));
            states.len() - 1
        });
        let (_, state) = &mut states[at];
        state.reset();
        output.reserve(input.len() / 2 + 64);
        loop {
            let done = state.total_in() as usize;
            let rest = input.get(done..).unwrap_or_default();
            match state.compress_vec(rest, output, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return Ok(()),
                Ok(_) => output.reserve(input.len() / 4 + 256),
                Err(_) => return Err(CacheError::Damaged),
            }
        }
    })
}

/// Inflates a raw deflate stream of `size` bytes with the given checksum; also says where the stream ended.
pub(super) fn inflate(input: &[u8], size: usize, sum: u32) -> Result<String, CacheError> {
    if size > input.len().saturating_mul(LARGEST_RATIO).saturating_add(64) {
        return Err(CacheError::Damaged);
    }
    // One byte more than announced, so that a longer stream shows itself.
    let mut output = Vec::with_capacity(size + 1);
    INFLATE.with_borrow_mut(|state| {
        state.reset(false);
        loop {
            let (read, written) = (state.total_in(), output.len());
            let rest = input.get(read as usize..).unwrap_or_default();
            match state.decompress_vec(rest, &mut output, FlushDecompress::Finish) {
                Ok(Status::StreamEnd) => return Ok(()),
                Ok(_) if state.total_in() > read || output.len() > written => {}
                _ => return Err(CacheError::Damaged),
            }
        }
    })?;
    if output.len() != size || crc32fast::hash(&output) != sum {
        return Err(CacheError::Damaged);
    }
    String::from_utf8(output).map_err(|_| CacheError::Damaged)
}

/// How a file is written.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// gzip level, `None` for a plain file.
    pub level: Option<u32>,
    /// What encrypts it.
    pub seal: Seal,
}

/// The bytes of a file for an item.
pub fn encode(key: &str, text: &str, times: Times, form: &Form) -> Result<Vec<u8>, CacheError> {
    let json = envelope(key, text, times)?;
    if form.seal.is_on() {
        let name = FileName::of(key).with_extension(form.level.is_some());
        return sealed::encode(&name, &json, times, form.level, &form.seal);
    }
    let Some(level) = form.level else { return Ok(json.into_bytes()) };
    let (flags, stored) = header_key(key);
    let mut content = Vec::with_capacity(FIXED + stored.len());
    content.extend([VERSION, flags]);
    content.extend((key.len() as u32).to_le_bytes());
    for time in [times.expires, times.created, times.keep] {
        content.extend(time.to_le_bytes());
    }
    let mut sum = crc32fast::Hasher::new();
    sum.update(&content);
    sum.update(&stored);
    content.extend(sum.finalize().to_le_bytes());
    content.extend(&*stored);

    let mut bytes = Vec::with_capacity(CONTENT + content.len() + json.len() / 2 + 72);
    bytes.extend(MAGIC);
    bytes.extend([0, 0, 0, 0, 0, 255]);
    bytes.extend((content.len() as u16 + 4).to_le_bytes());
    bytes.extend(ID);
    bytes.extend((content.len() as u16).to_le_bytes());
    bytes.extend(&content);
    gzip_body(json.as_bytes(), level, &mut bytes)?;
    Ok(bytes)
}

fn gzip_body(json: &[u8], level: u32, bytes: &mut Vec<u8>) -> Result<(), CacheError> {
    deflate(level, json, bytes)?;
    bytes.extend(crc32fast::hash(json).to_le_bytes());
    bytes.extend((json.len() as u32).to_le_bytes());
    Ok(())
}

/// Any JSON text as the bytes of the file called `name`, which bears no header of ours unless it is encrypted.
pub fn encode_bare(name: &str, json: &str, form: &Form) -> Result<Vec<u8>, CacheError> {
    if form.seal.is_on() {
        const FOREVER: Times = Times { expires: f64::INFINITY, created: 0.0, keep: f64::INFINITY };
        let times = tail(json.as_bytes()).map_or(FOREVER, |(times, _)| times);
        return sealed::encode(name, json, times, form.level, &form.seal);
    }
    let Some(level) = form.level else { return Ok(json.as_bytes().to_vec()) };
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip_body(json.as_bytes(), level, &mut bytes)?;
    Ok(bytes)
}

/// An item of any making.
#[derive(serde::Deserialize)]
struct AnyItem<'a> {
    key: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    value: &'a serde_json::value::RawValue,
    #[serde(rename = "expiresAt")]
    expires: Option<f64>,
    #[serde(rename = "createdAt")]
    created: Option<f64>,
    #[serde(rename = "staleUntil")]
    keep: Option<f64>,
}

/// The item of `key` in the bytes of a file. `None` when the file belongs to another key; an error when it is damaged.
/// `wanted` sees the times of a compressed file before it is inflated and may refuse it, and then there is no text. Where
/// files are encrypted, one that is not is nobody's: it could have been put there.
pub fn decode(
    key: &str,
    bytes: &[u8],
    form: &Form,
    wanted: impl Fn(Times) -> bool,
) -> Result<Option<Item>, CacheError> {
    if sealed::is_sealed(bytes) {
        let times = sealed::times(bytes)?;
        if !wanted(times) {
            return Ok(Some(Item { text: String::new(), times }));
        }
        let name = FileName::of(key).with_extension(form.level.is_some());
        return own_item(key, sealed::open(&name, bytes, &form.seal)?).map(Some);
    }
    if form.seal.is_on() {
        return Ok(None);
    }
    let json = match parse_header(bytes, Some(key)) {
        Some(Header::Ours(times, _)) if !wanted(times) => return Ok(Some(Item { text: String::new(), times })),
        Some(Header::Ours(_, body)) => gunzip_body(bytes.get(body..).unwrap_or_default())?,
        Some(Header::Other) => return Ok(None),
        Some(Header::Foreign) => return any_item(key, &text_of(bytes.to_vec())?),
        _ => return Err(CacheError::Damaged),
    };
    own_item(key, json).map(Some)
}

/// The item in JSON of our making.
fn own_item(key: &str, json: String) -> Result<Item, CacheError> {
    let (times, end) = tail(json.as_bytes()).ok_or(CacheError::Damaged)?;
    let prefix = key_prefix(key)?;
    if !json.starts_with(&prefix) || end <= prefix.len() {
        return Err(CacheError::Damaged);
    }
    let mut text = json;
    text.truncate(end);
    text.drain(..prefix.len());
    Ok(Item { text, times })
}

fn any_item(key: &str, json: &str) -> Result<Option<Item>, CacheError> {
    let item: AnyItem<'_> = serde_json::from_str(json).map_err(|_| CacheError::Damaged)?;
    if item.key != key {
        return Ok(None);
    }
    let expires = item.expires.unwrap_or(f64::INFINITY);
    let times = Times { expires, created: item.created.unwrap_or(0.0), keep: item.keep.unwrap_or(expires) };
    Ok(Some(Item { text: item.value.get().into(), times }))
}

fn gunzip_body(body: &[u8]) -> Result<String, CacheError> {
    let (Some(sum), Some(size)) = (word(body, body.len().wrapping_sub(8)), word(body, body.len().wrapping_sub(4)))
    else {
        return Err(CacheError::Damaged);
    };
    inflate(&body[..body.len() - 8], size as usize, sum)
}

/// The text in the file called `name`, which may be encrypted.
pub fn text_of_file(name: &str, bytes: Vec<u8>, seal: &Seal) -> Result<String, CacheError> {
    if sealed::is_sealed(&bytes) { sealed::open(name, &bytes, seal) } else { text_of(bytes) }
}

/// The text in any file of a cache that is not encrypted: gzip of whatever making, or plain.
pub fn text_of(bytes: Vec<u8>) -> Result<String, CacheError> {
    if !bytes.starts_with(&MAGIC[..2]) {
        return String::from_utf8(bytes).map_err(|_| CacheError::Damaged);
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text)
        .map_err(|_| CacheError::Damaged)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIMES: Times = Times { expires: 2000.5, created: 1000.0, keep: 2000.5 };

    fn form(level: Option<u32>) -> Form {
        Form { level, seal: Seal::default() }
    }

    fn read(key: &str, bytes: &[u8]) -> Option<Item> {
        decode(key, bytes, &Form { level: Some(1), ..Form::default() }, |_| true).ok().flatten()
    }

    #[test]
    fn any_gzip_reader_sees_the_item() {
        let bytes = encode("k\"1", "[1,2]", TIMES, &form(Some(1))).unwrap();
        let expected = r#"{"key":"k\"1","value":[1,2],"expiresAt":2000.5,"createdAt":1000}"#;
        assert_eq!(text_of(bytes).unwrap(), expected);
        assert_eq!(encode("k\"1", "[1,2]", TIMES, &form(None)).unwrap(), expected.as_bytes());
    }

    #[test]
    fn a_key_of_another_length_class_is_read_back() {
        for length in [0, 1, 400, 65_000, 65_001, 200_000] {
            let key = "k".repeat(length);
            let bytes = encode(&key, "1", TIMES, &form(Some(1))).unwrap();
            assert_eq!(read(&key, &bytes).unwrap().text, "1");
            assert_eq!(read(&format!("{key}!"), &bytes), None);
        }
    }

    #[test]
    fn times_are_read_without_the_body() {
        let times = Times { keep: f64::INFINITY, ..TIMES };
        let bytes = encode("key", &format!("\"{}\"", "x".repeat(9000)), times, &form(Some(1))).unwrap();
        assert!(matches!(header(&bytes[..90]), Header::Ours(found, _) if found == times));
        assert!(matches!(header(&bytes[..40]), Header::Longer(_)));
        let plain = encode("key", "{\"expiresAt\":1}", times, &form(None)).unwrap();
        assert_eq!(tail(&plain[plain.len() - 70..]).unwrap().0, times);
    }

    #[test]
    fn a_value_cannot_pass_for_the_times() {
        let value = r#"{"a":",\"expiresAt\":1,\"createdAt\":1}","b":{"x":0,"expiresAt":1,"createdAt":1}}"#;
        for level in [None, Some(1)] {
            let item = read("k", &encode("k", value, TIMES, &form(level)).unwrap()).unwrap();
            assert_eq!(item, Item { text: value.into(), times: TIMES });
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(key in ".{0,300}", text in ".{1,2000}", level in prop::option::of(1u32..10), forever in any::<bool>()) {
            let text = serde_json::to_string(&text).unwrap();
            let times = Times { expires: if forever { f64::INFINITY } else { 1.7e12 }, created: 1.6e12, keep: 1.8e12 };
            let bytes = encode(&key, &text, times, &form(level)).unwrap();
            prop_assert_eq!(read(&key, &bytes), Some(Item { text, times }));
        }

        #[test]
        fn a_damaged_compressed_file_is_never_served(text in ".{1,400}", at in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<prop::sample::Index>()) {
            let text = serde_json::to_string(&text).unwrap();
            let whole = encode("key", &text, TIMES, &form(Some(1))).unwrap();
            let mut bytes = whole.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let good = Item { text, times: TIMES };
            if let Some(item) = read("key", &bytes) {
                prop_assert_eq!(&item, &good);
            }
            let cut = cut.index(whole.len());
            prop_assert_eq!(read("key", &whole[..cut]), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), ours in any::<bool>()) {
            if ours && bytes.len() > 14 {
                bytes[..4].copy_from_slice(&MAGIC);
                bytes[12..14].copy_from_slice(&ID);
            }
            let _ = (header(&bytes), read("key", &bytes), tail(&bytes), text_of(bytes.clone()));
        }
    }
}
