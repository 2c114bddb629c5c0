//! Walking a folder: what is past all use, and how much there is.

use super::codec::{self, Header, Times};
use super::disk::{self, Stamp};
use super::error::CacheError;
use super::name::{self, FileName};
use super::sealed;
use super::writer::Condition;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::path::{Path, PathBuf};

/// Milliseconds after which an unfinished file has no owner any more.
pub const STALE_TEMPORARY: u64 = 60_000;

/// An item of any cache, for its times. The original's items have no other form.
#[derive(Deserialize)]
struct AnyItem {
    #[serde(rename = "key")]
    _key: IgnoredAny,
    #[serde(rename = "expiresAt")]
    expires: Option<f64>,
    #[serde(rename = "createdAt")]
    created: Option<f64>,
    #[serde(rename = "staleUntil")]
    keep: Option<f64>,
}

/// The times of the item in a file of ours, read from a few hundred bytes of it; `None` when the file is of another
/// making.
pub fn times(path: &Path) -> Result<Option<Times>, CacheError> {
    if !path.as_os_str().as_encoded_bytes().ends_with(b".gz") {
        let end = disk::read_tail(path, codec::TAIL_READ as u64)?;
        return match codec::tail(&end) {
            Some((times, _)) => Ok(Some(times)),
            None => sealed_times(&disk::read_head(path, sealed::HEAD)?),
        };
    }
    let mut length = codec::HEADER_READ;
    loop {
        let head = disk::read_head(path, length)?;
        match codec::header(&head) {
            Header::Ours(times, _) => return Ok(Some(times)),
            Header::Longer(whole) if whole > length => length = whole,
            Header::Foreign => return sealed_times(&head),
            _ => return Err(CacheError::Damaged),
        }
    }
}

/// The times of a file that is encrypted; `None` when it is not.
fn sealed_times(head: &[u8]) -> Result<Option<Times>, CacheError> {
    if sealed::is_sealed(head) { sealed::times(head).map(Some) } else { Ok(None) }
}

/// The times of an item in a file that has to be read whole.
fn times_by_reading(path: &Path) -> Option<(Times, Stamp)> {
    let (bytes, stamp) = disk::read(path).ok()?;
    let item: AnyItem = serde_json::from_str(&codec::text_of(bytes).ok()?).ok()?;
    let expires = item.expires.unwrap_or(f64::INFINITY);
    let keep = item.keep.unwrap_or(expires);
    Some((Times { expires, created: item.created.unwrap_or(0.0), keep }, stamp))
}

/// What a cleanup is to remove.
#[derive(Debug, Default)]
pub struct Rubbish {
    /// Files whose items are past all use: they are counted.
    pub expired: Vec<(PathBuf, Condition)>,
    /// Torn files of ours and unfinished ones without an owner.
    pub broken: Vec<(PathBuf, Condition)>,
}

/// Finds what is past all use at `now`. Files of ours are not inflated; the original's are; others are left alone.
pub fn rubbish(folder: &Path, now: f64) -> Result<Rubbish, CacheError> {
    let mut found = Rubbish::default();
    disk::list(folder, |name, path| {
        if name.starts_with(name::TEMPORARY) {
            if disk::left_behind(path, STALE_TEMPORARY) {
                found.broken.push((path.into(), Condition::Always));
            }
        } else if name::split(name).is_some() {
            match FileName::parse(name).map(|_| times(path)) {
                Some(Ok(Some(times))) => {
                    if times.dead(now) {
                        found.expired.push((path.into(), Condition::Dead));
                    }
                }
                Some(Err(CacheError::Damaged)) => {
                    if let Some(stamp) = disk::stamp(path) {
                        found.broken.push((path.into(), Condition::Unchanged(stamp)));
                    }
                }
                Some(Err(_)) => {}
                None | Some(Ok(None)) => {
                    if let Some((times, stamp)) = times_by_reading(path).filter(|(times, _)| times.dead(now)) {
                        debug_assert!(times.dead(now));
                        found.expired.push((path.into(), Condition::Unchanged(stamp)));
                    }
                }
            }
        }
    })?;
    Ok(found)
}

/// Bytes of the cache's files.
pub fn size(folder: &Path) -> u64 {
    let mut total = 0;
    // A folder that cannot be listed counts as far as it could.
    let _ = disk::list(folder, |name, path| {
        if name::split(name).is_some() {
            total += disk::stamp(path).map_or(0, |stamp| stamp.size);
        }
    });
    total
}
