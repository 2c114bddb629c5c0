//! Names of files: fixed in length, the same on every platform and in every version, telling nothing about the key.

use std::fmt;

/// The 128-bit FNV-1a hash of a key, whose 32 hex digits name its file. Keys that collide share a file; the key
/// inside the file says whose it is, so a collision costs a miss and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FileName(pub u128);

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// Extension of compressed files.
pub const COMPRESSED: &str = ".json.gz";
/// Extension of plain files.
pub const PLAIN: &str = ".json";
/// What the names of unfinished files begin with.
pub const TEMPORARY: &str = ".tooloo-";

/// The extension for a mode.
pub const fn extension(compress: bool) -> &'static str {
    if compress { COMPRESSED } else { PLAIN }
}

impl FileName {
    /// The name for a key.
    pub fn of(key: &str) -> Self {
        Self(key.bytes().fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)))
    }

    /// The name and mode of a file of ours; `None` for any other.
    pub fn parse(name: &str) -> Option<(Self, bool)> {
        let (stem, compress) = split(name)?;
        let ours = stem.len() == 32 && stem.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let hash = u128::from_str_radix(stem, 16).ok().filter(|_| ours)?;
        Some((Self(hash), compress))
    }

    /// The whole file name.
    pub fn with_extension(self, compress: bool) -> String {
        format!("{self}{}", extension(compress))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// Stem and mode of any cache file, the original's included; `None` for files that are none of the cache's business.
pub fn split(name: &str) -> Option<(&str, bool)> {
    if name.starts_with('.') {
        return None;
    }
    match name.strip_suffix(COMPRESSED) {
        Some(stem) => Some((stem, true)),
        None => name.strip_suffix(PLAIN).map(|stem| (stem, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_as_published() {
        assert_eq!(FileName::of("").to_string(), "6c62272e07bb014262b821756295c58d");
        assert_eq!(FileName::of("a").to_string(), "d228cb696f1a8caf78912b704e4a8964");
    }

    #[test]
    fn a_name_parses_back_and_foreign_names_do_not() {
        let name = FileName::of("a prompt");
        assert_eq!(FileName::parse(&name.with_extension(true)), Some((name, true)));
        assert_eq!(FileName::parse(&name.with_extension(false)), Some((name, false)));
        for foreign in ["dXNlcg--.json.gz", "notes.txt", ".tooloo-1.json", &name.to_string().to_uppercase()] {
            assert_eq!(FileName::parse(foreign), None);
        }
    }
}
