//! Where and how traces are exported: the only home of the defaults and ranges, options before variables.

use super::environment::Environment;
use crate::options::{self, OptionError, Options, Scalar};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The path of the signal below a collector's address.
const TRACES: &str = "/v1/traces";

/// A validated configuration of the exporter.
#[derive(Clone, PartialEq)]
pub struct ExportConfig {
    /// The whole address that spans are posted to.
    pub endpoint: String,
    /// Header names and values. Secret.
    pub headers: BTreeMap<String, String>,
    /// What one request may take. Default 10 s.
    pub timeout: Duration,
    /// Whether bodies are compressed. Default no.
    pub gzip: bool,
    /// A PEM file with the authorities to trust; the system's by default.
    pub certificate: Option<String>,
    /// PEM files with this side's certificate and its key.
    pub client: Option<(String, String)>,
    /// Spans that may wait; further ones are dropped. Default 8,192.
    pub queue_spans: usize,
    /// Spans in a request. Default 512.
    pub batch_spans: usize,
    /// How long spans wait for company. Default 5 s.
    pub delay: Duration,
    /// How long a batch is tried. Default 30 s.
    pub retry_for: Duration,
    /// How long the end of the process waits for what is pending. Default 2 s.
    pub exit_timeout: Duration,
    /// Attributes of the resource beside those that the process gives.
    pub resource: BTreeMap<String, String>,
}

impl fmt::Debug for ExportConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ExportConfig").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What came from the caller.
pub struct Given<'a> {
    /// The scalars of `exporter.otlp`; `None` when the option is not given.
    pub options: Option<&'a dyn Options>,
    /// `exporter.otlp.headers`
    pub headers: BTreeMap<String, String>,
    /// `exporter.otlp.resource`
    pub resource: BTreeMap<String, String>,
}

/// Options under a longer name, which is the one that errors show.
struct Named<'a>(Option<&'a dyn Options>);

const PREFIX: &str = "exporter.otlp.";

impl Options for Named<'_> {
    fn get(&self, name: &str) -> Scalar {
        self.0.map_or(Scalar::Missing, |options| options.get(name.strip_prefix(PREFIX).unwrap_or(name)))
    }
}

impl ExportConfig {
    /// Characters of an attribute's text that are exported.
    pub const VALUE_CHARS: u32 = 4_096;
    /// Attributes of a span, an event or a link; further ones are left out.
    pub const ATTRIBUTES: u32 = 128;
    /// The longest that spans stay in JavaScript before they are handed over.
    pub const HAND_OVER: Duration = Duration::from_millis(1_000);
    /// Bytes that may wait, whatever the number of spans.
    pub const QUEUE_BYTES: usize = 32 * 1024 * 1024;

    /// Reads options and variables; `None` when nothing asks for an export.
    pub fn read(given: Given<'_>, environment: &mut Environment<'_>) -> Result<Option<Self>, OptionError> {
        let none = environment.text("OTEL_TRACES_EXPORTER").is_some_and(|name| name.eq_ignore_ascii_case("none"));
        if environment.is_true("OTEL_SDK_DISABLED") || (given.options.is_none() && none) {
            return Ok(None);
        }
        let raw = Named(given.options);
        let Some(endpoint) = endpoint(&raw, given.options.is_some(), environment)? else { return Ok(None) };
        protocol(&raw, environment)?;
        let milliseconds = |name, variables: &[&str], default, environment: &mut Environment<'_>| {
            let variable = environment.number(variables, 1.0, options::MAX_TIMER_MS);
            options::millis(&raw, name, variable.map_or(default, |number| Duration::from_secs_f64(number / 1e3)))
        };
        let whole = |name, variables: &[&str], default, max, environment: &mut Environment<'_>| {
            let variable = environment.number(variables, 1.0, max as f64);
            options::count(&raw, name, variable.map_or(default, |number| number as u64), 1, max)
                .map(|count| count as usize)
        };
        let queue_spans =
            whole("exporter.otlp.maxQueueSize", &["OTEL_BSP_MAX_QUEUE_SIZE"], 8_192, 1_000_000, environment)?;
        let batch_spans =
            whole("exporter.otlp.maxBatchSize", &["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"], 512, 10_000, environment)?;
        let seconds = Duration::from_secs;
        Ok(Some(Self {
            endpoint,
            headers: headers(given.headers, environment)?,
            timeout: milliseconds(
                "exporter.otlp.timeoutMs",
                &["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
                seconds(10),
                environment,
            )?,
            gzip: compression(&raw, environment)?,
            certificate: file(&raw, "exporter.otlp.certificate", "CERTIFICATE", environment)?,
            client: client(&raw, environment)?,
            queue_spans,
            batch_spans: batch_spans.min(queue_spans),
            delay: milliseconds("exporter.otlp.delayMs", &["OTEL_BSP_SCHEDULE_DELAY"], seconds(5), environment)?,
            retry_for: milliseconds(
                "exporter.otlp.retryForMs",
                &["OTEL_BSP_EXPORT_TIMEOUT"],
                seconds(30),
                environment,
            )?,
            exit_timeout: milliseconds("exporter.otlp.exitTimeoutMs", &[], seconds(2), environment)?,
            resource: {
                let mut resource = environment.pairs(&["OTEL_RESOURCE_ATTRIBUTES"]);
                resource.extend(given.resource);
                resource
            },
        }))
    }

    /// The service's name as the environment has it.
    pub fn service_name(environment: &mut Environment<'_>) -> Option<String> {
        environment
            .text("OTEL_SERVICE_NAME")
            .or_else(|| environment.pairs(&["OTEL_RESOURCE_ATTRIBUTES"]).remove("service.name"))
    }
}

/// A collector's address with the signal's path, once.
fn with_path(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with(TRACES) { base.to_owned() } else { format!("{base}{TRACES}") }
}

/// Whether an address can be posted to. Credentials in it would end up in errors: they belong into headers.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(rest) = rest else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !authority.is_empty() && !text.contains(['@', '?', '#', ' ']) && text.parse::<ureq::http::Uri>().is_ok()
}

const ADDRESS: &str = "an http:// or https:// address without credentials, query and fragment";

fn endpoint(raw: &Named<'_>, asked: bool, environment: &mut Environment<'_>) -> Result<Option<String>, OptionError> {
    let name = "exporter.otlp.endpoint";
    if let Some(given) = options::text(raw, name)? {
        return if is_address(&given) {
            Ok(Some(with_path(&given)))
        } else {
            // Without the value: an address that is refused may hold a password.
            Err(OptionError {
                value: "another text".into(),
                ..OptionError::wrong_type(name, ADDRESS, &Scalar::Missing)
            })
        };
    }
    let variable = environment.first(&["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]);
    match variable {
        Some((name, _)) if !variable.as_ref().is_some_and(|(_, text)| is_address(text)) => {
            environment.warn(name, ADDRESS);
            Ok(None)
        }
        // The variable of the signal is taken as it is.
        Some(("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", text)) => Ok(Some(text)),
        Some((_, text)) => Ok(Some(with_path(&text))),
        None => Ok(asked.then(|| with_path("http://localhost:4318"))),
    }
}

/// Only `http/protobuf` is spoken.
fn protocol(raw: &Named<'_>, environment: &mut Environment<'_>) -> Result<(), OptionError> {
    let (name, expected) = ("exporter.otlp.protocol", "'http/protobuf'");
    if options::text(raw, name)?.is_some_and(|text| text != "http/protobuf") {
        return Err(OptionError::wrong_type(name, expected, &raw.get(name)));
    }
    let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    if let Some((name, text)) = environment.first(&names)
        && text != "http/protobuf"
    {
        environment.warn(name, "http/protobuf, which is the only protocol here");
    }
    Ok(())
}

fn compression(raw: &Named<'_>, environment: &mut Environment<'_>) -> Result<bool, OptionError> {
    let name = "exporter.otlp.compression";
    match options::text(raw, name)?.as_deref() {
        Some("gzip") => return Ok(true),
        Some("none") => return Ok(false),
        Some(_) => return Err(OptionError::wrong_type(name, "'gzip' or 'none'", &raw.get(name))),
        None => {}
    }
    let names = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
    let Some((name, text)) = environment.first(&names) else { return Ok(false) };
    if !matches!(text.as_str(), "gzip" | "none") {
        environment.warn(name, "gzip or none");
    }
    Ok(text == "gzip")
}

/// A path, by an option or by the variable with this ending.
fn file(
    raw: &Named<'_>,
    option: &str,
    ending: &str,
    environment: &Environment<'_>,
) -> Result<Option<String>, OptionError> {
    let [signal, all] = ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].map(|start| format!("{start}{ending}"));
    Ok(options::text(raw, option)?.or_else(|| environment.first(&[&signal, &all]).map(|(_, text)| text)))
}

fn client(raw: &Named<'_>, environment: &Environment<'_>) -> Result<Option<(String, String)>, OptionError> {
    let (certificate, key) = ("exporter.otlp.clientCertificate", "exporter.otlp.clientKey");
    let pair = (file(raw, certificate, "CLIENT_CERTIFICATE", environment)?, file(raw, key, "CLIENT_KEY", environment)?);
    match pair {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(OptionError::wrong_type(key, "given together with clientCertificate", &Scalar::Missing)),
        (None, Some(_)) => Err(OptionError::wrong_type(certificate, "given together with clientKey", &Scalar::Missing)),
    }
}

/// Options before variables, name by name; names are compared as HTTP does.
fn headers(
    given: BTreeMap<String, String>,
    environment: &mut Environment<'_>,
) -> Result<BTreeMap<String, String>, OptionError> {
    use ureq::http::{HeaderName, HeaderValue};
    let usable =
        |(name, value): (&String, &String)| name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok();
    if let Some((name, _)) = given.iter().find(|&pair| !usable(pair)) {
        let option = format!("exporter.otlp.headers.{}", name.escape_default());
        let error = OptionError::wrong_type(&option, "a header's name and a visible text", &Scalar::Missing);
        return Err(OptionError { value: "something else".into(), ..error });
    }
    let names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    let mut headers = BTreeMap::new();
    for (name, value) in environment.pairs(&names) {
        if usable((&name, &value)) {
            headers.insert(name.to_ascii_lowercase(), value);
        } else {
            environment.warn(names[1], "a list of headers");
        }
    }
    headers.extend(given.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)));
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Coded, ErrorClass};

    fn text(value: &str) -> Scalar {
        Scalar::Text(value.into())
    }

    fn read(
        options: Option<&[(&str, Scalar)]>,
        variables: &[(&str, Scalar)],
    ) -> (Result<Option<ExportConfig>, OptionError>, Vec<String>) {
        let mut environment = Environment::new(&variables);
        let given = Given {
            options: options.as_ref().map(|options| options as &dyn Options),
            headers: BTreeMap::from([("X-Key".into(), "given".into())]),
            resource: BTreeMap::new(),
        };
        let config = ExportConfig::read(given, &mut environment);
        (config, environment.warnings)
    }

    fn on(options: Option<&[(&str, Scalar)]>, variables: &[(&str, Scalar)]) -> ExportConfig {
        read(options, variables).0.unwrap().unwrap()
    }

    #[test]
    fn nothing_is_exported_until_something_asks_for_it() {
        assert_eq!(read(None, &[]).0, Ok(None));
        assert_eq!(on(Some(&[]), &[]).endpoint, "http://localhost:4318/v1/traces");
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", text("https://collector:4318/"));
        assert_eq!(on(None, std::slice::from_ref(&endpoint)).endpoint, "https://collector:4318/v1/traces");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", text("http://other/as-it-is"));
        assert_eq!(on(None, &[endpoint.clone(), traces]).endpoint, "http://other/as-it-is");
        for off in [("OTEL_SDK_DISABLED", text("TRUE")), ("OTEL_TRACES_EXPORTER", text("none"))] {
            assert_eq!(read(None, &[endpoint.clone(), off]).0, Ok(None));
        }
        let (off, warnings) = read(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", text("collector"))]);
        assert_eq!((off, warnings.len()), (Ok(None), 1));
    }

    #[test]
    fn options_come_before_variables_and_those_of_the_signal_before_the_others() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_TIMEOUT", text("1000")),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", text("2000")),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", text("gzip")),
            ("OTEL_EXPORTER_OTLP_HEADERS", text("x-key=variable,Authorization=Bearer%20t")),
            ("OTEL_BSP_MAX_QUEUE_SIZE", text("100")),
            ("OTEL_BSP_SCHEDULE_DELAY", text("soon")),
        ];
        let config = on(Some(&[("delayMs", Scalar::Number(7.0))]), &variables);
        assert_eq!((config.timeout, config.delay), (Duration::from_secs(2), Duration::from_millis(7)));
        assert_eq!((config.queue_spans, config.batch_spans, config.gzip), (100, 100, true));
        let headers: Vec<_> = config.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(headers, [("authorization", "Bearer t"), ("x-key", "given")]);
        let config = on(Some(&[("compression", text("none")), ("timeoutMs", Scalar::Number(5.0))]), &variables);
        assert_eq!((config.gzip, config.timeout), (false, Duration::from_millis(5)));
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name_and_without_secrets() {
        let refused = |option: &str, value: Scalar| read(Some(&[(option, value)]), &[]).0.unwrap_err();
        let error = refused("endpoint", text("http://user:hunter2@collector"));
        assert_eq!((error.class(), error.option.as_str()), (ErrorClass::TypeError, "exporter.otlp.endpoint"));
        assert!(!error.to_string().contains("hunter2"));
        for endpoint in ["collector:4318", "ftp://x", "http://", "http:///v1", "http://a b", "http://x/?key=1"] {
            refused("endpoint", text(endpoint));
        }
        refused("endpoint", Scalar::Number(4318.0));
        refused("protocol", text("grpc"));
        refused("compression", text("zstd"));
        refused("clientKey", text("key.pem"));
        assert_eq!(refused("timeoutMs", Scalar::Number(-1.0)).class(), ErrorClass::RangeError);
        assert_eq!(refused("maxBatchSize", Scalar::Number(1e9)).class(), ErrorClass::RangeError);
    }

    #[test]
    fn headers_are_in_no_debug_text() {
        let variables = [("OTEL_EXPORTER_OTLP_HEADERS", text("authorization=hunter2"))];
        assert!(!format!("{:?}", on(Some(&[]), &variables)).contains("hunter2"));
    }
}
