//! The bytes of a file whose content is encrypted.
//!
//! "TCS", format u8, flags u8 (1 = deflated), expires, created, keep-until f64 (milliseconds since the epoch, infinity =
//! for ever), size of the JSON u32, CRC-32 of all that; then the item's JSON, with its CRC-32 before it where it is deflated, as [`seal`](super::seal) made it, bound to
//! that head and to the file's name. Little-endian. The times stand in the clear, so that a cleanup needs no key; neither
//! key nor value does.

use super::codec::{self, Times};
use super::error::CacheError;
use super::seal::Seal;

const MAGIC: [u8; 4] = *b"TCS\x01";
const DEFLATED: u8 = 1;
/// Bytes before what is sealed.
pub const HEAD: usize = 37;

/// Whether the bytes begin a sealed file.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The bytes of the file called `name` for an item's JSON.
pub fn encode(name: &str, json: &str, times: Times, level: Option<u32>, seal: &Seal) -> Result<Vec<u8>, CacheError> {
    let mut body = Vec::new();
    let flags = match level {
        Some(level) => {
            body.extend(crc32fast::hash(json.as_bytes()).to_le_bytes());
            codec::deflate(level, json.as_bytes(), &mut body)?;
            DEFLATED
        }
        None => {
            body.extend(json.as_bytes());
            0
        }
    };
    let mut bytes = Vec::with_capacity(HEAD + body.len() + 64);
    bytes.extend(MAGIC);
    bytes.push(flags);
    for time in [times.expires, times.created, times.keep] {
        bytes.extend(time.to_le_bytes());
    }
    bytes.extend((json.len() as u32).to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let sealed = seal.seal(name, &bytes, body)?;
    bytes.extend(sealed);
    Ok(bytes)
}

/// The times in the head of a sealed file.
///
/// # Errors
/// When the head is torn.
pub fn times(bytes: &[u8]) -> Result<Times, CacheError> {
    let head = bytes.first_chunk::<HEAD>().filter(|head| is_sealed(&head[..])).ok_or(CacheError::Damaged)?;
    let (said, sum) = head.split_at(HEAD - 4);
    if crc32fast::hash(said).to_le_bytes() != sum {
        return Err(CacheError::Damaged);
    }
    let time = |at| codec::number(head, at).ok_or(CacheError::Damaged);
    Ok(Times { expires: time(5)?, created: time(13)?, keep: time(21)? })
}

/// The item's JSON in the bytes of the file called `name`.
///
/// # Errors
/// [`CacheError::Sealed`] when its key is not known; [`CacheError::Damaged`] when it is torn, changed or of another name.
pub fn open(name: &str, bytes: &[u8], seal: &Seal) -> Result<String, CacheError> {
    times(bytes)?;
    let (head, sealed) = bytes.split_at_checked(HEAD).ok_or(CacheError::Damaged)?;
    let body = seal.open(name, head, sealed)?;
    if head[4] & DEFLATED == 0 {
        return String::from_utf8(body).map_err(|_| CacheError::Damaged);
    }
    let (size, sum) = (codec::word(head, HEAD - 8), codec::word(&body, 0));
    let (size, sum) = size.zip(sum).ok_or(CacheError::Damaged)?;
    codec::inflate(&body[4..], size as usize, sum)
}

#[cfg(test)]
mod tests {
    use super::super::seal::RawKey;
    use super::*;
    use proptest::prelude::*;

    const TIMES: Times = Times { expires: 2000.5, created: 1000.0, keep: f64::INFINITY };

    fn seal(byte: u8) -> Seal {
        Seal::from_options(None, &[RawKey::Bytes(vec![byte; 32])]).unwrap()
    }

    #[test]
    fn the_times_are_read_without_a_key_and_nothing_else_is() {
        let json = r#"{"key":"a prompt","value":"an answer"}"#;
        for level in [None, Some(1)] {
            let bytes = encode("n", json, TIMES, level, &seal(1)).unwrap();
            assert_eq!(times(&bytes[..HEAD]).unwrap(), TIMES);
            assert!(!String::from_utf8_lossy(&bytes).contains("prompt"));
            assert_eq!(open("n", &bytes, &seal(1)).unwrap(), json);
            assert!(matches!(open("n", &bytes, &seal(2)), Err(CacheError::Sealed)));
            assert!(matches!(open("m", &bytes, &seal(1)), Err(CacheError::Damaged)));
        }
    }

    proptest! {
        #[test]
        fn a_changed_file_is_never_served(json in ".{0,300}", at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut bytes = encode("n", &json, TIMES, Some(1), &seal(1)).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(open("n", &bytes, &seal(1)).is_err());
            prop_assert!(open("n", &bytes[..at], &seal(1)).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), ours in any::<bool>()) {
            if ours && bytes.len() > 4 {
                bytes[..4].copy_from_slice(&MAGIC);
            }
            let _ = (times(&bytes), open("n", &bytes, &seal(1)));
        }
    }
}
