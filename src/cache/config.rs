//! The options of a cache: defaults, ranges, and what a time-to-live means.

use crate::options::{OptionError, Options, Scalar, count, text, unless_false};
use std::path::{Path, PathBuf};

use super::name::FileName;

/// Milliseconds an item counts when nothing else is said: one hour.
const DEFAULT_TTL: f64 = 3_600_000.0;
const DEFAULT_MEMORY_ITEMS: u64 = 1000;
/// Slots are 32-bit and the policy keeps a few words for each.
const MOST_MEMORY_ITEMS: u64 = 1 << 28;
const DEFAULT_SHARED_BYTES: u64 = 32 << 20;
/// JavaScript's largest exact integer.
const MOST_BYTES: u64 = (1 << 53) - 1;
const DEFAULT_LEVEL: u64 = 1;
/// Namespaces longer than this, or with other than lower-case letters, digits, `-` and `_`, become a hash.
const LONGEST_NAMESPACE: usize = 64;

/// A validated configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheConfig {
    /// Where the files are; the namespace's folder included.
    pub folder: PathBuf,
    /// Milliseconds an item counts by default; infinity = for ever, not positive = never stored.
    pub ttl: f64,
    /// Whether files are gzip.
    pub compress: bool,
    /// gzip level, 1 (fast) to 9.
    pub level: u32,
    /// The most values in memory.
    pub max_memory_items: u64,
    /// The most bytes of JSON that the values in memory may stand for.
    pub max_memory_bytes: Option<u64>,
    /// The most bytes on disk.
    pub max_disk_bytes: Option<u64>,
    /// Bytes of the tier that the process shares.
    pub shared_bytes: u64,
}

impl CacheConfig {
    /// Reads the options. `cwd` is where the default folder lies.
    pub fn from_options(options: &(impl Options + ?Sized), cwd: &Path) -> Result<Self, OptionError> {
        let mut folder = match text(options, "cacheDir")? {
            Some(given) => cwd.join(given),
            None => cwd.join("data").join("cache"),
        };
        if let Some(namespace) = text(options, "namespace")? {
            folder.push(namespace_folder(&namespace));
        }
        let bound = |name| count(options, name, 0, 1, MOST_BYTES).map(|bytes| (bytes > 0).then_some(bytes));
        Ok(Self {
            folder,
            ttl: match options.get("ttl") {
                Scalar::Number(ttl) if ttl != 0.0 && !ttl.is_nan() => ttl,
                _ => DEFAULT_TTL,
            },
            compress: unless_false(options, "compress"),
            level: count(options, "compressionLevel", DEFAULT_LEVEL, 1, 9)? as u32,
            max_memory_items: count(options, "maxMemoryItems", DEFAULT_MEMORY_ITEMS, 1, MOST_MEMORY_ITEMS)?,
            max_memory_bytes: bound("maxMemoryBytes")?,
            max_disk_bytes: bound("maxDiskBytes")?,
            shared_bytes: count(options, "sharedMemoryBytes", DEFAULT_SHARED_BYTES, 1, MOST_BYTES)?,
        })
    }

    /// The gzip level, `None` for plain files.
    pub fn file_level(&self) -> Option<u32> {
        self.compress.then_some(self.level)
    }

    /// When an item set at `now` with this time-to-live expires; `None` when it is not to be stored at all. What is
    /// no number means the default, `null` counts as 0.
    pub fn expiry(&self, ttl: &Scalar, now: f64) -> Option<f64> {
        let ttl = match ttl {
            Scalar::Number(ttl) if !ttl.is_nan() => *ttl,
            Scalar::Null => 0.0,
            _ => self.ttl,
        };
        (ttl > 0.0).then_some(now + ttl)
    }
}

/// Until when a stale item may stand in; a grace that is no positive number is none.
pub fn keep_until(expires: f64, grace: &Scalar) -> f64 {
    match grace {
        Scalar::Number(grace) if *grace > 0.0 => expires + grace,
        _ => expires,
    }
}

fn namespace_folder(namespace: &str) -> String {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if namespace.len() <= LONGEST_NAMESPACE && namespace.bytes().all(plain) {
        return format!("ns-{namespace}");
    }
    format!("ns-{}", FileName::of(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, Scalar)]) -> Result<CacheConfig, OptionError> {
        CacheConfig::from_options(options, Path::new("/app"))
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        let config = read(&[("ttl", Scalar::Number(0.0)), ("maxMemoryItems", Scalar::Null)]).unwrap();
        assert_eq!(config.folder, Path::new("/app/data/cache"));
        assert_eq!((config.ttl, config.max_memory_items, config.file_level()), (3_600_000.0, 1000, Some(1)));
        assert_eq!((config.max_memory_bytes, config.max_disk_bytes), (None, None));
    }

    #[test]
    fn only_a_strict_false_turns_compression_off() {
        assert_eq!(read(&[("compress", Scalar::Bool(false))]).unwrap().file_level(), None);
        assert!(read(&[("compress", Scalar::Number(0.0))]).unwrap().compress);
    }

    #[test]
    fn a_namespace_cannot_leave_the_folder() {
        for (namespace, folder) in [("reports", "/app/c/ns-reports"), ("../..", "/app/c/ns-")] {
            let options = [("cacheDir", Scalar::Text("c".into())), ("namespace", Scalar::Text(namespace.into()))];
            let found = read(&options).unwrap().folder;
            assert!(found.to_str().unwrap().starts_with(folder));
            assert_eq!(found.parent(), Some(Path::new("/app/c")));
        }
    }

    #[test]
    fn a_time_to_live_that_is_no_number_means_the_default() {
        let config = read(&[("ttl", Scalar::Number(500.0))]).unwrap();
        for ttl in [Scalar::Missing, Scalar::Number(f64::NAN), Scalar::Text("10".into()), Scalar::Other("object")] {
            assert_eq!(config.expiry(&ttl, 1000.0), Some(1500.0));
        }
        for ttl in [Scalar::Null, Scalar::Number(0.0), Scalar::Number(-1.0), Scalar::Number(f64::NEG_INFINITY)] {
            assert_eq!(config.expiry(&ttl, 1000.0), None);
        }
        assert_eq!(config.expiry(&Scalar::Number(f64::INFINITY), 1000.0), Some(f64::INFINITY));
    }

    #[test]
    fn bounds_out_of_range_are_refused() {
        for (name, value) in [("maxMemoryItems", -1.0), ("maxDiskBytes", -5.0), ("compressionLevel", 10.0)] {
            assert!(read(&[(name, Scalar::Number(value))]).is_err(), "{name}");
        }
        assert!(read(&[("cacheDir", Scalar::Number(7.0))]).is_err());
    }
}
