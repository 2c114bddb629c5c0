//! The folder as a whole, and files by path.

use super::store::{failure, settle};
use super::{face, folder};
use crate::binding::queue::Ticket;
use crate::binding::raw::{Answer, Call, Exports};
use crate::cache::disk;
use crate::cache::error::CacheError;
use crate::cache::name::FileName;
use crate::cache::reader::{self, Reader};
use crate::cache::scan;
use crate::cache::shared::now;
use crate::cache::stats::PendingStats;
use crate::cache::writer::{Condition, Job, Writer};
use std::path::PathBuf;
use std::sync::Arc;

pub(super) fn register(exports: Exports<'_>) {
    exports
        .function("cacheFileName", |call| {
            let name = FileName::of(&call.text_at(0)?);
            Ok(call.text(&name.with_extension(call.boolean_at(1)?)))
        })
        .function("cacheMakeFolder", |call| {
            let (ticket, (folder, _)) = (Ticket::from_call(call, 1)?, folder(call)?);
            Reader::global().run(move || settle(ticket)(disk::make_folder(&folder.path).map_err(Arc::new)));
            Ok(call.undefined())
        })
        .function("cacheReadFile", |call| {
            let (ticket, path) = (Ticket::from_call(call, 1)?, PathBuf::from(&*call.text_at(2)?));
            let form = face(call, |face| face.form.clone())?;
            Reader::global().run(move || {
                let text = reader::read_text(&path, &form.seal);
                ticket.settle(move |scope| text.map(|text| scope.text(&text)).map_err(|e| failure(&Arc::new(e))));
            });
            Ok(call.undefined())
        })
        .function("cacheWriteFile", |call| {
            let (path, json) = (PathBuf::from(&*call.text_at(2)?), call.text_at(3)?.into_string());
            let form = face(call, |face| face.form.clone())?;
            let done = settle(Ticket::from_call(call, 1)?);
            Writer::global().push(Job::File { path, json, form, done }, true);
            Ok(call.undefined())
        })
        .function("cacheRemoveFile", |call| {
            let (ticket, path) = (Ticket::from_call(call, 1)?, PathBuf::from(&*call.text_at(2)?));
            remove(vec![(path, Condition::Always)], ticket);
            Ok(call.undefined())
        })
        .function("cacheCleanup", cleanup)
        .function("cacheSize", |call| {
            let (ticket, (folder, _)) = (Ticket::from_call(call, 1)?, folder(call)?);
            Reader::global().run(move || {
                Writer::global().drain();
                let size = scan::size(&folder.path);
                ticket.settle(move |scope| Ok(scope.number(size as f64)));
            });
            Ok(call.undefined())
        })
        .function("cachePending", |call| {
            let (folder, _) = folder(call)?;
            let stats = PendingStats { writes: folder.pending(), bytes: Writer::global().waiting_bytes() };
            Ok(call.array([call.number(stats.writes as f64), call.number(stats.bytes as f64)]))
        })
        .function("cacheFlush", |call| {
            let done = settle(Ticket::from_call(call, 0)?);
            Writer::global().push(Job::Flush(done), true);
            Ok(call.undefined())
        })
        .function("cacheDrain", |call| {
            Writer::global().drain();
            Ok(call.undefined())
        });
}

/// `cacheCleanup(handle, ticket)` → how many expired files were removed; 0 when the folder cannot be listed.
fn cleanup<'s>(call: &Call<'s>) -> Answer<'s> {
    let (ticket, (folder, _)) = (Ticket::from_call(call, 1)?, folder(call)?);
    Reader::global().run(move || {
        Writer::global().drain();
        let found = scan::rubbish(&folder.path, now());
        let found = found.inspect_err(|error: &CacheError| folder.warn(error)).unwrap_or_default();
        Writer::global().push(Job::Remove { files: found.broken, done: Box::new(|_| ()) }, true);
        remove(found.expired, ticket);
    });
    Ok(call.undefined())
}

/// Has the writer remove files and resolves with how many there were.
fn remove(files: Vec<(PathBuf, Condition)>, ticket: Ticket) {
    let done = Box::new(move |count: usize| ticket.settle(move |scope| Ok(scope.number(count as f64))));
    Writer::global().push(Job::Remove { files, done }, true);
}
