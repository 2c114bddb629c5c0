//! The one place that talks to a collector: `opentelemetry-otlp` over a blocking client, which must not run on an
//! event loop.

use super::config::ExportConfig;
use super::retry::Outcome;
use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Compression, Protocol, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message;
use rustls::crypto::ring;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, header};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// Bytes of an answer that are read.
const MOST_ANSWERED: u64 = 1024 * 1024;

/// Why an exporter cannot start. Texts name files, never what is in them.
#[derive(Debug, thiserror::Error)]
pub enum NoExporter {
    /// A certificate or a key cannot be read.
    #[error("{0}: not a readable PEM file with what it should hold")]
    Pem(String),
    /// The exporter's crate refused its configuration.
    #[error("the exporter could not be made")]
    Build,
}

/// What the last request came to.
#[derive(Debug, Clone, Default)]
struct Exchange {
    outcome: Option<Outcome>,
    rejected: u64,
    unreadable: bool,
    /// A text without anything of the address, the headers or the answer.
    error: String,
}

/// Sends spans.
pub struct Sender {
    exporter: opentelemetry_otlp::SpanExporter,
    exchange: Arc<Mutex<Exchange>>,
}

/// What became of a batch.
pub struct Sent {
    /// Whether it arrived.
    pub outcome: Outcome,
    /// Spans that the collector refused one by one.
    pub rejected: u64,
    /// Whether the answer was no OTLP.
    pub unreadable: bool,
    /// What went wrong; empty when nothing did.
    pub error: String,
}

impl Sender {
    /// Reads the certificates, if there are any, and connects when there is something to send.
    pub fn new(config: &ExportConfig, resource: Vec<KeyValue>) -> Result<Self, NoExporter> {
        let exchange = Arc::new(Mutex::new(Exchange::default()));
        let client = Client { agent: agent(config)?, headers: headers(config), exchange: exchange.clone() };
        let builder = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&config.endpoint)
            .with_timeout(config.timeout)
            // Repetitions are ours: they have to end when the process does.
            .with_retry_policy(RetryPolicy::disabled());
        let builder = if config.gzip { builder.with_compression(Compression::Gzip) } else { builder };
        let mut exporter = builder.build().map_err(|_| NoExporter::Build)?;
        exporter.set_resource(&Resource::builder_empty().with_attributes(resource).build());
        Ok(Self { exporter, exchange })
    }

    /// Sends a batch once. Blocks.
    pub fn send(&self, spans: Vec<SpanData>) -> Sent {
        let mut sending = pin!(self.exporter.export(spans));
        // The client blocks, so the future is done when it was polled once.
        let polled = sending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let exchange = std::mem::take(&mut *self.exchange.lock().unwrap_or_else(PoisonError::into_inner));
        let arrived = matches!(polled, Poll::Ready(Ok(())));
        let outcome = match exchange.outcome {
            Some(outcome) => outcome,
            // It was not sent at all, such as a body that is too large.
            None if arrived => Outcome::Delivered,
            None => Outcome::Refused,
        };
        let error =
            if exchange.outcome.is_none() && !arrived { "the batch was too large".into() } else { exchange.error };
        Sent { outcome, rejected: exchange.rejected, unreadable: exchange.unreadable, error }
    }
}

fn headers(config: &ExportConfig) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        // The configuration has checked both.
        if let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

fn read(path: &str) -> Result<Vec<u8>, NoExporter> {
    std::fs::read(path).map_err(|_| NoExporter::Pem(path.into()))
}

fn certificates(path: &str) -> Result<Vec<Certificate<'static>>, NoExporter> {
    let items: Result<Vec<_>, _> = parse_pem(&read(path)?).collect();
    let certificates: Vec<_> = items
        .map_err(|_| NoExporter::Pem(path.into()))?
        .into_iter()
        .filter_map(|item| if let PemItem::Certificate(certificate) = item { Some(certificate) } else { None })
        .collect();
    if certificates.is_empty() { Err(NoExporter::Pem(path.into())) } else { Ok(certificates) }
}

fn agent(config: &ExportConfig) -> Result<ureq::Agent, NoExporter> {
    let mut tls = TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
    if config.endpoint.starts_with("https:") {
        let roots = match &config.certificate {
            Some(path) => certificates(path)?,
            None => rustls_native_certs::load_native_certs()
                .certs
                .iter()
                .map(|each| Certificate::from_der(each.as_ref()).to_owned())
                .collect(),
        };
        tls = tls.root_certs(RootCerts::new_with_certs(&roots));
        if let Some((certificate, key)) = &config.client {
            let unreadable = |_| NoExporter::Pem(key.clone());
            let pair = PrivateKey::from_pem(&read(key)?).map_err(unreadable)?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&certificates(certificate)?, pair)));
        }
    }
    Ok(ureq::Agent::config_builder()
        .http_status_as_error(false)
        // Headers go to the collector alone, and to nobody whom it names.
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(config.timeout))
        .user_agent(concat!("tooloo-native/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build())
        .build()
        .new_agent())
}

struct Client {
    agent: ureq::Agent,
    headers: HeaderMap,
    exchange: Arc<Mutex<Exchange>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Client")
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut parts, body) = request.into_parts();
        // The crate reads headers from the environment by itself; the configuration has the last word about them.
        let of_body = [header::CONTENT_TYPE, header::CONTENT_ENCODING];
        let kept = of_body.map(|name| (parts.headers.remove(&name), name));
        parts.headers.clone_from(&self.headers);
        for (value, name) in kept {
            if let Some(value) = value {
                parts.headers.insert(name, value);
            }
        }
        let answer = self.exchange(Request::from_parts(parts, &body[..]));
        let (exchange, answer) = match answer {
            Ok(answer) => (judged(&answer), Ok(answer)),
            Err(error) => {
                let error = told(&error);
                let exchange = Exchange { outcome: Some(Outcome::Later(None)), error, ..Exchange::default() };
                (exchange, Err("not delivered".into()))
            }
        };
        *self.exchange.lock().unwrap_or_else(PoisonError::into_inner) = exchange;
        answer
    }
}

impl Client {
    fn exchange(&self, request: Request<&[u8]>) -> Result<Response<Bytes>, ureq::Error> {
        let (parts, mut body) = self.agent.run(request)?.into_parts();
        let bytes = body.with_config().limit(MOST_ANSWERED).read_to_vec()?;
        Ok(Response::from_parts(parts, bytes.into()))
    }
}

fn judged(answer: &Response<Bytes>) -> Exchange {
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let outcome = Outcome::of_status(status, retry_after, SystemTime::now());
    let mut exchange = Exchange { outcome: Some(outcome), ..Exchange::default() };
    if outcome != Outcome::Delivered {
        exchange.error = format!("HTTP {status}");
        return exchange;
    }
    match ExportTraceServiceResponse::decode(&answer.body()[..]) {
        Ok(response) => {
            let rejected = response.partial_success.map_or(0, |partial| partial.rejected_spans);
            exchange.rejected = u64::try_from(rejected).unwrap_or(0);
            if exchange.rejected > 0 {
                exchange.error = "the collector rejected spans".into();
            }
        }
        Err(_) => {
            exchange.unreadable = true;
            exchange.error = "the answer was not OTLP".into();
        }
    }
    exchange
}

/// An error's kind, without what it may hold.
fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "timeout".into(),
        ureq::Error::HostNotFound => "host not found".into(),
        ureq::Error::ConnectionFailed => "no connection".into(),
        ureq::Error::Io(error) => error.kind().to_string(),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => "TLS".into(),
        _ => "the answer was not HTTP".into(),
    }
}
