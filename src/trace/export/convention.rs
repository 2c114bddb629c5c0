//! OpenTelemetry's semantic conventions (1.37): what a span's kind is, and which attributes it has, judged by those it
//! came with.

use opentelemetry::trace::SpanKind;
use opentelemetry::{KeyValue, Value};

/// What JavaScript knows of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its status was anything but `success`.
    pub failed: bool,
    /// Its parent is of another service.
    pub has_remote_parent: bool,
    /// It is a request that came in through the middleware, over this scheme.
    pub served: Option<&'static str>,
}

impl Facts {
    /// Bits of a hand-over: 1 failed, 8 remote parent, 16 served, 32 over TLS.
    pub fn from_flags(flags: u32) -> Self {
        let scheme = if flags & 32 != 0 { "https" } else { "http" };
        Self { failed: flags & 1 != 0, has_remote_parent: flags & 8 != 0, served: (flags & 16 != 0).then_some(scheme) }
    }
}

const METHOD: &str = "http.request.method";
const STATUS: &str = "http.response.status_code";
/// The services' own word for it.
const STATUS_CODE: &str = "statusCode";
const ROUTE: &str = "http.route";
const DATABASE: &str = "db.system.name";
const ERROR: &str = "error.type";
const KIND: &str = "span.kind";

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|each| each.key.as_str() == key).map(|each| &each.value)
}

/// Brings the attributes into form; answers with the span's kind.
pub fn apply(facts: Facts, name: &str, status: &str, attributes: &mut Vec<KeyValue>) -> SpanKind {
    keep_last(attributes);
    let code = find(attributes, STATUS_CODE).and_then(status_code);
    if let Some(code) = code {
        attributes.retain(|each| each.key.as_str() != STATUS_CODE);
        if find(attributes, STATUS).is_none() {
            attributes.push(KeyValue::new(STATUS, code));
        }
    }
    if let Some(scheme) = facts.served {
        attributes.push(KeyValue::new("url.scheme", scheme));
        let method = find(attributes, METHOD).map(|method| method.as_str().into_owned());
        // The middleware names a request by its method and its route's pattern.
        let route = method.and_then(|method| name.strip_prefix(method.as_str())?.strip_prefix(' '));
        if let Some(route) = route.filter(|route| route.starts_with('/') && find(attributes, ROUTE).is_none()) {
            attributes.push(KeyValue::new(ROUTE, route.to_owned()));
        }
    }
    if facts.failed {
        if find(attributes, ERROR).is_none() {
            let error = error_type(attributes);
            attributes.push(KeyValue::new(ERROR, error));
        }
        if status != "error" {
            attributes.push(KeyValue::new("tooloo.status", status.to_owned()));
        }
    }
    kind(facts, attributes)
}

/// A key may stand once; what came last holds.
fn keep_last(attributes: &mut Vec<KeyValue>) {
    let mut at = 0;
    while at < attributes.len() {
        let again = attributes[at + 1..].iter().any(|each| each.key == attributes[at].key);
        if again {
            attributes.remove(at);
        } else {
            at += 1;
        }
    }
}

fn status_code(value: &Value) -> Option<i64> {
    match value {
        Value::I64(code) if (100..=599).contains(code) => Some(*code),
        _ => None,
    }
}

/// A class of errors that is few in number: the answer's status, the database's code, or that it is something else.
fn error_type(attributes: &[KeyValue]) -> String {
    let http = find(attributes, STATUS).and_then(status_code).filter(|&code| code >= 400).map(|code| code.to_string());
    let database = || find(attributes, "db.response.status_code").map(|code| code.as_str().into_owned());
    http.or_else(database).unwrap_or_else(|| "_OTHER".into())
}

fn kind(facts: Facts, attributes: &mut Vec<KeyValue>) -> SpanKind {
    let given = find(attributes, KIND).and_then(|kind| match kind.as_str().as_ref() {
        "internal" => Some(SpanKind::Internal),
        "server" => Some(SpanKind::Server),
        "client" => Some(SpanKind::Client),
        "producer" => Some(SpanKind::Producer),
        "consumer" => Some(SpanKind::Consumer),
        _ => None,
    });
    if let Some(kind) = given {
        attributes.retain(|each| each.key.as_str() != KIND);
        return kind;
    }
    let calls = find(attributes, DATABASE).is_some() || find(attributes, METHOD).is_some();
    match facts.served {
        Some(_) => SpanKind::Server,
        None if calls => SpanKind::Client,
        None => SpanKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(flags: u32, name: &str, attributes: &[(&'static str, Value)]) -> (SpanKind, Vec<(String, String)>) {
        let mut attributes: Vec<_> = attributes.iter().map(|(key, value)| KeyValue::new(*key, value.clone())).collect();
        let kind = apply(Facts::from_flags(flags), name, "error", &mut attributes);
        let texts = attributes.iter().map(|each| (each.key.to_string(), each.value.to_string())).collect();
        (kind, texts)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn a_request_that_came_in_is_a_server_span_with_its_route() {
        let given = [(METHOD, "GET".into()), (STATUS, 503.into()), (STATUS_CODE, 503.into())];
        let (kind, attributes) = applied(1 + 16, "GET /users/:id", &given);
        assert_eq!(kind, SpanKind::Server);
        let expected =
            [(METHOD, "GET"), (STATUS, "503"), ("url.scheme", "http"), (ROUTE, "/users/:id"), (ERROR, "503")];
        assert_eq!(attributes, pairs(&expected));
        assert!(!applied(16, "GET", &given).1.iter().any(|(key, _)| key == ROUTE));
    }

    #[test]
    fn queries_and_requests_that_go_out_are_client_spans() {
        assert_eq!(applied(0, "SELECT", &[(DATABASE, "postgresql".into())]).0, SpanKind::Client);
        assert_eq!(applied(0, "GET", &[(METHOD, "GET".into())]).0, SpanKind::Client);
        assert_eq!(applied(0, "render", &[]), (SpanKind::Internal, vec![]));
        assert_eq!(applied(0, "send", &[(KIND, "producer".into())]), (SpanKind::Producer, vec![]));
    }

    #[test]
    fn an_error_has_a_type() {
        assert_eq!(applied(1, "x", &[]).1, pairs(&[(ERROR, "_OTHER")]));
        let given = [("db.response.status_code", "23505".into())];
        assert!(applied(1, "INSERT", &given).1.contains(&(ERROR.into(), "23505".into())));
        assert_eq!(applied(1, "x", &[(ERROR, "timeout".into())]).1, pairs(&[(ERROR, "timeout")]));
    }

    #[test]
    fn a_key_stands_once() {
        assert_eq!(
            applied(0, "x", &[("a", 1.into()), ("b", 2.into()), ("a", 3.into())]).1,
            pairs(&[("b", "2"), ("a", "3")])
        );
    }
}
