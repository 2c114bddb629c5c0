//! Monitors by handle, services by number.

use crate::balance::health::{Book, Endpoint, Finding, HealthConfig, Probe, Status};
use crate::balance::prober::{self, OnChange};
use crate::balance::router_config::check_port;
use crate::binding::queue::{Notifier, Ticket};
use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::clock::{Clock, SystemClock};
use crate::options::{Options, Scalar};
use crate::runtime;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

struct Monitor {
    book: Arc<Mutex<Book>>,
    on_change: OnChange,
}

impl Monitor {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.book().clear();
    }
}

thread_local! {
    static MONITORS: Handles<Monitor> = const { handles() };
}

/// Settles the promise of a round when the last of its probes drops it.
struct Round(Option<Ticket>);

impl Drop for Round {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.settle(|scope| Ok(scope.undefined()));
        }
    }
}

pub fn register(exports: Exports<'_>) {
    exports
        .function("healthOpen", open)
        .function("healthFree", |call| Ok(call.boolean(MONITORS.remove(call.uint_at(0)?).is_some())))
        .function("healthAdd", add)
        .function("healthRemove", |call| {
            let number = call.uint_at(1)?;
            with(call, |monitor| monitor.book().remove(number))?;
            Ok(call.undefined())
        })
        // `(handle, in the background?, request's number unless in the background)`
        .function("healthRound", |call| {
            let background = call.boolean_at(1)?;
            let round = Round(if background { None } else { Some(Ticket::from_call(call, 2)?) });
            with(call, |monitor| {
                let config = monitor.book().config;
                let spread = if background { config.interval.mul_f64(config.jitter) } else { Duration::ZERO };
                prober::round(&monitor.book, spread, &monitor.on_change, round)
            })??;
            Ok(call.undefined())
        })
        // `(handle, number of the service, ok?)` → its new status where that changed, else undefined
        .function("healthFound", |call| {
            let (number, ok) = (call.uint_at(1)?, call.boolean_at(2)?);
            let finding = Finding { ok, ready: ok };
            let change = with(call, |monitor| monitor.book().found(number, finding, SystemClock.unix_millis()))?;
            Ok(change.map_or(call.undefined(), |status| call.text(status.name())))
        })
        // `(handle, host, port, request's number)` → whether it is well
        .function("healthAsk", ask)
        .function("healthRead", read)
        // `(handle, cells)`: checks, failures, healthy, unhealthy
        .function("healthStats", |call| {
            let values = with(call, |monitor| {
                let book = monitor.book();
                let (healthy, unhealthy) = book.counts();
                [book.checks as f64, book.failed as f64, healthy as f64, unhealthy as f64]
            })?;
            call.fill(1, &values)?;
            Ok(call.undefined())
        });
}

/// `(options, listener's number, cells)`: interval and time limit in milliseconds → handle
fn open<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = HealthConfig::from_options(&call.options_at(0)?)?;
    let notifier = Notifier::from_call(call, 1)?;
    call.fill(2, &[config.interval.as_secs_f64() * 1e3, config.timeout.as_secs_f64() * 1e3])?;
    let on_change: OnChange = Arc::new(move |number, status: Status| {
        notifier.notify(move |scope| {
            Ok(scope.object().number("number", number.into()).text("status", status.name()).value())
        });
    });
    Ok(call.uint(MONITORS.insert(Monitor { book: Arc::new(Mutex::new(Book::new(config))), on_change })))
}

/// `(handle, port, options, cells)`: failures that make it unhealthy → number
fn add<'s>(call: &Call<'s>) -> Answer<'s> {
    let endpoint = Endpoint::from_options(port_at(call, 1)?, &call.options_at(2)?)?;
    call.fill(3, &[endpoint.fall.into()])?;
    let number = with(call, |monitor| monitor.book().add(endpoint))?;
    Ok(call.uint(number))
}

fn port_at(call: &Call<'_>, index: usize) -> Result<u16, Failure> {
    let port = call.scalar_at(index);
    check_port(&port)?;
    Ok(match port {
        Scalar::Number(port) => port as u16,
        Scalar::Text(port) => port.parse().unwrap_or(0),
        _ => 0,
    })
}

fn ask<'s>(call: &Call<'s>) -> Answer<'s> {
    struct Host(String);
    impl Options for Host {
        fn get(&self, name: &str) -> Scalar {
            if name == "host" { Scalar::Text(self.0.clone()) } else { Scalar::Missing }
        }
    }
    let endpoint = Endpoint::from_options(port_at(call, 2)?, &Host(call.text_at(1)?.into_string()))?;
    let limit = with(call, |monitor| monitor.book().config.timeout)?;
    let runtime = runtime::handle()?;
    let ticket = Ticket::from_call(call, 3)?;
    runtime.spawn(async move {
        let finding = prober::ask(&endpoint, limit).await;
        ticket.settle(move |scope| Ok(scope.boolean(finding.ok)));
    });
    Ok(call.undefined())
}

/// `(handle, number, cells)`: time of the last check, failures in a row, and 0 or 1 for alive, ready, started and whether
/// the caller asks it → status
fn read<'s>(call: &Call<'s>) -> Answer<'s> {
    let number = call.uint_at(1)?;
    let service = with(call, |monitor| monitor.book().get(number).cloned())?;
    let Some(service) = service else { return Ok(call.undefined()) };
    let flag = |value: bool| f64::from(u8::from(value));
    let last = service.last_check.map_or(f64::NAN, |time| time as f64);
    let own = flag(service.endpoint.probe == Probe::Own);
    let flags = [flag(service.liveness), flag(service.readiness), flag(service.startup), own];
    call.fill(2, &[last, service.failures.into(), flags[0], flags[1], flags[2], flags[3]])?;
    Ok(call.text(service.status.name()))
}

fn with<R>(call: &Call<'_>, body: impl FnOnce(&mut Monitor) -> R) -> Result<R, Failure> {
    MONITORS.with_object(call.uint_at(0)?, body)
}
