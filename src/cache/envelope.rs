//! What one key of the remote tier holds.
//!
//! Format 1: format u8, flags u8, version u64, stamp u64 (milliseconds since 1970), all in the clear, so that a script can
//! compare them; then the body: expires f64, stale-until f64, took f64, the number of tags u16, for each the length of its
//! name u16, its name and its version u64; size of the JSON u32, its CRC-32, and the JSON, deflated where the flag says so.
//! Numbers are big-endian. A tombstone ends after the stamp.
//!
//! The body is what [`seal`](super::seal) covers when values are encrypted; the head goes with it as associated data.

use super::codec::{deflate, inflate};
use super::error::CacheError;

const FORMAT: u8 = 1;
/// Bytes before the body.
pub const HEAD: usize = 18;
const DEFLATED: u8 = 1;
const SEALED: u8 = 2;
const TOMBSTONE: u8 = 4;
/// Speed matters more than the last percent.
const LEVEL: u32 = 1;

/// A value as the remote tier holds it. Times are milliseconds since 1970; infinity is for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The JSON text.
    pub json: String,
    /// From then on the value is stale.
    pub expires: f64,
    /// From then on it may not stand in for a new one either.
    pub stale_until: f64,
    /// How long its load took, in milliseconds.
    pub took: f64,
    /// When its load began.
    pub stamp: f64,
    /// Its tags, with the version each had when the load began.
    pub tags: Vec<(String, u64)>,
}

/// What was found under a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// It was invalidated, a little while ago.
    Tombstone,
    /// A value.
    Value(Stored),
}

fn head(flags: u8, version: u64, stamp: f64) -> Vec<u8> {
    let mut bytes = vec![FORMAT, flags];
    bytes.extend(version.to_be_bytes());
    bytes.extend((stamp.max(0.0) as u64).to_be_bytes());
    bytes
}

/// The mark of an invalidation.
pub fn tombstone(version: u64, stamp: f64) -> Vec<u8> {
    head(TOMBSTONE, version, stamp)
}

/// The bytes of a value. `compress_above`: JSON of more bytes is deflated, unless that makes it no smaller.
///
/// # Errors
/// When a tag is longer than 65,535 bytes, or the value than 4 GiB, or it cannot be sealed.
pub fn encode(
    name: &str,
    version: u64,
    value: &Stored,
    compress_above: usize,
    seal: &super::seal::Seal,
) -> Result<Vec<u8>, CacheError> {
    let too_large = |_| CacheError::TooLarge;
    let mut body = Vec::with_capacity(value.json.len() + 64);
    for time in [value.expires, value.stale_until, value.took] {
        body.extend(time.to_be_bytes());
    }
    body.extend(u16::try_from(value.tags.len()).map_err(too_large)?.to_be_bytes());
    for (tag, version) in &value.tags {
        body.extend(u16::try_from(tag.len()).map_err(too_large)?.to_be_bytes());
        body.extend(tag.as_bytes());
        body.extend(version.to_be_bytes());
    }
    body.extend(u32::try_from(value.json.len()).map_err(too_large)?.to_be_bytes());
    body.extend(crc32fast::hash(value.json.as_bytes()).to_be_bytes());
    let (plain, mut flags) = (body.len(), 0);
    if value.json.len() > compress_above {
        deflate(LEVEL, value.json.as_bytes(), &mut body)?;
        flags = DEFLATED;
    }
    if flags == 0 || body.len() - plain >= value.json.len() {
        body.truncate(plain);
        body.extend(value.json.as_bytes());
        flags = 0;
    }
    if seal.is_on() {
        flags |= SEALED;
    }
    let mut bytes = head(flags, version, value.stamp);
    let sealed = seal.seal(name, &bytes, body)?;
    bytes.extend(sealed);
    Ok(bytes)
}

/// Bytes that take tens of microseconds to check, or to seal.
const LONG: usize = 32 << 10;

/// Whether to make the bytes of this value takes long for an event loop.
pub fn is_long_to_encode(value: &Stored, compress_above: usize) -> bool {
    value.json.len() > compress_above.min(LONG)
}

/// Whether to read these bytes takes long for an event loop.
pub fn is_long_to_decode(bytes: &[u8]) -> bool {
    bytes.len() > LONG || bytes.get(1).is_some_and(|flags| flags & DEFLATED != 0)
}

/// The version in the head of what is stored; 0 when there is none.
pub fn version_of(bytes: &[u8]) -> u64 {
    word(bytes, 2).unwrap_or(0)
}

/// Reads what a key holds. Anything unreadable is absent: a later format, another program's, torn, or sealed with a key
/// that is not known.
pub fn decode(name: &str, bytes: &[u8], seal: &super::seal::Seal) -> Found {
    parse(name, bytes, seal).unwrap_or(Found::Absent)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, more) = rest.split_first_chunk::<N>()?;
    *rest = more;
    Some(*first)
}

fn parse(name: &str, bytes: &[u8], seal: &super::seal::Seal) -> Option<Found> {
    let (head, body) = bytes.split_at_checked(HEAD)?;
    let (format, flags) = (head[0], head[1]);
    if format != FORMAT {
        return None;
    }
    if flags & TOMBSTONE != 0 {
        return Some(Found::Tombstone);
    }
    let opened;
    let mut rest = if flags & SEALED != 0 || seal.is_on() {
        // Where values are sealed, one that is not was not written by us.
        if flags & SEALED == 0 {
            return None;
        }
        opened = seal.open(name, head, body).ok()?;
        &opened[..]
    } else {
        body
    };
    let mut time = || take(&mut rest).map(f64::from_be_bytes);
    let (expires, stale_until, took) = (time()?, time()?, time()?);
    let count = u16::from_be_bytes(take(&mut rest)?);
    let mut tags = Vec::with_capacity(usize::from(count).min(64));
    for _ in 0..count {
        let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let (tag, more) = rest.split_at_checked(length)?;
        rest = more;
        tags.push((String::from_utf8(tag.to_vec()).ok()?, u64::from_be_bytes(take(&mut rest)?)));
    }
    let size = u32::from_be_bytes(take(&mut rest)?) as usize;
    let sum = u32::from_be_bytes(take(&mut rest)?);
    let json = if flags & DEFLATED != 0 {
        inflate(rest, size, sum).ok()?
    } else {
        let sound = rest.len() == size && crc32fast::hash(rest) == sum;
        String::from_utf8(rest.to_vec()).ok().filter(|_| sound)?
    };
    let stamp = word(head, 10)? as f64;
    Some(Found::Value(Stored { json, expires, stale_until, took, stamp, tags }))
}

#[cfg(test)]
mod tests {
    use super::super::seal::Seal;
    use super::*;
    use proptest::prelude::*;

    fn stored(json: &str) -> Stored {
        let tags = vec![("users".to_owned(), 7), ("é".to_owned(), 0)];
        Stored { json: json.into(), expires: 5.5, stale_until: f64::INFINITY, took: 1.25, stamp: 17.0, tags }
    }

    #[test]
    fn a_large_value_is_smaller_there_and_comes_back() {
        let value = stored(&"a word and again ".repeat(1000));
        let bytes = encode("k", 9, &value, 1024, &Seal::default()).unwrap();
        assert!(bytes.len() < value.json.len() / 10);
        assert_eq!(version_of(&bytes), 9);
        assert_eq!(decode("k", &bytes, &Seal::default()), Found::Value(value));
    }

    #[test]
    fn a_value_that_does_not_shrink_is_left_as_it_is() {
        let json: String =
            (0..3000u32).map(|index| char::from(33 + (index.wrapping_mul(2_654_435_761) >> 24) as u8 % 90)).collect();
        let bytes = encode("k", 1, &stored(&json), 0, &Seal::default()).unwrap();
        assert!(bytes.len() < json.len() + 100);
    }

    #[test]
    fn a_tombstone_has_a_version_and_no_value() {
        let bytes = tombstone(3, 5.0);
        assert_eq!(
            (bytes.len(), version_of(&bytes), decode("k", &bytes, &Seal::default())),
            (HEAD, 3, Found::Tombstone)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(json in ".{0,3000}", version: u64, above in 0usize..2000) {
            let value = stored(&json);
            let bytes = encode("k", version, &value, above, &Seal::default()).unwrap();
            prop_assert_eq!(decode("k", &bytes, &Seal::default()), Found::Value(value));
        }

        #[test]
        fn damage_is_absence(json in ".{1,300}", at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut bytes = encode("k", 1, &stored(&json), 10, &Seal::default()).unwrap();
            let at = at.index(bytes.len() - HEAD - 30) + HEAD + 30;
            bytes[at] ^= flip;
            if let Found::Value(found) = decode("k", &bytes, &Seal::default()) {
                prop_assert_eq!(found.json, json);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            decode("k", &bytes, &Seal::default());
            if let Some(first) = bytes.first_mut() {
                *first = FORMAT;
            }
            decode("k", &bytes, &Seal::default());
        }
    }
}
