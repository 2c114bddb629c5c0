//! Counts and ports of instances.

use crate::balance::health::Endpoint;
use crate::balance::instances::{InstancesConfig, base_port, check_program, free_ports, how_many};
use crate::balance::prober;
use crate::binding::queue::Ticket;
use crate::binding::raw::{Answer, Call, Exports, Failure, Item};
use crate::options::Scalar;
use crate::runtime;
use std::cell::Cell;
use std::time::Duration;

pub fn register(exports: Exports<'_>) {
    exports
        .function("instancesConfig", |call| {
            let config = InstancesConfig::from_options(&call.options_at(0)?)?;
            let millis = |time: Duration| time.as_secs_f64() * 1e3;
            let values = [
                config.shutdown_timeout,
                config.min_instances.into(),
                config.max_instances.into(),
                millis(config.start_timeout),
                millis(config.restart_first),
                millis(config.restart_longest),
            ];
            call.fill(1, &values)?;
            Ok(call.undefined())
        })
        // `(command or undefined, module or undefined)`
        .function("instancesProgram", |call| {
            let word = |item| if let Item::Text(word) = item { Some(word) } else { None };
            let command = match call.scalar_at(0) {
                Scalar::Missing => None,
                // What is no list of texts counts as an empty one, which the core refuses.
                _ => Some(call.list_at(0).unwrap_or_default().into_iter().map(word).collect::<Vec<_>>()),
            };
            check_program(command.as_deref(), &call.scalar_at(1))?;
            Ok(call.undefined())
        })
        .function("instancesReady", ready)
        .function("instancesBasePort", |call| Ok(call.number(base_port(&call.scalar_at(0))?)))
        .function("instancesCount", |call| Ok(call.number(how_many(&call.scalar_at(0), call.number_at(1)?))))
        // `(base port, ports taken, cells for the ports)` → how many there are
        .function("instancesPorts", |call| {
            let taken: Vec<f64> = call.cells::<f64>(1)?.iter().map(Cell::get).collect();
            let cells = call.cells::<f64>(2)?;
            let ports = free_ports(call.number_at(0)?, &taken, cells.len());
            if ports.len() > cells.len() {
                return Err(Failure::internal("more ports than asked for"));
            }
            for (cell, port) in cells.iter().zip(&ports) {
                cell.set(*port);
            }
            Ok(call.number(ports.len() as f64))
        });
}

/// `(port, options, limit in ms, request's number)` → whether the instance there is ready
fn ready<'s>(call: &Call<'s>) -> Answer<'s> {
    let endpoint = Endpoint::from_options(call.uint_at(0)? as u16, &call.options_at(1)?)?;
    let limit = Duration::from_secs_f64(call.number_at(2)?.clamp(1.0, 60_000.0) / 1e3);
    let (runtime, ticket) = (runtime::handle()?, Ticket::from_call(call, 3)?);
    runtime.spawn(async move {
        let finding = prober::ask(&endpoint, limit).await;
        ticket.settle(move |scope| Ok(scope.boolean(finding.ok)));
    });
    Ok(call.undefined())
}
