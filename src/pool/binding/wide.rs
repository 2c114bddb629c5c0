//! What takes a whole connection, or one of its own: streams, copies and listening.

use super::postgres::{connection, deliver, parameter, server, utf16};
use crate::binding::queue::{Notifier, Ticket};
use crate::binding::raw::{Answer, Call, Exports, Failure, Item, Scope};
use crate::binding::table::{HandleTable, Handles, Table, handles};
use crate::pool::abandon::Abandon;
use crate::pool::connection::{Connection, Request};
use crate::pool::copy::{CopyIn, CopyOut};
use crate::pool::error::PoolError;
use crate::pool::failure::Failure as Failed;
use crate::pool::listen::{Heard, Listener};
use crate::pool::stream::Rows;
use crate::runtime;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Something under way, until it is closed.
struct Open<T> {
    connection: Arc<Connection>,
    thing: Mutex<Option<T>>,
    abandon: Abandon,
}

impl<T> Open<T> {
    fn new(connection: Arc<Connection>) -> Arc<Self> {
        Arc::new(Self { connection, thing: Mutex::new(None), abandon: Abandon::default() })
    }
}

type Shared<T> = Arc<Open<T>>;

thread_local! {
    static STREAMS: Handles<Shared<Rows>> = const { handles() };
    static COPIES_IN: Handles<Shared<CopyIn>> = const { handles() };
    static COPIES_OUT: Handles<Shared<CopyOut>> = const { handles() };
    static LISTENERS: Handles<Arc<Listener>> = const { handles() };
}

pub(super) fn register(exports: Exports<'_>) {
    exports
        .function("pgStream", stream)
        .function("pgStreamNext", stream_next)
        .function("pgStreamClose", stream_close)
        .function("pgCopyIn", copy_in)
        .function("pgCopyWrite", copy_write)
        .function("pgCopyFinish", copy_finish)
        .function("pgCopyGiveUp", copy_give_up)
        .function("pgCopyOut", copy_out)
        .function("pgCopyRead", copy_read)
        .function("pgCopyClose", copy_close)
        .function("pgEar", ear)
        .function("pgListen", |call| attend(call, true))
        .function("pgUnlisten", |call| attend(call, false))
        .function("pgDeaf", |call| {
            drop(LISTENERS.remove(call.uint_at(0)?));
            Ok(call.undefined())
        });
}

/// Gives up what the environment had under way.
pub(super) fn close() {
    drop(STREAMS.replace(Table::new()));
    drop(COPIES_IN.replace(Table::new()));
    drop(COPIES_OUT.replace(Table::new()));
    drop(LISTENERS.replace(Table::new()));
}

/// Starts something, keeps it when it is there, and answers `null` or the description of an error.
fn begin<'s, T: Send + 'static>(
    call: &Call<'s>,
    shared: Shared<T>,
    opening: impl Future<Output = Result<T, Failed>> + Send + 'static,
) -> Result<(), Failure> {
    let runtime = runtime::handle()?;
    let ticket = Ticket::from_call(call, 2)?;
    runtime.spawn(async move {
        let mut place = shared.thing.lock().await;
        let Some(opened) = shared.connection.unless_killed(opening).await else { return };
        let failed = match opened {
            Ok(thing) => {
                *place = Some(thing);
                None
            }
            Err(failure) => Some(failure),
        };
        ticket.settle(move |scope| Ok(described(scope, failed)));
    });
    Ok(())
}

fn described(scope: Scope<'_>, failed: Option<Failed>) -> crate::binding::raw::Value<'_> {
    failed.map_or_else(|| scope.null(), |failure| scope.text(&failure.description()))
}

fn gone() -> Failed {
    PoolError::ConnectionLost.into()
}

/// `pgStream(handle, connection, request, text, parameters)` → the stream's handle; the request: `null` or an error
fn stream<'s>(call: &Call<'s>) -> Answer<'s> {
    let parameters = call.list_at(4)?.into_iter().map(parameter).collect();
    let request = Request { text: call.text_at(3)?.to_string(), parameters };
    let connection = connection(call)?;
    let shared = Open::new(connection);
    let open = Arc::clone(&shared);
    begin(
        call,
        Arc::clone(&shared),
        async move { Rows::open(Arc::clone(&open.connection), request, &open.abandon).await },
    )?;
    Ok(call.uint(STREAMS.insert(shared)))
}

/// `pgStreamNext(stream, request, count)` → a delivery
fn stream_next<'s>(call: &Call<'s>) -> Answer<'s> {
    let shared = STREAMS.with_object(call.uint_at(0)?, |shared| Arc::clone(shared))?;
    let (count, runtime) = (call.uint_at(2)? as usize, runtime::handle()?);
    let ticket = Ticket::from_call(call, 1)?;
    runtime.spawn(async move {
        let next = async {
            let mut place = shared.thing.lock().await;
            let rows = place.as_mut()?;
            tokio::select! {
                biased;
                () = shared.abandon.given() => None,
                delivery = rows.next(count) => Some(delivery),
            }
        };
        let delivery = shared.connection.unless_killed(next).await.flatten();
        let delivery = delivery.map(|delivery| (utf16(&delivery), delivery));
        ticket.settle(move |scope| {
            let (wide, delivery) = delivery.ok_or(PoolError::ConnectionLost)?;
            deliver(scope, delivery, wide.as_deref())
        });
    });
    Ok(call.undefined())
}

/// `pgStreamClose(stream, request)` → whether the connection is still of use
fn stream_close<'s>(call: &Call<'s>) -> Answer<'s> {
    let Some(shared) = STREAMS.remove(call.uint_at(0)?) else { return Err(Failure::internal("no such stream")) };
    end(call, shared, Rows::close)
}

/// `pgCopyGiveUp(copy, request)` → whether the connection is still of use; nothing is copied unless it was finished
fn copy_give_up<'s>(call: &Call<'s>) -> Answer<'s> {
    let Some(shared) = COPIES_IN.remove(call.uint_at(0)?) else { return Err(Failure::internal("no such copy")) };
    end(call, shared, |copy| async {
        drop(copy);
        true
    })
}

/// Abandons what is under way, takes the thing out and closes it → whether the connection is still of use
fn end<'s, T: Send + 'static, F: Future<Output = bool> + Send>(
    call: &Call<'s>,
    shared: Shared<T>,
    close: impl FnOnce(T) -> F + Send + 'static,
) -> Answer<'s> {
    let runtime = runtime::handle()?;
    let ticket = Ticket::from_call(call, 1)?;
    shared.abandon.give();
    runtime.spawn(async move {
        let closed = async {
            let thing = shared.thing.lock().await.take();
            match thing {
                Some(thing) => close(thing).await,
                None => !shared.connection.is_closed(),
            }
        };
        let clean = shared.connection.unless_killed(closed).await.unwrap_or(false);
        ticket.settle(move |scope| Ok(scope.boolean(clean)));
    });
    Ok(call.undefined())
}

/// `pgCopyIn(handle, connection, request, text)` → the copy's handle; the request: `null` or an error
fn copy_in<'s>(call: &Call<'s>) -> Answer<'s> {
    let (connection, text) = (connection(call)?, call.text_at(3)?.to_string());
    let shared = Open::new(connection);
    let open = Arc::clone(&shared);
    begin(
        call,
        Arc::clone(&shared),
        async move { CopyIn::open(Arc::clone(&open.connection), &text, &open.abandon).await },
    )?;
    Ok(call.uint(COPIES_IN.insert(shared)))
}

/// `pgCopyWrite(copy, request, [bytes or text, …])` → `null` when there is room for more, or an error
fn copy_write<'s>(call: &Call<'s>) -> Answer<'s> {
    let shared = COPIES_IN.with_object(call.uint_at(0)?, |shared| Arc::clone(shared))?;
    let pieces: Vec<Bytes> = call
        .list_at(2)?
        .into_iter()
        .filter_map(|item| match item {
            Item::Text(text) => Some(text.into()),
            Item::Bytes(bytes) => Some(bytes.into()),
            Item::Null => None,
        })
        .collect();
    let runtime = runtime::handle()?;
    let ticket = Ticket::from_call(call, 1)?;
    runtime.spawn(async move {
        let written = async {
            let mut place = shared.thing.lock().await;
            let copy = place.as_mut().ok_or_else(gone)?;
            for piece in pieces {
                copy.write(piece, &shared.abandon).await?;
            }
            Ok(())
        };
        let failed = shared.connection.unless_killed(written).await.unwrap_or_else(|| Err(gone())).err();
        ticket.settle(move |scope| Ok(described(scope, failed)));
    });
    Ok(call.undefined())
}

/// `pgCopyFinish(copy, request)` → the number of rows, or an error
fn copy_finish<'s>(call: &Call<'s>) -> Answer<'s> {
    let shared = COPIES_IN.with_object(call.uint_at(0)?, |shared| Arc::clone(shared))?;
    let runtime = runtime::handle()?;
    let ticket = Ticket::from_call(call, 1)?;
    runtime.spawn(async move {
        let finished = async {
            let mut place = shared.thing.lock().await;
            place.take().ok_or_else(gone)?.finish(&shared.abandon).await
        };
        let finished = shared.connection.unless_killed(finished).await.unwrap_or_else(|| Err(gone()));
        ticket.settle(move |scope| {
            Ok(match finished {
                Ok(rows) => scope.number(rows as f64),
                Err(failure) => scope.text(&failure.description()),
            })
        });
    });
    Ok(call.undefined())
}

/// `pgCopyOut(handle, connection, request, text)` → the copy's handle; the request: `null` or an error
fn copy_out<'s>(call: &Call<'s>) -> Answer<'s> {
    let (connection, text) = (connection(call)?, call.text_at(3)?.to_string());
    let shared = Open::new(connection);
    let open = Arc::clone(&shared);
    begin(call, Arc::clone(&shared), async move {
        CopyOut::open(Arc::clone(&open.connection), &text, &open.abandon).await
    })?;
    Ok(call.uint(COPIES_OUT.insert(shared)))
}

/// `pgCopyRead(copy, request)` → an `ArrayBuffer`, empty at the end, or an error
fn copy_read<'s>(call: &Call<'s>) -> Answer<'s> {
    let shared = COPIES_OUT.with_object(call.uint_at(0)?, |shared| Arc::clone(shared))?;
    let runtime = runtime::handle()?;
    let ticket = Ticket::from_call(call, 1)?;
    runtime.spawn(async move {
        let read = async {
            let mut place = shared.thing.lock().await;
            let copy = place.as_mut().ok_or_else(gone)?;
            tokio::select! {
                biased;
                () = shared.abandon.given() => Err(gone()),
                bytes = copy.next() => bytes,
            }
        };
        let read = shared.connection.unless_killed(read).await.unwrap_or_else(|| Err(gone()));
        ticket.settle(move |scope| {
            Ok(match read {
                Ok(bytes) => scope.array_buffer(&bytes),
                Err(failure) => scope.text(&failure.description()),
            })
        });
    });
    Ok(call.undefined())
}

/// `pgCopyClose(copy, request)` → whether the connection is still of use
fn copy_close<'s>(call: &Call<'s>) -> Answer<'s> {
    let Some(shared) = COPIES_OUT.remove(call.uint_at(0)?) else { return Err(Failure::internal("no such copy")) };
    end(call, shared, CopyOut::close)
}

/// `pgEar(handle, listener)` → the ear's handle; the listener gets `[channel, payload, process]`, or `null` for a gap
fn ear<'s>(call: &Call<'s>) -> Answer<'s> {
    let (server, runtime) = (server(call)?, runtime::handle()?);
    let notifier = Notifier::from_call(call, 1)?;
    let tell = move |heard| {
        notifier.notify(move |scope| {
            Ok(match heard {
                Heard::Gap => scope.null(),
                Heard::Notification { channel, payload, process } => {
                    scope.array([scope.text(&channel), scope.text(&payload), scope.int(process)])
                }
            })
        });
    };
    let _inside = runtime.enter();
    let listener = Listener::start(server.address(), server.timeout(), tell);
    Ok(call.uint(LISTENERS.insert(Arc::new(listener))))
}

/// `pgListen(ear, request, channel)`, `pgUnlisten(ear, request, channel)` → `null` or an error
fn attend<'s>(call: &Call<'s>, listen: bool) -> Answer<'s> {
    let listener = LISTENERS.with_object(call.uint_at(0)?, |listener| Arc::clone(listener))?;
    let (channel, runtime) = (call.text_at(2)?.to_string(), runtime::handle()?);
    let ticket = Ticket::from_call(call, 1)?;
    runtime.spawn(async move {
        let done = if listen { listener.listen(&channel).await } else { listener.unlisten(&channel).await };
        ticket.settle(move |scope| Ok(described(scope, done.err())));
    });
    Ok(call.undefined())
}
