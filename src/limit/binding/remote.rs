//! Buckets that several processes share.

use super::{bucket, limiter, write};
use crate::binding::looped::node_loop;
use crate::binding::queue::{Notifier, Ticket, with_turn};
use crate::binding::raw::{Answer, Call, Exports, Failure, Scope, Shared, Value, on_env_close};
use crate::cluster::Client;
use crate::limit::config::LimiterConfig;
use crate::limit::config::is_cost;
use crate::limit::error::LimitError;
use crate::limit::limiter::Limiter;
use crate::limit::remote::config::{Insurance, StoreConfig};
use crate::limit::remote::insurance::Insured;
use crate::limit::remote::lease::Remote;
use crate::limit::remote::message::{Message, Outcome, Verdict};
use crate::limit::remote::ops::{Op, Reply};
use crate::limit::remote::store::Valkey;
use crate::limit::remote::worker::Worker;
use crate::options::{MAX_TIMER_MS, OptionError, Scalar};
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::unbounded_channel;

thread_local! {
    static TRAY: RefCell<Option<Shared<f64>>> = const { RefCell::new(None) };
}

pub(super) fn register(exports: Exports<'_>) {
    exports
        .function("limitTray", |call| {
            TRAY.set(Some(Shared::hold(call, 0)?));
            Ok(call.undefined())
        })
        .function("limitName", name)
        .function("limitSubmit", submit)
        .function("limitWithdraw", withdraw)
        .function("limitLeft", left)
        .function("limitForget", forget)
        .function("limitUnused", unused)
        .function("limitNextUnused", next_unused)
        .function("limitGiveBack", give_back)
        .function("limitAskStore", ask_store)
        .function("limitReserveStore", reserve)
        .function("limitFlush", flush)
        .function("limitStoreStats", stats);
    on_env_close(exports, |_| TRAY.set(None));
}

/// The store in argument 2, if one is given; argument 3 is the listener for outcomes, 4 whether sockets may
/// be on this loop.
pub(super) fn open(call: &Call<'_>, config: &LimiterConfig) -> Result<Option<Remote>, Failure> {
    let store = match call.scalar_at(2) {
        Scalar::Missing | Scalar::Null | Scalar::Bool(false) => return Ok(None),
        Scalar::Other("object") => StoreConfig::from_options(&call.options_at(2)?, config.rate_limit)?,
        // It may be an address with a password.
        Scalar::Text(_) => return Err(OptionError::wrong_type("store", "an object", &Scalar::Other("string")).into()),
        other => return Err(OptionError::wrong_type("store", "an object", &other).into()),
    };
    let interval_ms = config.refill_interval.as_secs_f64() * 1e3;
    let poller = node_loop(call, store.on_loop && call.boolean_at(4)?)?;
    let (client, notifier) = (Client::open_on(&store.engine, poller)?, Notifier::from_call(call, 3)?);
    let insured = Arc::new(Mutex::new(Insured::new(store.insurance, store.insurance_share, interval_ms)));
    let valkey = Arc::new(Valkey::new(client.clone(), interval_ms));
    let figures = valkey.figures().clone();
    let tell = move |outcomes: Vec<Outcome>| {
        let numbers: Vec<f64> = outcomes.iter().flat_map(numbers).collect();
        // Who has his tokens asks for more while the next are told.
        notifier.notify_apart(move |scope| Ok(told(scope, &numbers)));
    };
    let worker = Worker::new(valkey, insured.clone(), interval_ms, config.max_queue_length, Box::new(tell));
    let (sender, inbox) = unbounded_channel();
    client.spawn(worker.run(inbox));
    let is_up = Box::new(move || client.is_up());
    Ok(Some(Remote::new(store, interval_ms, sender, insured, is_up, figures)))
}

/// The numbers in the tray, and how many they are; in a buffer of their own where they do not fit, because making one costs
/// more than all the rest.
fn told<'s>(scope: Scope<'s>, numbers: &[f64]) -> Value<'s> {
    let fits = TRAY.with_borrow(|tray| tray.as_ref().is_some_and(|tray| tray.fill(scope, numbers)));
    if fits { scope.uint(numbers.len() as u32) } else { scope.array_buffer(numbers) }
}

/// Number, verdict (as `limitError` knows refusals; 1 granted at once, 2 after a wait, 0 refused), whole tokens left,
/// ms until they would be there, ms waited.
fn numbers(outcome: &Outcome) -> [f64; 5] {
    let verdict = match outcome.verdict {
        Verdict::Granted { waited: false } => 1.0,
        Verdict::Granted { waited: true } => 2.0,
        Verdict::Refused => 0.0,
        Verdict::TimedOut => -1.0,
        Verdict::TooDear => -2.0,
        Verdict::LineFull => -3.0,
        Verdict::Away => -7.0,
    };
    [outcome.ticket as f64, verdict, outcome.remaining, outcome.retry_after_ms, outcome.waited_ms]
}

/// What the caller may see of it: no address.
pub(super) fn settings<'s>(call: &Call<'s>, remote: &Remote) -> Value<'s> {
    let config = &remote.config;
    let insurance = match config.insurance {
        Insurance::Local => "local",
        Insurance::Allow => "allow",
        Insurance::Deny => "deny",
    };
    call.object()
        .text("prefix", &config.engine.prefix)
        .number("timeoutMs", config.engine.timeout.as_secs_f64() * 1e3)
        .number("leaseTokens", config.lease_tokens)
        .number("leaseMs", config.lease.as_secs_f64() * 1e3)
        .text("insurance", insurance)
        .number("insuranceShare", config.insurance_share)
        .set("plainKeys", call.boolean(config.plain_keys))
        .value()
}

/// Runs `body` with the store's side of the limiter in argument 0.
fn remote<R>(call: &Call<'_>, body: impl FnOnce(&mut Remote) -> R) -> Result<R, Failure> {
    limiter(call, |limiter| limiter.remote.as_mut().map(body))?.ok_or_else(|| Failure::internal("no store"))
}

/// `(handle, desk, id, limit, rate)`: the slot is this client's from now on.
fn name<'s>(call: &Call<'s>) -> Answer<'s> {
    let (id, limit, rate) = (call.text_at(2)?, call.number_at(3)?, call.number_at(4)?);
    bucket(call, |limiter, slot, bucket, now, _| {
        if let Some(remote) = &mut limiter.remote {
            remote.open(slot, &id, limit, rate, bucket, now);
        }
    })?;
    Ok(call.undefined())
}

/// `(handle, requests, count)`: slot, number, cost, ms to wait and whether to stand in line, of each.
fn submit<'s>(call: &Call<'s>) -> Answer<'s> {
    let (requests, count) = (call.cells::<f64>(1)?, call.uint_at(2)? as usize);
    let send = |limiter: &mut Limiter| {
        let (usual, Some(remote)) = (limiter.config.max_wait.as_secs_f64() * 1e3, &mut limiter.remote) else { return };
        for one in requests.chunks_exact(5).take(count) {
            let [slot, ticket, cost, timeout_ms, in_turn] = [0, 1, 2, 3, 4].map(|index| one[index].get());
            let timeout_ms = if timeout_ms >= 0.0 { timeout_ms } else { usual };
            remote.acquire(slot as u32, ticket as u64, cost, timeout_ms, in_turn == 1.0);
        }
    };
    with_turn(call, || limiter(call, send))?;
    Ok(call.undefined())
}

/// `(handle, number)`: he does not want his tokens any more.
fn withdraw<'s>(call: &Call<'s>) -> Answer<'s> {
    let ticket = call.number_at(1)? as u64;
    remote(call, |remote| remote.send(Message::Withdraw(ticket)))?;
    Ok(call.undefined())
}

/// `(handle, slot)` → how many of this client's requests wait, now that one of them does not any more.
fn left<'s>(call: &Call<'s>) -> Answer<'s> {
    let slot = call.uint_at(1)?;
    let waiting = remote(call, |remote| {
        remote.left(slot);
        remote.waiting(slot)
    })?;
    Ok(call.uint(waiting as u32))
}

/// `(handle, slot, held)`: the slot is nobody's; what it held goes back.
fn forget<'s>(call: &Call<'s>) -> Answer<'s> {
    let (slot, held) = (call.uint_at(1)?, call.number_at(2)?);
    remote(call, |remote| remote.forget(slot, held))?;
    Ok(call.undefined())
}

/// `(handle, now, out)` → how many clients may have leases that lie unused; `out` gets their slots.
fn unused<'s>(call: &Call<'s>) -> Answer<'s> {
    let (now, out) = (call.number_at(1)?, call.cells::<f64>(2)?);
    let count = remote(call, |remote| {
        out.iter().map_while(|cell| remote.unused(now).map(|slot| cell.set(f64::from(slot)))).count()
    })?;
    Ok(call.uint(count as u32))
}

/// `(handle, now)` → milliseconds until a lease may lie unused, -1 when there is none.
fn next_unused<'s>(call: &Call<'s>) -> Answer<'s> {
    let now = call.number_at(1)?;
    let next = remote(call, |remote| remote.next_unused_ms(now))?;
    Ok(call.number(next.unwrap_or(-1.0)))
}

/// `(handle, desk, always)`: sends back what lies unused, or everything.
fn give_back<'s>(call: &Call<'s>) -> Answer<'s> {
    let always = call.boolean_at(2)?;
    bucket(call, |limiter, slot, bucket, now, _| {
        if let Some(remote) = &mut limiter.remote {
            let last = bucket.last_access;
            bucket.last_access = if always { f64::NEG_INFINITY } else { last };
            remote.give_back(slot, bucket, now);
            bucket.last_access = last;
        }
    })?;
    Ok(call.undefined())
}

/// `(handle, request, id, limit, rate, cost)` → whether the cost could be taken, limit, whole tokens left, ms until it
/// can be, ms until the bucket is full; as the store says.
fn ask_store<'s>(call: &Call<'s>) -> Answer<'s> {
    let (id, limit, rate, cost) = (call.text_at(2)?, call.number_at(3)?, call.number_at(4)?, call.number_at(5)?);
    let client = id.to_string();
    let (question, ticks) =
        remote(call, |remote| (remote.question(&id, limit, rate, vec![Op::Look]), remote.ticks().clone()))?;
    let ticket = Ticket::from_call(call, 1)?;
    let answered = move |reply: Option<Reply>| {
        ticket.settle(move |scope: Scope<'_>| {
            let reply = reply.ok_or(LimitError::StoreAway { client })?;
            let (bucket, now) = (reply.bucket, reply.now);
            let (retry, full) =
                (bucket.retry_after_ms(cost, &ticks, now), bucket.retry_after_ms(bucket.limit, &ticks, now));
            let values = [bucket.limit, bucket.tokens.max(0.0).floor(), retry, full].map(|value| scope.number(value));
            let allowed = scope.boolean(is_cost(cost) && bucket.covers(cost));
            Ok(scope.array([allowed].into_iter().chain(values)))
        });
    };
    remote(call, |remote| remote.send(Message::Call(question, Box::new(answered))))?;
    Ok(call.undefined())
}

/// `(handle, request, id, limit, rate, cost, maxWaitMs)` → in how many ms the tokens come, or a refusal below zero, as
/// `limitError` knows it. While the store is away the insurance says.
fn reserve<'s>(call: &Call<'s>) -> Answer<'s> {
    let (id, limit, rate, cost) = (call.text_at(2)?, call.number_at(3)?, call.number_at(4)?, call.number_at(5)?);
    let (client, most_ms) = (id.to_string(), call.number_at(6)?.min(MAX_TIMER_MS) as u32);
    let ops = vec![Op::Reserve(cost, most_ms)];
    let question = remote(call, |remote| remote.question(&id, limit, rate, ops))?;
    let ticket = Ticket::from_call(call, 1)?;
    let answered = move |reply: Option<Reply>| {
        let answer = reply.and_then(|reply| reply.answers.first().copied());
        ticket.settle(move |scope: Scope<'_>| Ok(scope.number(answer.ok_or(LimitError::StoreAway { client })?)));
    };
    remote(call, |remote| remote.send(Message::Call(question, Box::new(answered))))?;
    Ok(call.undefined())
}

/// `(handle, request)` → whether the store has confirmed all that was sent to it so far.
fn flush<'s>(call: &Call<'s>) -> Answer<'s> {
    let ticket = Ticket::from_call(call, 1)?;
    let done = move |confirmed| ticket.settle(move |scope: Scope<'_>| Ok(scope.boolean(confirmed)));
    remote(call, |remote| remote.send(Message::Flush(Box::new(done))))?;
    Ok(call.undefined())
}

/// `(handle, out)` → why the last call failed, or nothing; `out` gets whether it is up, calls and failures.
fn stats<'s>(call: &Call<'s>) -> Answer<'s> {
    let out = call.cells::<f64>(1)?;
    let (up, (calls, failures, last)) = remote(call, |remote| (remote.is_up(), remote.figures().read()))?;
    write(out, 0, &[f64::from(u8::from(up)), calls as f64, failures as f64]);
    Ok(last.map_or_else(|| call.undefined(), |text: String| call.text(&text)))
}
