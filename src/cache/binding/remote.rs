//! The remote tier and its bus.

use crate::binding::looped::node_loop;
use crate::binding::queue::{Notifier, Ticket, with_turn_later};
use crate::binding::raw::{Answer, Call, Exports, Failure, Item, on_env_close};
use crate::binding::table::{HandleTable, Handles, Table, handles};
use crate::cache::envelope::{Found, Stored};
use crate::cache::leases::Lease;
use crate::cache::remote::{Condition, Kind, Remote};
use crate::cache::remote_config::{BusConfig, RemoteConfig};
use crate::cluster::bus::Heard;
use crate::cluster::notice::Notice;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    static REMOTES: Handles<Arc<Remote>> = const { handles() };
}

pub fn register(exports: Exports<'_>) {
    exports
        // `(options, encrypted, algorithm, keys, whether sockets may be on this loop)` → handle
        .function("remoteOpen", |call| {
            let config = RemoteConfig::from_options(&call.options_at(0)?)?;
            let poller = node_loop(call, config.on_loop && call.boolean_at(4)?)?;
            Ok(call.uint(REMOTES.insert(Remote::open(config, super::memory::seal(call)?, poller)?)))
        })
        .function("remoteClose", |call| {
            drop(REMOTES.remove(call.uint_at(0)?));
            Ok(call.undefined())
        })
        .function("remoteJoin", join)
        .function("remoteRead", |call| with_turn_later(call, || read(call)))
        .function("remoteWrite", |call| with_turn_later(call, || write(call)))
        .function("remoteRemove", |call| with_turn_later(call, || remove(call)))
        .function("remotePublish", |call| with_turn_later(call, || publish(call)))
        .function("remoteTags", |call| with_turn_later(call, || tags(call)))
        .function("remoteLease", |call| with_turn_later(call, || lease(call)))
        .function("remoteRelease", |call| with_turn_later(call, || release(call)))
        .function("remoteIsUp", |call| Ok(call.boolean(remote(call)?.client().is_up())))
        .function("remotePending", |call| Ok(call.number(remote(call)?.pending() as f64)));
    on_env_close(exports, |_| drop(REMOTES.replace(Table::new())));
}

fn remote(call: &Call<'_>) -> Result<Arc<Remote>, Failure> {
    REMOTES.with_object(call.uint_at(0)?, |remote| Arc::clone(remote))
}

fn texts(call: &Call<'_>, index: usize) -> Result<Vec<String>, Failure> {
    let text = |item| if let Item::Text(text) = item { text } else { String::new() };
    Ok(call.list_at(index)?.into_iter().map(text).collect())
}

fn version(number: f64) -> u64 {
    if number > 0.0 { number as u64 } else { 0 }
}

/// Kinds and names in turn.
fn what(call: &Call<'_>, index: usize) -> Result<Vec<(Kind, String)>, Failure> {
    let mut texts = texts(call, index)?.into_iter();
    let mut what = Vec::with_capacity(texts.len() / 2);
    while let (Some(kind), Some(name)) = (texts.next(), texts.next()) {
        let kind = match kind.as_str() {
            "k" => Kind::Key,
            "t" => Kind::Tag,
            "p" => Kind::Pattern,
            "w" => Kind::Written,
            "l" => Kind::Loaded,
            "s" => Kind::Seen,
            "e" => Kind::Event,
            _ => return Err(Failure::wrong_type(index, "kinds and names")),
        };
        what.push((kind, name));
    }
    Ok(what)
}

/// `(handle, listener, options)` → `[milliseconds a value is served without being in step]`. The listener gets
/// `[milliseconds since all was heard, milliseconds since the last gap, kind, text, …]`.
fn join<'s>(call: &Call<'s>) -> Answer<'s> {
    let (remote, notifier) = (remote(call)?, Notifier::from_call(call, 1)?);
    let config = BusConfig::from_options(&call.options_at(2)?)?;
    let tell = move |Heard { notices, in_step, since }: Heard| {
        notifier.notify(move |scope| {
            let age = |moment: std::time::Instant| scope.number(moment.elapsed().as_secs_f64() * 1e3);
            let mut items = Vec::with_capacity(notices.len() * 2 + 2);
            items.extend([age(in_step), age(since)]);
            for Notice { kind, text } in notices {
                items.extend([scope.text(char::from(kind).encode_utf8(&mut [0; 4])), scope.text(&text)]);
            }
            Ok(scope.array(items))
        });
    };
    remote.join(&config, tell)?;
    Ok(call.number(config.max_stale))
}

/// `(handle, request, name)` → `[version]`, `[version, json, expires, stale until, took, tag, version, …]`, or a rejection
/// when the server could not be asked.
fn read<'s>(call: &Call<'s>) -> Answer<'s> {
    let remote = remote(call)?;
    let name = call.text_at(2)?.into_string();
    let ticket = Ticket::from_call(call, 1)?;
    remote.read(name, move |answer| {
        ticket.settle(move |scope| {
            let (version, found) = answer?;
            let Found::Value(Stored { json, expires, stale_until, took, tags, .. }) = found else {
                return Ok(scope.array([scope.number(version as f64)]));
            };
            let times = [expires, stale_until, took].map(|time| scope.number(time));
            let mut items = vec![scope.number(version as f64), scope.text(&json)];
            items.extend(times);
            for (tag, version) in tags {
                items.extend([scope.text(&tag), scope.number(version as f64)]);
            }
            Ok(scope.array(items))
        });
    });
    Ok(call.undefined())
}

/// `(handle, request, name, json, expires, stale until, took, stamp, [tag, version, …], seen, token)` → whether it was
/// stored. `seen` -1: whatever is there. A rejection when the server could not be asked.
fn write<'s>(call: &Call<'s>) -> Answer<'s> {
    let remote = remote(call)?;
    let (name, json) = (call.text_at(2)?.into_string(), call.text_at(3)?.into_string());
    let mut pairs = texts(call, 8)?.into_iter();
    let mut tags = Vec::with_capacity(pairs.len() / 2);
    while let (Some(tag), Some(version)) = (pairs.next(), pairs.next()) {
        tags.push((tag, version.parse().unwrap_or(0)));
    }
    let seen = call.number_at(9)?;
    let condition = if seen < 0.0 {
        Condition::Always
    } else {
        Condition::Unchanged(version(seen), call.text_at(10)?.into_string())
    };
    let value = Stored {
        json,
        expires: call.number_at(4)?,
        stale_until: call.number_at(5)?,
        took: call.number_at(6)?,
        stamp: call.number_at(7)?,
        tags,
    };
    let ticket = Ticket::from_call(call, 1)?;
    remote.write(name, value, condition, move |done| ticket.settle(move |scope| Ok(scope.boolean(done?))));
    Ok(call.undefined())
}

/// `(handle, request, [kind, name, …])` → whether the server and the bus have it
fn remove<'s>(call: &Call<'s>) -> Answer<'s> {
    let (remote, what) = (remote(call)?, what(call, 2)?);
    let ticket = Ticket::from_call(call, 1)?;
    let done = remote.remove(what);
    remote.client().spawn(async move {
        let done = done.await;
        ticket.settle(move |scope| Ok(scope.boolean(done)));
    });
    Ok(call.undefined())
}

/// `(handle, request, [kind, name, …])` → whether the bus has it
fn publish<'s>(call: &Call<'s>) -> Answer<'s> {
    let (remote, what) = (remote(call)?, what(call, 2)?);
    let ticket = Ticket::from_call(call, 1)?;
    let notices = what.into_iter().map(|(kind, text)| kind.notice(&text, remote.version())).collect();
    let client = remote.client().clone();
    client.spawn(async move {
        let done = remote.publish(notices).await.is_ok();
        ticket.settle(move |scope| Ok(scope.boolean(done)));
    });
    Ok(call.undefined())
}

/// `(handle, request, tags)` → their versions
fn tags<'s>(call: &Call<'s>) -> Answer<'s> {
    let (remote, names) = (remote(call)?, texts(call, 2)?);
    let ticket = Ticket::from_call(call, 1)?;
    let versions = remote.tags(&names);
    remote.client().spawn(async move {
        let versions = versions.await;
        ticket.settle(move |scope| Ok(scope.array(versions?.into_iter().map(|version| scope.number(version as f64)))));
    });
    Ok(call.undefined())
}

/// `(handle, request, name, seen)` → `[1, token, lease in ms]`, `[0, ms that another has it]`, `[2]`: it has changed
fn lease<'s>(call: &Call<'s>) -> Answer<'s> {
    let remote = remote(call)?;
    let ticket = Ticket::from_call(call, 1)?;
    let lives = remote.lease_time();
    let asked = remote.lease(&call.text_at(2)?, version(call.number_at(3)?), lives);
    remote.client().spawn(async move {
        let answer = asked.await;
        ticket.settle(move |scope| {
            Ok(match answer? {
                Lease::Granted(token) => {
                    scope.array([scope.int(1), scope.text(&token), scope.number(lives.as_secs_f64() * 1e3)])
                }
                Lease::Held(left) => scope.array([scope.int(0), scope.number(left)]),
                Lease::Changed => scope.array([scope.int(2)]),
            })
        });
    });
    Ok(call.undefined())
}

/// `(handle, request, name, token, prolong)` → whether it was still the caller's
fn release<'s>(call: &Call<'s>) -> Answer<'s> {
    let remote = remote(call)?;
    let ticket = Ticket::from_call(call, 1)?;
    let lives = if call.boolean_at(4)? { remote.lease_time() } else { Duration::ZERO };
    let asked = remote.release(&call.text_at(2)?, call.text_at(3)?.into_string(), lives);
    remote.client().spawn(async move {
        let done = asked.await;
        ticket.settle(move |scope| Ok(scope.boolean(done?)));
    });
    Ok(call.undefined())
}
