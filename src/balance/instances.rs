//! How many instances a service gets and which ports they have.

use crate::options::{OptionError, Options, Scalar, count, millis, number};
use std::time::Duration;

/// Ports below the first one of a service's instances belong to the service itself.
const PORT_OFFSET: f64 = 10.0;
const LAST_PORT: f64 = 65_535.0;

/// A manager's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InstancesConfig {
    /// Milliseconds an instance may take to end. Default 5000.
    pub shutdown_timeout: f64,
    /// Instances that a scale-down leaves. Default 0.
    pub min_instances: u32,
    /// Instances a service has at most. Default 65,535.
    pub max_instances: u32,
    /// Until a process has to be ready. Default 30 s.
    pub start_timeout: Duration,
    /// The wait before a process that died is started again; it doubles each time. Default 200 ms.
    pub restart_first: Duration,
    /// The longest such wait; a process that lived longer than this begins anew. Default 30 s.
    pub restart_longest: Duration,
}

impl InstancesConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        Ok(Self {
            shutdown_timeout: number(options, "shutdownTimeout", 5_000.0, 0.0, f64::INFINITY)?,
            min_instances: count(options, "minInstances", 0, 0, 65_535)? as u32,
            max_instances: count(options, "maxInstances", 65_535, 1, 65_535)? as u32,
            start_timeout: millis(options, "startTimeoutMs", Duration::from_secs(30))?,
            restart_first: millis(options, "restartDelayMs", Duration::from_millis(200))?,
            restart_longest: millis(options, "maxRestartDelayMs", Duration::from_secs(30))?,
        })
    }
}

/// What starts an instance: a command of at least one word, or a module; not both.
pub fn check_program(command: Option<&[Option<String>]>, module: &Scalar) -> Result<(), OptionError> {
    match (command, module) {
        (None, Scalar::Missing) => Ok(()),
        (None, Scalar::Text(path)) if !path.is_empty() => Ok(()),
        (None, other) => Err(OptionError::wrong_type("fork", "the path of a module", other)),
        (Some(_), Scalar::Text(_)) => Err(OptionError::wrong_type("fork", "left out beside \"command\"", module)),
        (Some(words), _) if !words.is_empty() && words.iter().all(Option::is_some) => Ok(()),
        (Some(_), _) => {
            let found = Scalar::Other("object");
            Err(OptionError::wrong_type("command", "an array of a file and its arguments, all strings", &found))
        }
    }
}

fn numeric(value: &Scalar) -> f64 {
    match value {
        Scalar::Number(number) => *number,
        Scalar::Text(text) => text.trim().parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

/// A service's own port, a number or its text.
pub fn base_port(value: &Scalar) -> Result<f64, OptionError> {
    let port = numeric(value).trunc();
    if (0.0..=LAST_PORT - PORT_OFFSET).contains(&port) {
        return Ok(port);
    }
    Err(OptionError::out_of_range("basePort", format!("a port from 0 to {}", LAST_PORT - PORT_OFFSET), value))
}

/// How many of the instances asked for there are to be: what is no positive number asks for none.
pub fn how_many(asked: &Scalar, room: f64) -> f64 {
    let asked = numeric(asked).trunc();
    if asked > 0.0 { asked.min(room).max(0.0) } else { 0.0 }
}

/// The first free ports of a service, in order; fewer than `wanted` where there are no more.
pub fn free_ports(base: f64, taken: &[f64], wanted: usize) -> Vec<f64> {
    let taken: std::collections::BTreeSet<u32> = taken.iter().map(|port| *port as u32).collect();
    let first = (base + PORT_OFFSET) as u32;
    (first..=LAST_PORT as u32).filter(|port| !taken.contains(port)).take(wanted).map(f64::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_go_up_from_ten_above_the_base_and_skip_what_is_taken() {
        assert_eq!(free_ports(4000.0, &[4011.0], 3), [4010.0, 4012.0, 4013.0]);
        assert_eq!(free_ports(65_524.0, &[], 5), [65_534.0, 65_535.0]);
    }

    #[test]
    fn what_is_no_positive_number_asks_for_none() {
        for asked in [Scalar::Number(0.0), Scalar::Number(-1.0), Scalar::Number(f64::NAN), Scalar::Null] {
            assert_eq!(how_many(&asked, 5.0), 0.0);
        }
        assert_eq!(how_many(&Scalar::Text("2".into()), 5.0), 2.0);
        assert_eq!(how_many(&Scalar::Number(f64::INFINITY), 5.0), 5.0);
    }

    #[test]
    fn a_program_is_a_command_or_a_module() {
        let words = [Some("node".to_owned())];
        assert!(check_program(Some(&words), &Scalar::Missing).is_ok());
        assert!(check_program(None, &Scalar::Text("a.mjs".into())).is_ok());
        for (command, module) in [
            (Some(&words[..0]), Scalar::Missing),
            (Some(&[None][..]), Scalar::Missing),
            (Some(&words[..]), Scalar::Text("a.mjs".into())),
            (None, Scalar::Number(5.0)),
        ] {
            assert!(check_program(command, &module).is_err());
        }
    }

    #[test]
    fn a_base_port_may_be_text_and_has_to_leave_room() {
        assert_eq!(base_port(&Scalar::Text("4000".into())), Ok(4000.0));
        for port in [Scalar::Number(65_530.0), Scalar::Number(-1.0), Scalar::Missing, Scalar::Text("x".into())] {
            assert!(base_port(&port).unwrap_err().to_string().contains("basePort"));
        }
    }
}
