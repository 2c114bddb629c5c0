//! The PostgreSQL half of the boundary.

use crate::binding::looped::node_loop;
use crate::binding::queue::{self, Ticket};
use crate::binding::raw::{Answer, Call, Exports, Failure, Item, Scope, Shared, on_env_close};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::pool::abandon::Abandon;
use crate::pool::address::Address;
use crate::pool::connection::{Connection, Request};
use crate::pool::error::PoolError;
use crate::pool::manager::Postgres;
use crate::pool::parameter::Parameter;
use crate::pool::row::{Delivery, Shape};
use crate::pool::wire::Place;
use crate::runtime;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    static SERVERS: Handles<Arc<Postgres>> = const { handles() };
    /// The statements that their callers may give up, by request number.
    static ABANDONABLE: RefCell<HashMap<u32, Arc<Abandon>>> = RefCell::new(HashMap::new());
    static ARENA: RefCell<Option<Shared<i32>>> = const { RefCell::new(None) };
    /// The shapes of the delivery that JavaScript decodes at the moment.
    static SHAPES: RefCell<Vec<Arc<Shape>>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn register(exports: Exports<'_>) {
    exports
        .function("pgArena", |call| {
            ARENA.set(Some(Shared::hold(call, 0)?));
            Ok(call.undefined())
        })
        .function("pgShape", shape)
        .function("pgOpen", open)
        .function("pgClose", |call| {
            drop(SERVERS.remove(call.uint_at(0)?));
            Ok(call.undefined())
        })
        .function("pgConnect", connect)
        .function("pgDisconnect", |call| {
            server(call)?.disconnect(call.uint_at(1)?);
            Ok(call.undefined())
        })
        .function("pgIsAlive", is_alive)
        .function("pgQuery", query)
        .function("pgQueryUntil", query_until)
        .function("pgAbandon", |call| {
            let number = call.uint_at(0)?;
            ABANDONABLE.with_borrow(|known| known.get(&number).map(|abandon| abandon.give()));
            Ok(call.undefined())
        })
        .function("pgBatch", |call| start(call, batch(call)?))
        .function("pgBatchUntil", |call| until(call, batch(call)?))
        .function("pgPipeline", pipeline)
        .function("pgDescribe", describe);
    super::wide::register(exports);
    on_env_close(exports, |_| {
        super::wide::close();
        ARENA.set(None);
        // Connections are closed with the environment that opened them, worker threads included.
        drop(SERVERS.replace(crate::binding::table::Table::new()));
    });
}

pub(super) fn server(call: &Call<'_>) -> Result<Arc<Postgres>, Failure> {
    SERVERS.with_object(call.uint_at(0)?, |server| Arc::clone(server))
}

pub(super) fn connection(call: &Call<'_>) -> Result<Arc<Connection>, Failure> {
    server(call)?.connection(call.uint_at(1)?).ok_or_else(|| PoolError::ConnectionClosed.into())
}

/// `pgOpen(options, timeout in ms, whether this is Node and not something like it)` → handle
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let timeout = Duration::from_secs_f64(call.number_at(1)?.clamp(1.0, 1e10) / 1e3);
    let address = Address::read(&call.options_at(0)?, timeout)?;
    let poller = node_loop(call, address.on_loop && call.boolean_at(2)?)?;
    let server = Postgres::new(address, timeout, poller);
    Ok(call.uint(SERVERS.insert(Arc::new(server))))
}

/// `pgConnect(handle, request)` → the connection's number, or the description of an error
fn connect<'s>(call: &Call<'s>) -> Answer<'s> {
    let (server, runtime) = (server(call)?, runtime::handle()?);
    let ticket = Ticket::from_call(call, 1)?;
    runtime.spawn(async move {
        let made = server.connect().await;
        ticket.settle(move |scope| {
            Ok(match made {
                Ok(number) => scope.uint(number),
                Err(failure) => scope.text(&failure.description()),
            })
        });
    });
    Ok(call.undefined())
}

/// Runs `job` where the connection is driven.
pub(super) fn beside(
    call: &Call<'_>,
    connection: &Connection,
    job: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    match connection.wire().place() {
        Place::Loop => queue::spawn_here(call, job)?,
        Place::Thread => _ = runtime::handle()?.spawn(job),
    }
    Ok(())
}

/// `pgIsAlive(handle, connection, request, limit in ms)` → boolean
fn is_alive<'s>(call: &Call<'s>) -> Answer<'s> {
    let connection = connection(call)?;
    let limit = Duration::from_secs_f64(call.number_at(3)?.clamp(1.0, 1e10) / 1e3);
    let ticket = Ticket::from_call(call, 2)?;
    let wire = Arc::clone(&connection);
    beside(call, &wire, async move {
        let alive = connection.is_alive(limit).await;
        ticket.settle(move |scope| Ok(scope.boolean(alive)));
    })?;
    Ok(call.undefined())
}

/// `pgQuery(handle, connection, request, text, parameters)` → a delivery
fn query<'s>(call: &Call<'s>) -> Answer<'s> {
    let parameters = call.list_at(4)?.into_iter().map(parameter).collect();
    start(call, vec![Request { text: call.text_at(3)?.to_string(), parameters }])
}

/// `pgQueryUntil(handle, connection, request, text, parameters)` → a delivery; `pgAbandon(request)` gives it up
fn query_until<'s>(call: &Call<'s>) -> Answer<'s> {
    let parameters = call.list_at(4)?.into_iter().map(parameter).collect();
    until(call, vec![Request { text: call.text_at(3)?.to_string(), parameters }])
}

/// Runs the requests; `pgAbandon(request)` gives them up
fn until<'s>(call: &Call<'s>, requests: Vec<Request>) -> Answer<'s> {
    let connection = connection(call)?;
    let (number, ticket) = (call.uint_at(2)?, Ticket::from_call(call, 2)?);
    let abandon = Arc::new(Abandon::default());
    ABANDONABLE.with_borrow_mut(|known| known.insert(number, Arc::clone(&abandon)));
    let wire = Arc::clone(&connection);
    beside(call, &wire, async move {
        let done = connection.run_until(requests, &abandon).await;
        drop(connection);
        let delivery = done.map(|delivery| (utf16(&delivery), delivery));
        ticket.settle(move |scope| {
            // Before JavaScript uses the number again.
            ABANDONABLE.with_borrow_mut(|known| known.remove(&number));
            let (wide, delivery) = delivery.ok_or(PoolError::ConnectionLost)?;
            deliver(scope, delivery, wide.as_deref())
        });
    })?;
    Ok(call.undefined())
}

/// `(…, texts, numbers of parameters, parameters)` from the fourth argument on
fn batch(call: &Call<'_>) -> Result<Vec<Request>, Failure> {
    let mut parameters = call.list_at(5)?.into_iter().map(parameter);
    let texts = call.list_at(3)?;
    let requests = texts.into_iter().zip(call.cells::<i32>(4)?).map(|(text, count)| Request {
        text: if let Item::Text(text) = text { text } else { String::new() },
        parameters: parameters.by_ref().take(usize::try_from(count.get()).unwrap_or(0)).collect(),
    });
    Ok(requests.collect())
}

/// `pgPipeline(handle, connection, request, texts, numbers of parameters, parameters)` → deliveries of the next
/// results as progress, each with its number of results
fn pipeline<'s>(call: &Call<'s>) -> Answer<'s> {
    let requests = batch(call)?;
    let connection = connection(call)?;
    let ticket = Ticket::from_call(call, 2)?;
    let wire = Arc::clone(&connection);
    beside(call, &wire, async move {
        let emit = |delivery: Delivery, count: usize| {
            let wide = utf16(&delivery);
            ticket.progress(move |scope| {
                let value = deliver(scope, delivery, wide.as_deref())?;
                Ok(scope.array([scope.number(count as f64), value]))
            });
        };
        let done = connection.pipeline(&requests, emit).await;
        drop(connection);
        ticket.settle(move |scope| {
            done.ok_or(PoolError::ConnectionLost)?;
            Ok(scope.undefined())
        });
    })?;
    Ok(call.undefined())
}

/// `pgDescribe(handle, connection, request, text)` → JSON of the parameters and columns, or of an error
fn describe<'s>(call: &Call<'s>) -> Answer<'s> {
    let connection = connection(call)?;
    let text = call.text_at(3)?.to_string();
    let ticket = Ticket::from_call(call, 2)?;
    let wire = Arc::clone(&connection);
    beside(call, &wire, async move {
        let Some(described) = connection.describe(&text).await else { return };
        drop(connection);
        ticket.settle(move |scope| {
            Ok(match described {
                Ok(description) => scope.text(&description),
                Err(failure) => scope.array([scope.text(&failure.description())]),
            })
        });
    })?;
    Ok(call.undefined())
}

pub(super) fn parameter(item: Item) -> Parameter {
    match item {
        Item::Null => Parameter::Null,
        Item::Text(text) => Parameter::Text(text),
        Item::Bytes(bytes) => Parameter::Bytes(bytes),
    }
}

fn start<'s>(call: &Call<'s>, requests: Vec<Request>) -> Answer<'s> {
    let connection = connection(call)?;
    let ticket = Ticket::from_call(call, 2)?;
    let wire = Arc::clone(&connection);
    beside(call, &wire, async move {
        let Some(delivery) = connection.run(&requests).await else { return };
        drop(connection);
        let wide = utf16(&delivery);
        ticket.settle(move |scope| deliver(scope, delivery, wide.as_deref()));
    })?;
    Ok(call.undefined())
}

/// The text in the form that JavaScript takes without looking at it, unless it is ASCII.
pub(super) fn utf16(delivery: &Delivery) -> Option<Vec<u16>> {
    (!delivery.text.is_ascii()).then(|| delivery.text.encode_utf16().collect())
}

/// The text, when the words fit the shared arena; else the text and an arena of its own.
pub(super) fn deliver<'s>(scope: Scope<'s>, delivery: Delivery, wide: Option<&[u16]>) -> Answer<'s> {
    let text = wide.map_or_else(|| scope.text(&delivery.text), |wide| scope.text_utf16(wide));
    let fits = ARENA.with_borrow(|arena| arena.as_ref().is_some_and(|arena| arena.fill(scope, &delivery.words)));
    let value = if fits { text } else { scope.array([text, scope.array_buffer(&delivery.words)]) };
    SHAPES.set(delivery.shapes);
    Ok(value)
}

/// `pgShape(id)` → the description of a shape of the delivery at hand
fn shape<'s>(call: &Call<'s>) -> Answer<'s> {
    let id = call.uint_at(0)?;
    SHAPES.with_borrow(|shapes| {
        let shape = shapes.iter().find(|shape| shape.id == id);
        Ok(shape.map_or_else(|| call.null(), |shape| call.text(&shape.description)))
    })
}
