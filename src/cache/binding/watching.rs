//! Changes by other threads, on their way to the values that this thread holds.

use super::{face, folder};
use crate::binding::queue::Notifier;
use crate::binding::raw::{EnvId, Exports, on_env_close};
use crate::cache::shared::Folder;
use crate::cache::watch::{Wake, Watcher};
use std::cell::RefCell;
use std::sync::{Arc, Weak};

thread_local! {
    /// What this thread watches, so that a terminated worker leaves nothing behind.
    static WATCHED: RefCell<Vec<(EnvId, Weak<Folder>, u32)>> = const { RefCell::new(Vec::new()) };
}

fn close(env: EnvId) {
    let watched = WATCHED.with_borrow_mut(|watched| watched.extract_if(.., |(of, ..)| *of == env).collect::<Vec<_>>());
    for (_, folder, number) in watched {
        if let Some(folder) = folder.upgrade() {
            folder.unwatch(number);
        }
    }
}

struct Listener(Notifier);

impl Wake for Listener {
    fn wake(&self, watcher: Arc<Watcher>) {
        self.0.notify(move |scope| {
            let changes = watcher.take();
            let keys =
                if changes.all { scope.null() } else { scope.array(changes.keys.iter().map(|key| scope.text(key))) };
            let warning = changes.warning.map_or(scope.undefined(), |reason| scope.text(&reason));
            Ok(scope.array([keys, warning]))
        });
    }
}

pub(super) fn register(exports: Exports<'_>) {
    exports
        // cacheWatch(handle, listener, number): the thread's first instance on the folder passes 0 and gets a number
        // that the others pass. The listener is called with `[keys or null for all, warning or undefined]`.
        .function("cacheWatch", |call| {
            let (notifier, given) = (Notifier::from_call(call, 1)?, call.uint_at(2)?);
            let (folder, _) = folder(call)?;
            let number = if given == 0 { folder.watch(Box::new(Listener(notifier))) } else { given };
            if given == 0 {
                WATCHED.with_borrow_mut(|watched| {
                    watched.retain(|(_, folder, _)| folder.strong_count() > 0);
                    watched.push((call.env_id(), Arc::downgrade(&folder), number));
                });
            }
            face(call, |face| face.watch = number)?;
            Ok(call.uint(number))
        })
        .function("cacheUnwatch", |call| {
            let (folder, number) = folder(call)?;
            folder.unwatch(number);
            Ok(call.undefined())
        });
    on_env_close(exports, close);
}
