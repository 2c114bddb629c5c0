//! Counts and ports of instances.

use crate::balance::instances::{InstancesConfig, base_port, free_ports, how_many};
use crate::binding::raw::{Exports, Failure};
use std::cell::Cell;

pub fn register(exports: Exports<'_>) {
    exports
        .function("instancesConfig", |call| {
            let config = InstancesConfig::from_options(&call.options_at(0)?)?;
            let values = [config.shutdown_timeout, config.min_instances.into(), config.max_instances.into()];
            for (cell, value) in call.cells::<f64>(1)?.iter().zip(values) {
                cell.set(value);
            }
            Ok(call.undefined())
        })
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
