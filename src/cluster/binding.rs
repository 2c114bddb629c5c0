//! The raw functions of this room: clients by handle, single commands, health.

use super::client::Client;
use super::config::ClusterConfig;
use super::engine::Health;
use crate::binding::queue::{Notifier, Ticket};
use crate::binding::raw::{Answer, Call, Exports, Failure, Item, Scope, Value as Made, on_env_close};
use crate::binding::table::{HandleTable, Handles, handles};
use redis::{Cmd, Value};

thread_local! {
    static CLIENTS: Handles<Client> = const { handles() };
}

/// Adds the room's functions to the addon's exports.
pub fn register(exports: Exports<'_>) {
    exports
        .function("clusterOpen", open)
        .function("clusterCommand", command)
        .function("clusterIsUp", |call| Ok(call.boolean(client(call)?.is_up())))
        .function("clusterWatch", watch)
        .function("clusterClose", |call| {
            drop(CLIENTS.remove(call.uint_at(0)?));
            Ok(call.undefined())
        });
    on_env_close(exports, |_| drop(CLIENTS.replace(crate::binding::table::Table::new())));
}

fn client(call: &Call<'_>) -> Result<Client, Failure> {
    CLIENTS.with_object(call.uint_at(0)?, |client| client.clone())
}

/// `clusterOpen(options)` → handle
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = ClusterConfig::from_options(&call.options_at(0)?, "tooloo:")?;
    Ok(call.uint(CLIENTS.insert(Client::open(&config)?)))
}

/// `clusterCommand(handle, request, [name, …arguments])` → the reply
fn command<'s>(call: &Call<'s>) -> Answer<'s> {
    let (client, words) = (client(call)?, call.list_at(2)?);
    let mut command = Cmd::new();
    for word in words {
        match word {
            Item::Null => command.arg(""),
            Item::Text(text) => command.arg(text),
            Item::Bytes(bytes) => command.arg(bytes),
        };
    }
    let ticket = Ticket::from_call(call, 1)?;
    let asking = client.clone();
    client.spawn(async move {
        let reply = asking.send(&command).await;
        ticket.settle(move |scope| Ok(make(scope, reply?)));
    });
    Ok(call.undefined())
}

/// A reply as JavaScript takes it; text that is none is shown as good as it goes.
fn make(scope: Scope<'_>, reply: Value) -> Made<'_> {
    match reply {
        Value::Int(number) => scope.number(number as f64),
        Value::Double(number) => scope.number(number),
        Value::Boolean(value) => scope.boolean(value),
        Value::BulkString(bytes) => scope.text(&String::from_utf8_lossy(&bytes)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => scope.text(&text),
        Value::Okay => scope.text("OK"),
        Value::Array(items) | Value::Set(items) => scope.array(items.into_iter().map(|item| make(scope, item))),
        Value::Map(pairs) => {
            let pair = |(key, value)| scope.array([make(scope, key), make(scope, value)]);
            scope.array(pairs.into_iter().map(pair))
        }
        _ => scope.null(),
    }
}

/// `clusterWatch(handle, listener)`: tells the health now and each change of it, as the number of the connection, or 0 while it is away.
fn watch<'s>(call: &Call<'s>) -> Answer<'s> {
    let (client, notifier) = (client(call)?, Notifier::from_call(call, 1)?);
    let mut health = client.health();
    health.mark_changed();
    client.spawn(async move {
        while health.changed().await.is_ok() {
            let number = if let Health::Up(times) = *health.borrow_and_update() { times } else { 0 };
            notifier.notify(move |scope| Ok(scope.number(number as f64)));
        }
    });
    Ok(call.undefined())
}
