//! Is a service well? So many failures in a row make it unhealthy, so many successes bring it back.

use crate::options::{OptionError, Options, Scalar, count, millis, number, text};
use std::collections::HashMap;
use std::time::Duration;

/// A monitor's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HealthConfig {
    /// From the start of a round to the next. Default 10 s.
    pub interval: Duration,
    /// How long a probe may take. Default 5 s.
    pub timeout: Duration,
    /// Share of the interval over which a round's probes are spread, 0 to 1. Default 0.1.
    pub jitter: f64,
    /// Successes in a row that bring an unhealthy service back. Default 1.
    pub rise: u32,
}

impl HealthConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        Ok(Self {
            interval: millis(options, "checkInterval", Duration::from_secs(10))?,
            timeout: millis(options, "timeoutMs", Duration::from_secs(5))?,
            jitter: match options.get("jitter") {
                Scalar::Number(0.0) => 0.0,
                _ => number(options, "jitter", 0.1, 0.0, 1.0)?,
            },
            rise: count(options, "rise", 1, 1, 1_000_000)? as u32,
        })
    }
}

/// What is asked of a service.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// `GET` has to be answered with a status from 200 to 299, here and where a second path is given there too.
    Http {
        /// Whether it is well.
        path: String,
        /// Whether it may get traffic.
        ready: Option<String>,
    },
    /// A connection has to be accepted.
    Tcp,
    /// Whoever registered it asks by themselves.
    Own,
}

/// Where a service is and how it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The question.
    pub probe: Probe,
    /// Failures in a row that make it unhealthy. Default 3.
    pub fall: u32,
}

/// A host or path becomes part of a request's head: nothing in it may end a line.
fn plain(name: &str, value: String) -> Result<String, OptionError> {
    if value.chars().any(|each| each.is_control() || each.is_whitespace()) {
        return Err(OptionError::out_of_range(
            name,
            "a text without spaces and control characters",
            &Scalar::Text(value),
        ));
    }
    Ok(value)
}

impl Endpoint {
    /// Reads the options of a service on that port.
    pub fn from_options(port: u16, options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let path = |name| -> Result<Option<String>, OptionError> {
            match text(options, name)? {
                Some(path) if !path.starts_with('/') => {
                    Err(OptionError::out_of_range(name, "a path that begins with a slash", &Scalar::Text(path)))
                }
                path => path.map(|path| plain(name, path)).transpose(),
            }
        };
        let probe = match options.get("probe") {
            Scalar::Text(kind) if kind == "tcp" => Probe::Tcp,
            Scalar::Other("function") => Probe::Own,
            value if value.is_falsy() || value == Scalar::Text("http".into()) => {
                Probe::Http { path: path("path")?.unwrap_or_else(|| "/health".into()), ready: path("readyPath")? }
            }
            value => return Err(OptionError::wrong_type("probe", "\"http\", \"tcp\" or a function", &value)),
        };
        let host = plain("host", text(options, "host")?.unwrap_or_else(|| "localhost".into()))?;
        Ok(Self { host, port, probe, fall: count(options, "maxFailures", 3, 1, 1_000_000)? as u32 })
    }
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was not asked yet.
    Unknown,
    /// It answers.
    Healthy,
    /// It failed, but not often enough.
    Degraded,
    /// It failed too often.
    Unhealthy,
}

impl Status {
    /// The word callers see.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Unknown => "unknown",
            Status::Healthy => "healthy",
            Status::Degraded => "degraded",
            Status::Unhealthy => "unhealthy",
        }
    }
}

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// It is well.
    pub ok: bool,
    /// It may get traffic.
    pub ready: bool,
}

/// What is known of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How it is.
    pub status: Status,
    /// When it was last asked, in milliseconds since 1970; `None` before the first time.
    pub last_check: Option<i64>,
    /// Failures in a row.
    pub failures: u32,
    /// False once it is unhealthy.
    pub liveness: bool,
    /// Whether it may get traffic.
    pub readiness: bool,
    /// Whether it has ever answered.
    pub startup: bool,
    successes: u32,
    running: bool,
}

/// The services of one monitor, by number.
#[derive(Debug)]
pub struct Book {
    /// How they are judged.
    pub config: HealthConfig,
    services: HashMap<u32, Service>,
    last: u32,
    /// Probes that have ended.
    pub checks: u64,
    /// Those of them that failed.
    pub failed: u64,
}

impl Book {
    /// Without services.
    pub fn new(config: HealthConfig) -> Self {
        Self { config, services: HashMap::new(), last: 0, checks: 0, failed: 0 }
    }

    /// The number of a new service; numbers are not used again.
    pub fn add(&mut self, endpoint: Endpoint) -> u32 {
        self.last += 1;
        let service = Service {
            endpoint,
            status: Status::Unknown,
            last_check: None,
            failures: 0,
            liveness: false,
            readiness: false,
            startup: false,
            successes: 0,
            running: false,
        };
        self.services.insert(self.last, service);
        self.last
    }

    /// Forgets a service; what a probe under way finds is nobody's then.
    pub fn remove(&mut self, number: u32) {
        self.services.remove(&number);
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.services.clear();
    }

    /// What is known of a service.
    pub fn get(&self, number: u32) -> Option<&Service> {
        self.services.get(&number)
    }

    /// How many are healthy and how many unhealthy.
    pub fn counts(&self) -> (usize, usize) {
        let count = |status| self.services.values().filter(|service| service.status == status).count();
        (count(Status::Healthy), count(Status::Unhealthy))
    }

    /// Who is to be asked now: everybody whose last probe has ended and who is not asked by somebody else.
    pub fn begin(&mut self) -> Vec<(u32, Endpoint)> {
        let ours =
            self.services.iter_mut().filter(|(_, service)| !service.running && service.endpoint.probe != Probe::Own);
        let begun = ours.map(|(number, service)| {
            service.running = true;
            (*number, service.endpoint.clone())
        });
        begun.collect()
    }

    /// A probe has ended. The new status where it changed.
    pub fn found(&mut self, number: u32, finding: Finding, unix_millis: i64) -> Option<Status> {
        let service = self.services.get_mut(&number)?;
        self.checks += 1;
        service.running = false;
        service.last_check = Some(unix_millis);
        let before = service.status;
        if finding.ok {
            service.failures = 0;
            service.successes = service.successes.saturating_add(1);
            if before != Status::Unhealthy || service.successes >= self.config.rise {
                (service.status, service.liveness, service.startup) = (Status::Healthy, true, true);
            }
        } else {
            self.failed += 1;
            service.successes = 0;
            service.failures = service.failures.saturating_add(1);
            if service.failures >= service.endpoint.fall {
                (service.status, service.liveness) = (Status::Unhealthy, false);
            } else if before != Status::Unhealthy {
                service.status = Status::Degraded;
            }
        }
        service.readiness = service.status == Status::Healthy && finding.ready;
        (service.status != before).then_some(service.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Finding = Finding { ok: true, ready: true };
    const DOWN: Finding = Finding { ok: false, ready: false };

    fn book(rise: f64) -> (Book, u32) {
        let mut book = Book::new(HealthConfig::from_options(&[("rise", Scalar::Number(rise))][..]).unwrap());
        let number = book.add(Endpoint::from_options(80, &[][..]).unwrap());
        (book, number)
    }

    #[test]
    fn every_change_of_status_is_one_and_nothing_else() {
        let (mut book, number) = book(2.0);
        let findings = [DOWN, OK, OK, DOWN, DOWN, DOWN, DOWN, OK, DOWN, OK, OK];
        let changes: Vec<_> = findings.iter().map(|finding| book.found(number, *finding, 0)).collect();
        let (healthy, degraded, unhealthy) = (Some(Status::Healthy), Some(Status::Degraded), Some(Status::Unhealthy));
        let expected = [degraded, healthy, None, degraded, None, unhealthy, None, None, None, None, healthy];
        assert_eq!(changes, expected);
        assert_eq!((book.checks, book.failed, book.counts()), (11, 6, (1, 0)));
    }

    #[test]
    fn nobody_is_asked_twice_at_once_and_what_is_gone_is_gone() {
        let (mut book, number) = book(1.0);
        assert_eq!(book.begin().len(), 1);
        assert!(book.begin().is_empty());
        book.remove(number);
        assert_eq!((book.found(number, DOWN, 0), book.checks), (None, 0));
    }

    #[test]
    fn ready_needs_both() {
        let (mut book, number) = book(1.0);
        book.found(number, Finding { ok: true, ready: false }, 5);
        let service = book.get(number).unwrap();
        assert_eq!(
            (service.readiness, service.liveness, service.startup, service.last_check),
            (false, true, true, Some(5))
        );
        book.found(number, OK, 6);
        assert!(book.get(number).unwrap().readiness);
    }

    #[test]
    fn what_would_change_the_request_is_refused() {
        let with =
            |name: &'static str, value: &str| Endpoint::from_options(80, &[(name, Scalar::Text(value.into()))][..]);
        for (name, value) in
            [("path", "health"), ("path", "/a b"), ("host", "a\r\nb"), ("probe", "icmp"), ("readyPath", "/\u{0}")]
        {
            assert!(with(name, value).unwrap_err().to_string().contains(name));
        }
        assert_eq!(with("probe", "tcp").unwrap().probe, Probe::Tcp);
    }
}
