//! Sets, deletes and lookups by key.

use super::{face, folder};
use crate::binding::queue::Ticket;
use crate::binding::raw::{Answer, Call, Exports, Failure, Scope};
use crate::cache::codec::Times;
use crate::cache::config::keep_until;
use crate::cache::error::CacheError;
use crate::cache::reader::{self, Reader};
use crate::cache::shared::{Entry, Lookup};
use crate::cache::writer::Done;
use std::sync::Arc;

pub(super) fn register(exports: Exports<'_>) {
    exports
        .function("cacheExpiry", |call| {
            let (ttl, now) = (call.scalar_at(1), call.number_at(2)?);
            let expires = face(call, |face| face.config.expiry(&ttl, now))?;
            Ok(call.number(expires.unwrap_or(f64::NAN)))
        })
        .function("cacheKeepUntil", |call| Ok(call.number(keep_until(call.number_at(0)?, &call.scalar_at(1)))))
        .function("cacheSet", set)
        .function("cacheWriteItem", write_item)
        .function("cacheDelete", delete)
        .function("cacheDropDead", |call| {
            let (key, (folder, _)) = (call.text_at(1)?, folder(call)?);
            reader::remove_dead(&folder, &key);
            Ok(call.undefined())
        })
        .function("cacheClear", |call| {
            let (ticket, (folder, by)) = (Ticket::from_call(call, 1)?, folder(call)?);
            folder.clear(settle_quietly(ticket), by);
            Ok(call.undefined())
        })
        .function("cacheLookup", lookup)
        .function("cacheRead", read);
}

/// A `Done` that resolves with `undefined`, whatever happened: the writer has warned already.
fn settle_quietly(ticket: Ticket) -> Done {
    Box::new(move |_| ticket.settle(|scope| Ok(scope.undefined())))
}

/// A `Done` that rejects when the disk refused.
pub(super) fn settle(ticket: Ticket) -> Done {
    Box::new(move |result| {
        ticket.settle(move |scope| match result {
            Ok(()) => Ok(scope.undefined()),
            Err(error) => Err(failure(&error)),
        });
    })
}

pub(super) fn failure(error: &Arc<CacheError>) -> Failure {
    match &**error {
        CacheError::Io(cause) => CacheError::Io(std::io::Error::new(cause.kind(), cause.to_string())).into(),
        CacheError::Missing => CacheError::Missing.into(),
        CacheError::Damaged => CacheError::Damaged.into(),
        CacheError::Sealed => CacheError::Sealed.into(),
        CacheError::TooLarge => CacheError::TooLarge.into(),
    }
}

/// `cacheSet(handle, key, text, ttl, now, grace)` → when it expires; `NaN` when it is not stored, and then whatever
/// was stored is gone.
fn set<'s>(call: &Call<'s>) -> Answer<'s> {
    let (key, text) = (call.text_at(1)?, call.text_at(2)?);
    let (ttl, now, grace) = (call.scalar_at(3), call.number_at(4)?, call.scalar_at(5));
    let (expires, form) = face(call, |face| (face.config.expiry(&ttl, now), face.form.clone()))?;
    let (folder, by) = folder(call)?;
    let Some(expires) = expires else {
        folder.delete(&key, None, by);
        return Ok(call.number(f64::NAN));
    };
    let times = Times { expires, created: now, keep: keep_until(expires, &grace) };
    folder.set(Entry { key: (&*key).into(), text: text.into_string().into(), times, form }, None, by);
    Ok(call.number(expires))
}

/// `cacheWriteItem(handle, ticket, key, text, expires, created, keep)`: settles when the file is there.
fn write_item<'s>(call: &Call<'s>) -> Answer<'s> {
    let (key, text) = (call.text_at(2)?, call.text_at(3)?);
    let times = Times { expires: call.number_at(4)?, created: call.number_at(5)?, keep: call.number_at(6)? };
    let form = face(call, |face| face.form.clone())?;
    let (folder, by) = folder(call)?;
    let done = settle(Ticket::from_call(call, 1)?);
    folder.set(Entry { key: (&*key).into(), text: text.into_string().into(), times, form }, Some(done), by);
    Ok(call.undefined())
}

/// `cacheDelete(handle, key, ticket)`: without a ticket nobody waits.
fn delete<'s>(call: &Call<'s>) -> Answer<'s> {
    let (key, (folder, by)) = (call.text_at(1)?, folder(call)?);
    let done = if call.len() > 2 { Some(settle_quietly(Ticket::from_call(call, 2)?)) } else { None };
    folder.delete(&key, done, by);
    Ok(call.undefined())
}

/// `cacheLookup(handle, key, times)` → the text, with expiry, creation and keep-until in `times`; `null` when there
/// is no value; `undefined` when the file has to be read.
fn lookup<'s>(call: &Call<'s>) -> Answer<'s> {
    let (key, times) = (call.text_at(1)?, call.cells::<f64>(2)?);
    let (folder, _) = folder(call)?;
    match folder.lookup(&key) {
        Lookup::Found(entry) => {
            let found = [entry.times.expires, entry.times.created, entry.times.keep];
            times.iter().zip(found).for_each(|(cell, time)| cell.set(time));
            Ok(call.text(&entry.text))
        }
        Lookup::Absent => Ok(call.null()),
        Lookup::Unknown => Ok(call.undefined()),
    }
}

/// `cacheRead(handle, ticket, key, deadToo)` → `[text, expires, created, keep, from disk]` or `null`
fn read<'s>(call: &Call<'s>) -> Answer<'s> {
    let (key, dead_too) = (call.text_at(2)?.into_string(), call.boolean_at(3)?);
    let form = face(call, |face| face.form.clone())?;
    let (folder, _) = folder(call)?;
    let ticket = Ticket::from_call(call, 1)?;
    Reader::global().run(move || {
        let found = reader::read(&folder, &key, &form, dead_too);
        ticket.settle(move |scope| Ok(answer(scope, found)));
    });
    Ok(call.undefined())
}

fn answer(scope: Scope<'_>, found: reader::Found) -> crate::binding::raw::Value<'_> {
    let Some((entry, from_disk)) = found else { return scope.null() };
    let times = entry.times;
    let [expires, created, keep] = [times.expires, times.created, times.keep].map(|time| scope.number(time));
    scope.array([scope.text(&entry.text), expires, created, keep, scope.boolean(from_disk)])
}
