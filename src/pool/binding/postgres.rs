//! The PostgreSQL half of the boundary.

use crate::binding::queue::Ticket;
use crate::binding::raw::{Answer, Call, Exports, Failure, Item, Scope, Shared, on_env_close};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::pool::error::PoolError;
use crate::pool::manager::{Connection, Postgres, Request};
use crate::pool::parameter::Parameter;
use crate::pool::row::{Delivery, Shape};
use crate::runtime;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    static SERVERS: Handles<Arc<Postgres>> = const { handles() };
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
        .function("pgBatch", batch);
    on_env_close(exports, |_| {
        ARENA.set(None);
        // Connections are closed with the environment that opened them, worker threads included.
        drop(SERVERS.replace(crate::binding::table::Table::new()));
    });
}

fn server(call: &Call<'_>) -> Result<Arc<Postgres>, Failure> {
    SERVERS.with_object(call.uint_at(0)?, |server| Arc::clone(server))
}

fn connection(call: &Call<'_>) -> Result<Arc<Connection>, Failure> {
    server(call)?.connection(call.uint_at(1)?).ok_or_else(|| PoolError::ConnectionClosed.into())
}

/// `pgOpen(connectionString, timeout in ms)` → handle
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let timeout = Duration::from_secs_f64(call.number_at(1)?.clamp(1.0, 1e10) / 1e3);
    let server = Postgres::new(&call.text_at(0)?, timeout)?;
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

/// `pgIsAlive(handle, connection, request, limit in ms)` → boolean
fn is_alive<'s>(call: &Call<'s>) -> Answer<'s> {
    let (connection, runtime) = (connection(call)?, runtime::handle()?);
    let limit = Duration::from_secs_f64(call.number_at(3)?.clamp(1.0, 1e10) / 1e3);
    let ticket = Ticket::from_call(call, 2)?;
    runtime.spawn(async move {
        let alive = connection.is_alive(limit).await;
        ticket.settle(move |scope| Ok(scope.boolean(alive)));
    });
    Ok(call.undefined())
}

/// `pgQuery(handle, connection, request, text, parameters)` → a delivery
fn query<'s>(call: &Call<'s>) -> Answer<'s> {
    let parameters = call.list_at(4)?.into_iter().map(parameter).collect();
    start(call, vec![Request { text: call.text_at(3)?.to_string(), parameters }])
}

/// `pgBatch(handle, connection, request, texts, numbers of parameters, parameters)` → a delivery
fn batch<'s>(call: &Call<'s>) -> Answer<'s> {
    let mut parameters = call.list_at(5)?.into_iter().map(parameter);
    let texts = call.list_at(3)?;
    let requests = texts.into_iter().zip(call.cells::<i32>(4)?).map(|(text, count)| Request {
        text: if let Item::Text(text) = text { text } else { String::new() },
        parameters: parameters.by_ref().take(usize::try_from(count.get()).unwrap_or(0)).collect(),
    });
    let requests = requests.collect();
    start(call, requests)
}

fn parameter(item: Item) -> Parameter {
    match item {
        Item::Null => Parameter::Null,
        Item::Text(text) => Parameter::Text(text),
        Item::Bytes(bytes) => Parameter::Bytes(bytes),
    }
}

fn start<'s>(call: &Call<'s>, requests: Vec<Request>) -> Answer<'s> {
    let (connection, runtime) = (connection(call)?, runtime::handle()?);
    let ticket = Ticket::from_call(call, 2)?;
    runtime.spawn(async move {
        let Some(delivery) = connection.run(&requests).await else { return };
        drop(connection);
        let wide: Option<Vec<u16>> = (!delivery.text.is_ascii()).then(|| delivery.text.encode_utf16().collect());
        ticket.settle(move |scope| deliver(scope, delivery, wide.as_deref()));
    });
    Ok(call.undefined())
}

/// The text, when the words fit the shared arena; else the text and an arena of its own.
fn deliver<'s>(scope: Scope<'s>, delivery: Delivery, wide: Option<&[u16]>) -> Answer<'s> {
    let text = wide.map_or_else(|| scope.text(&delivery.text), |wide| scope.text_utf16(wide));
    let fits = ARENA.with_borrow(|arena| {
        let cells = arena.as_ref().map_or(&[][..], |arena| arena.cells(scope));
        let target = cells.get(..delivery.words.len());
        target.inspect(|target| target.iter().zip(&delivery.words).for_each(|(cell, &word)| cell.set(word))).is_some()
    });
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
