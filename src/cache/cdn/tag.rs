//! Tags as they travel.

use crate::cache::name::FileName;
use std::fmt::Write;

/// Longer tags travel as a hash. Every provider takes this much.
const LONGEST: usize = 200;

/// The tag as it stands in a header: letters, digits and `-._:/~` as they are, everything else percent-encoded; a tag that
/// is too long for that is its 128-bit hash. The empty tag is `%`.
pub fn encode(tag: &str) -> String {
    let mut encoded = String::with_capacity(tag.len());
    for byte in tag.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' | b'/' | b'~' => {
                encoded.push(byte.into())
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    match encoded.len() {
        0 => "%".into(),
        1..=LONGEST => encoded,
        _ => hashed(tag),
    }
}

/// No percent-encoding begins like this.
fn hashed(tag: &str) -> String {
    format!("%h:{}", FileName::of(tag))
}

/// The tag of a cache key, apart from all tags that callers give: those never begin with `%k:`.
pub fn of_key(key: &str) -> String {
    let encoded = encode(key);
    let prefixed = format!("%k:{encoded}");
    if prefixed.len() <= LONGEST { prefixed } else { format!("%k:{}", hashed(key)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tag_is_one_short_word_and_no_other_tag(a in ".{0,300}", b in ".{0,300}") {
            let encoded = encode(&a);
            prop_assert!(encoded.len() <= LONGEST && !encoded.is_empty());
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',' && byte != b'"'));
            prop_assert_eq!(encoded == encode(&b), a == b);
            prop_assert_ne!(of_key(&a), encode(&b));
        }
    }
}
