//! The CDN tier by handle: headers of responses, and purges on their way out.

use crate::binding::raw::{Answer, Call, Exports, Failure, Item, Value};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::cache::cdn::config::CdnConfig;
use crate::cache::cdn::error::CdnError;
use crate::cache::cdn::headers::{self, Lifetimes};
use crate::cache::cdn::pages::Pages;
use crate::cache::cdn::provider::{self, Provider, Purge};
use crate::cache::cdn::queue::{Ended, Next, Queue};
use crate::cache::cdn::tag;
use crate::options::{Scalar, number};

struct Cdn {
    config: CdnConfig,
    queue: Queue,
    pages: Pages,
}

thread_local! {
    static CDNS: Handles<Cdn> = const { handles() };
}

pub(super) fn register(exports: Exports<'_>) {
    exports
        .function("cdnOpen", open)
        .function("cdnFree", |call| Ok(call.boolean(CDNS.remove(call.uint_at(0)?).is_some())))
        .function("cdnKeyTag", |call| Ok(call.text(&tag::of_key(&call.text_at(0)?))))
        .function("cdnLifetimes", lifetimes)
        .function("cdnKept", kept)
        .function("cdnNotKept", |call| {
            let found = with(call, |cdn| headers::not_kept(&cdn.config))?;
            Ok(flat(call, found))
        })
        .function("cdnPurge", purge)
        .function("cdnPurgeAll", |call| {
            let now = call.number_at(1)?;
            with(call, |cdn| cdn.queue.add_everything(now))?;
            Ok(call.undefined())
        })
        .function("cdnNext", next)
        .function("cdnEnded", |call| {
            let (status, retry_after, now) = (call.uint_at(1)? as u16, call.number_at(2)?, call.number_at(3)?);
            let ended = with(call, |cdn| cdn.queue.ended(&cdn.config, status, retry_after, now))?;
            Ok(call.int(match ended {
                Ended::Purged => 0,
                Ended::Again => 1,
                Ended::Failed => 2,
            }))
        })
        .function("cdnError", |call| Ok(call.error(&CdnError::of_status(call.uint_at(0)? as u16).into())))
        .function("cdnStats", |call| {
            let (stats, forgotten) = with(call, |cdn| (cdn.queue.stats(), cdn.pages.forgotten()))?;
            Ok(call
                .object()
                .number("pending", stats.pending as f64)
                .number("requests", stats.requests as f64)
                .number("purged", stats.purged as f64)
                .number("retried", stats.retried as f64)
                .number("failed", stats.failed as f64)
                .number("escalated", stats.escalated as f64)
                .number("forgottenPages", forgotten as f64)
                .value())
        });
}

fn with<R>(call: &Call<'_>, body: impl FnOnce(&mut Cdn) -> R) -> Result<R, Failure> {
    CDNS.with_object(call.uint_at(0)?, body)
}

/// `(options)` → `[handle, provider, timeout]`
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = CdnConfig::from_options(&call.options_at(0)?)?;
    let (provider, timeout) = (call.text(config.provider.name()), call.number(config.timeout_ms));
    let handle = CDNS.insert(Cdn { config, queue: Queue::default(), pages: Pages::default() });
    Ok(call.array([call.uint(handle), provider, timeout]))
}

/// `(options)` → the four lifetimes, `NaN` where nothing was said.
fn lifetimes<'s>(call: &Call<'s>) -> Answer<'s> {
    let options = call.options_at(0)?;
    let read = |name| number(&options, name, f64::NAN, 0.0, f64::INFINITY);
    let names = ["maxAgeMs", "sharedMaxAgeMs", "staleWhileRevalidateMs", "staleIfErrorMs"];
    let values = names.map(|name| match options_zero(&options, name) {
        true => Ok(0.0),
        false => read(name),
    });
    let mut found = Vec::with_capacity(4);
    for value in values {
        found.push(call.number(value?));
    }
    Ok(call.array(found))
}

/// Elsewhere 0 means the default; here it is a time.
fn options_zero(options: &impl crate::options::Options, name: &str) -> bool {
    options.get(name) == Scalar::Number(0.0)
}

/// `(handle, lifetimes…, tags, page)` → headers as `[name, value, …]`; `null` when the response must not be kept.
fn kept<'s>(call: &Call<'s>) -> Answer<'s> {
    let times = Lifetimes {
        max_age: call.number_at(1)?,
        shared_max_age: call.number_at(2)?,
        while_revalidate: call.number_at(3)?,
        if_error: call.number_at(4)?,
    };
    let (tags, page) = (texts(call, 5)?, call.text_at(6)?);
    let found = with(call, |cdn| {
        if cdn.config.provider == Provider::Nginx {
            cdn.pages.note(&page, tags.iter().map(|tag| encoded(tag)));
        }
        headers::kept(&cdn.config, &times, &tags)
    })?;
    Ok(found.map_or(call.null(), |found| flat(call, found)))
}

fn encoded(given: &str) -> String {
    if given.starts_with("%k:") { given.to_owned() } else { tag::encode(given) }
}

/// `(handle, tags, now)` → what waits now, in the provider's words.
fn purge<'s>(call: &Call<'s>) -> Answer<'s> {
    let (tags, now) = (texts(call, 1)?, call.number_at(2)?);
    let waiting = with(call, |cdn| {
        let encoded = tags.iter().map(|tag| encoded(tag));
        let waiting: Vec<String> = match cdn.config.provider {
            Provider::Nginx => encoded.flat_map(|tag| cdn.pages.of(&tag)).collect(),
            _ => encoded.collect(),
        };
        cdn.queue.add(&cdn.config, waiting.iter().cloned(), now);
        waiting
    })?;
    Ok(call.array(waiting.iter().map(|tag| call.text(tag))))
}

/// `(handle, now, hurry)` → milliseconds to wait, `null` when there is nothing to do, or what to send: `[tags or null,
/// method, url, body, headers]`, without the last four where no request carries it.
fn next<'s>(call: &Call<'s>) -> Answer<'s> {
    let (now, hurry) = (call.number_at(1)?, call.boolean_at(2)?);
    let (next, request) = with(call, |cdn| {
        let next = cdn.queue.next(&cdn.config, now, hurry);
        let request = if let Next::Send(purge) = &next { provider::request(&cdn.config, purge) } else { None };
        (next, request)
    })?;
    let purge = match next {
        Next::Rest => return Ok(call.null()),
        Next::Wait(ms) => return Ok(call.number(ms)),
        Next::Send(purge) => purge,
    };
    let tags = match &purge {
        Purge::All => call.null(),
        Purge::Tags(tags) => call.array(tags.iter().map(|tag| call.text(tag))),
    };
    let Some(request) = request else { return Ok(call.array([tags])) };
    let headers = flat(call, request.headers);
    Ok(call.array([tags, call.text(request.method), call.text(&request.url), call.text(&request.body), headers]))
}

fn flat<'s, N: AsRef<str>>(call: &Call<'s>, headers: Vec<(N, String)>) -> Value<'s> {
    call.array(headers.iter().flat_map(|(name, value)| [call.text(name.as_ref()), call.text(value)]))
}

fn texts(call: &Call<'_>, index: usize) -> Result<Vec<String>, Failure> {
    let wrong = || Failure::wrong_type(index, "an array of strings");
    let list = call.list_at(index).map_err(|_| wrong())?;
    list.into_iter().map(|item| if let Item::Text(text) = item { Ok(text) } else { Err(wrong()) }).collect()
}
