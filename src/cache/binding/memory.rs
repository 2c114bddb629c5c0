//! Instances, and the policy of their values in memory.

use super::{FACES, Face, face};
use crate::binding::raw::{Answer, Call, Exports, Failure, Item};
use crate::binding::table::HandleTable;
use crate::cache::codec::Form;
use crate::cache::config::CacheConfig;
use crate::cache::error::CacheError;
use crate::cache::policy::Policy;
use crate::cache::seal::{RawKey, Seal};
use crate::cache::shared::Folder;
use crate::cache::stats::hit_rate;
use crate::options::{OptionError, Scalar};
use std::cell::Cell;

pub(super) fn register(exports: Exports<'_>) {
    exports
        .function("cacheOpen", open)
        .function("cacheClose", |call| {
            let face = FACES.remove(call.uint_at(0)?);
            drop(face);
            Ok(call.undefined())
        })
        .function("cacheInsert", insert)
        .function("cacheMoreGone", |call| {
            let gone = call.cells::<u32>(1)?;
            let count = face(call, |face| hand_over(&mut face.gone, gone))?;
            Ok(call.uint(count))
        })
        .function("cacheTouch", |call| {
            let (log, length) = (call.cells::<u32>(1)?, call.uint_at(2)?);
            face(call, |face| touch(&mut face.policy, log, length))?;
            Ok(call.undefined())
        })
        .function("cacheForget", |call| {
            let slot = call.uint_at(1)?;
            face(call, |face| face.policy.remove(slot))?;
            Ok(call.undefined())
        })
        .function("cacheForgetAll", |call| {
            face(call, |face| face.policy.clear())?;
            Ok(call.undefined())
        })
        .function("cacheResize", |call| {
            let items = call.number_at(1)?.max(1.0) as u64;
            face(call, |face| face.policy = Policy::new(items, face.config.max_memory_bytes))?;
            Ok(call.undefined())
        })
        .function("cacheHitRate", |call| Ok(call.text(&hit_rate(call.number_at(0)?, call.number_at(1)?))));
}

/// `cacheOpen(options, encrypted, algorithm, keys)` → `[handle, folder, ttl, compress, maxMemoryItems, canonical folder, bounds bytes]`
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let cwd = std::env::current_dir().map_err(CacheError::from)?;
    let config = CacheConfig::from_options(&call.options_at(0)?, &cwd)?;
    let form = Form { level: config.file_level(), seal: seal(call)? };
    let folder = Folder::open(&config);
    let policy = Policy::new(config.max_memory_items, config.max_memory_bytes);
    let values = [
        call.text(&config.folder.to_string_lossy()),
        call.number(config.ttl),
        call.boolean(config.compress),
        call.number(config.max_memory_items as f64),
        call.text(&folder.path.to_string_lossy()),
        call.boolean(config.max_memory_bytes.is_some()),
    ];
    let handle = FACES.insert(Face { config, form, folder, policy, gone: Vec::new(), watch: 0 });
    Ok(call.array([call.uint(handle)].into_iter().chain(values)))
}

/// Arguments 1 to 3: whether there is encryption, its algorithm, its keys.
pub(super) fn seal(call: &Call<'_>) -> Result<Seal, Failure> {
    if !call.boolean_at(1)? {
        return Ok(Seal::default());
    }
    let algorithm = match call.scalar_at(2) {
        Scalar::Text(algorithm) => Some(algorithm),
        given if given.is_falsy() => None,
        given => return Err(OptionError::wrong_type("encryption.algorithm", "a string", &given).into()),
    };
    let keys =
        call.list_at(3).map_err(|_| OptionError::secret("encryption.keys", "an array of Buffers and strings"))?;
    let keys: Vec<RawKey> = keys
        .into_iter()
        .map(|key| match key {
            Item::Bytes(bytes) => RawKey::Bytes(bytes),
            Item::Text(text) => RawKey::Text(text),
            Item::Null => RawKey::Bytes(Vec::new()),
        })
        .collect();
    Ok(Seal::from_options(algorithm.as_deref(), &keys)?)
}

/// `cacheInsert(handle, slot, key, bytes, log, length, gone)`: feeds the log of hits, then keeps a value; returns how
/// many slots have to go, the first of them in `gone`, the others by `cacheMoreGone`.
fn insert<'s>(call: &Call<'s>) -> Answer<'s> {
    let (slot, key, bytes) = (call.uint_at(1)?, call.text_at(2)?, call.number_at(3)?);
    let (log, length, gone) = (call.cells::<u32>(4)?, call.uint_at(5)?, call.cells::<u32>(6)?);
    let count = face(call, |face| {
        touch(&mut face.policy, log, length);
        face.gone.append(&mut face.policy.insert(slot, &key, bytes as u64));
        hand_over(&mut face.gone, gone)
    })?;
    Ok(call.uint(count))
}

fn touch(policy: &mut Policy, log: &[Cell<u32>], length: u32) {
    log.iter().take(length as usize).for_each(|slot| policy.touch(slot.get()));
}

/// Moves slots into the shared array, as many as it holds.
fn hand_over(slots: &mut Vec<u32>, shared: &[Cell<u32>]) -> u32 {
    let count = slots.len().min(shared.len());
    for (slot, cell) in slots.drain(..count).zip(shared) {
        cell.set(slot);
    }
    count as u32
}
