//! A hand-over from JavaScript: one list of numbers and one text.
//!
//! ```text
//! batch  = trace*
//! trace  = spans reason began  id.len state.len    the text goes on with the trace's id and its tracestate; then its spans,
//!          the trace itself before the others and of those the newest first
//! span   = flags start duration  name id parent status error
//!          attributes attribute*  events event*  links link*
//! attribute = key kind value                       kind 0: a text; 1 number; 2 boolean
//! event  = unix_ms name attributes attribute*
//! link   = trace span attributes attribute*
//! ```
//!
//! A text is a number of [`Names`], or -1 less its length, and then the text goes on with it; lengths count UTF-16 code
//! units, as JavaScript does. `id` and `parent` have a number of [`DrawnIds`] in place of one of a name. Times: `began` in
//! monotonic milliseconds, `start` and `duration` in microseconds from it.

use super::convention::{self, Facts};
use super::names::Names;
use crate::trace::id::DrawnIds;
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A batch as it came.
#[derive(Debug, Clone, Default)]
pub struct HandOver {
    /// All texts, one after the other, in UTF-16.
    pub text: Vec<u16>,
    /// All numbers.
    pub numbers: Vec<f64>,
    /// Texts that are told by number.
    pub names: Names,
    /// Ids that are told by number.
    pub drawn: DrawnIds,
    /// How many spans it holds.
    pub spans: usize,
    /// What is to be added to monotonic milliseconds to get Unix ones.
    pub offset_ms: f64,
}

impl HandOver {
    /// Memory it takes, what it may share with others included: where few of many spans are exported, each hand-over
    /// has ids of its own.
    pub fn bytes(&self) -> usize {
        let own = self.text.len() * size_of::<u16>() + self.numbers.len() * size_of::<f64>();
        own + self.names.bytes() + self.drawn.bytes()
    }
}

/// Why a trace is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The sampler took it.
    Sampled,
    /// It failed, or a span of it.
    Failed,
    /// It took longer than `slowMs`.
    Slow,
}

/// What a hand-over says.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Ready for the exporter.
    pub spans: Vec<SpanData>,
    /// A reason for each trace.
    pub reasons: Vec<Reason>,
}

/// Takes a hand-over apart. What is torn ends it: the rest is missing from the result.
pub fn decode(batch: &HandOver) -> Decoded {
    let mut decoded = Decoded::default();
    let (text, ascii) = utf8(&batch.text);
    let mut reader = Reader { numbers: &batch.numbers, text: &text, ascii, names: &batch.names, drawn: &batch.drawn };
    let scope = InstrumentationScope::builder("tooloo-native").with_version(env!("CARGO_PKG_VERSION")).build();
    while !reader.numbers.is_empty() {
        if trace(&mut reader, batch.offset_ms, &scope, &mut decoded).is_none() {
            break;
        }
    }
    decoded
}

fn trace(reader: &mut Reader<'_>, offset_ms: f64, scope: &InstrumentationScope, out: &mut Decoded) -> Option<()> {
    let [spans, reason, began_ms, id, state] = reader.take()?;
    let (id, state) = (reader.cut(id as usize)?, reader.cut(state as usize)?);
    out.reasons.extend(match reason as u8 {
        0 => Some(Reason::Sampled),
        1 => Some(Reason::Failed),
        2 => Some(Reason::Slow),
        // A late part of a trace that was counted before.
        _ => None,
    });
    let trace = Trace {
        id: TraceId::from(wide(id)),
        foreign: if hex(id, 32).is_none() { Some(id) } else { None },
        state: if state.is_empty() { TraceState::NONE } else { TraceState::from_str(state).unwrap_or_default() },
        began_us: (began_ms + offset_ms) * 1e3,
    };
    let first = out.spans.len();
    for _ in 0..spans as usize {
        out.spans.push(span(reader, &trace, scope)?);
    }
    // The newest span came first, as JavaScript goes through them, but for the trace itself.
    if let Some([_, parts @ ..]) = out.spans.get_mut(first..) {
        parts.reverse();
    }
    Some(())
}

/// What the spans of a trace have in common.
struct Trace<'a> {
    id: TraceId,
    /// Its id as it was given, where that is none of OTLP.
    foreign: Option<&'a str>,
    state: TraceState,
    began_us: f64,
}

fn span(reader: &mut Reader<'_>, trace: &Trace<'_>, scope: &InstrumentationScope) -> Option<SpanData> {
    let [flags, start_us, duration_us] = reader.take()?;
    let name = reader.text()?;
    let (id, parent) = (reader.id()?, reader.id()?);
    let (status, error) = (reader.text()?, reader.text()?);
    let flags = flags as u32;
    let facts = Facts::from_flags(flags);
    let mut attributes = reader.attributes()?;
    let events = reader.list(|reader| {
        let ([at_ms], name) = (reader.take()?, reader.text()?);
        let attributes = reader.attributes()?;
        Some(Event::new(name.as_str().to_owned(), time(at_ms * 1e3), attributes, 0))
    })?;
    let links = reader.list(|reader| {
        let (trace, span) = (reader.text()?, reader.text()?);
        let context = SpanContext::new(
            TraceId::from(wide(trace.as_str())),
            SpanId::from(narrow(span.as_str())),
            TraceFlags::default(),
            true,
            TraceState::NONE,
        );
        Some(Link::new(context, reader.attributes()?, 0))
    })?;
    if let Some(id) = trace.foreign {
        attributes.push(KeyValue::new("tooloo.trace_id", id.to_owned()));
    }
    let kind = convention::apply(facts, name.as_str(), status.as_str(), &mut attributes);
    let start = trace.began_us + start_us;
    let mut data = SpanData {
        // Whatever is exported is sampled to whoever reads it.
        span_context: SpanContext::new(trace.id, id, TraceFlags::SAMPLED, false, trace.state.clone()),
        parent_span_id: parent,
        parent_span_is_remote: facts.has_remote_parent,
        span_kind: kind,
        name: Cow::Owned(name.as_str().to_owned()),
        start_time: time(start),
        end_time: time(start + duration_us),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        // "Ok" is the application's word; what only did not fail is left unset.
        status: if facts.failed { Status::error(error.as_str().to_owned()) } else { Status::Unset },
        instrumentation_scope: scope.clone(),
    };
    // Logs are told in whole milliseconds, which can be before the span began.
    data.events.events = events;
    for event in &mut data.events.events {
        event.timestamp = event.timestamp.max(data.start_time);
    }
    data.links.links = links;
    Some(data)
}

fn time(unix_us: f64) -> SystemTime {
    // A cast saturates, so nonsense becomes the epoch.
    UNIX_EPOCH + Duration::from_nanos((unix_us * 1e3) as u64)
}

/// A number of so many hex digits that is not zero.
fn hex(id: &str, digits: usize) -> Option<u128> {
    if id.len() != digits {
        return None;
    }
    // Half by half: arithmetic with 128 bits, digit for digit, was a fifth of the exporter's work.
    let half = |digits: &str| {
        digits.bytes().try_fold(0u64, |number, digit| Some(number << 4 | u64::from((digit as char).to_digit(16)?)))
    };
    let (high, low) = id.split_at_checked(digits - 16)?;
    Some(u128::from(half(high)?) << 64 | u128::from(half(low)?)).filter(|&id| id != 0)
}

/// A trace id of OTLP. An id of another form gets one that every service makes of it.
fn wide(id: &str) -> u128 {
    hex(id, 32).unwrap_or_else(|| fnv(id).max(1))
}

/// A span id of OTLP, likewise.
fn narrow(id: &str) -> u64 {
    hex(id, 16).unwrap_or_else(|| fnv(id) >> 64).max(1) as u64
}

/// FNV-1a over 128 bits.
fn fnv(text: &str) -> u128 {
    let prime = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    text.bytes()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(prime))
}

/// UTF-16 as UTF-8, and whether all of it is ASCII. A lone half of a pair becomes one character, as it was one unit.
fn utf8(units: &[u16]) -> (String, bool) {
    let mut bytes = Vec::with_capacity(units.len());
    bytes.extend(units.iter().map(|&unit| unit as u8));
    match String::from_utf8(bytes) {
        Ok(text) if units.iter().all(|&unit| unit < 128) => (text, true),
        _ => (String::from_utf16_lossy(units), false),
    }
}

/// What is left of a hand-over.
struct Reader<'a> {
    numbers: &'a [f64],
    text: &'a str,
    ascii: bool,
    names: &'a Names,
    drawn: &'a DrawnIds,
}

/// A text of a hand-over.
enum Text<'a> {
    Named(&'a Arc<str>),
    Told(&'a str),
}

impl<'a> Text<'a> {
    fn as_str(&self) -> &'a str {
        match self {
            Self::Named(text) => text,
            Self::Told(text) => text,
        }
    }

    /// Without a copy of a text that has a name.
    fn shared(&self) -> Arc<str> {
        match self {
            Self::Named(text) => Arc::clone(text),
            Self::Told(text) => Arc::from(*text),
        }
    }
}

impl<'a> Reader<'a> {
    fn take<const COUNT: usize>(&mut self) -> Option<[f64; COUNT]> {
        let (taken, rest) = self.numbers.split_first_chunk::<COUNT>()?;
        self.numbers = rest;
        Some(*taken)
    }

    fn text(&mut self) -> Option<Text<'a>> {
        let [number] = self.take()?;
        if number >= 0.0 { self.names.get(number as usize).map(Text::Named) } else { self.told(number).map(Text::Told) }
    }

    fn told(&mut self, number: f64) -> Option<&'a str> {
        self.cut((-1.0 - number) as usize)
    }

    fn id(&mut self) -> Option<SpanId> {
        let [number] = self.take()?;
        if number >= 0.0 {
            return self.drawn.get(number as u32).map(SpanId::from);
        }
        let id = self.told(number)?;
        Some(if id.is_empty() { SpanId::INVALID } else { SpanId::from(narrow(id)) })
    }

    fn cut(&mut self, units: usize) -> Option<&'a str> {
        let end = if self.ascii { units } else { end_of(self.text, units)? };
        let (text, rest) = self.text.split_at_checked(end)?;
        self.text = rest;
        Some(text)
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let [count] = self.take()?;
        (0..count as usize).map(|_| item(self)).collect()
    }

    fn attributes(&mut self) -> Option<Vec<KeyValue>> {
        self.list(|reader| {
            let key = reader.text()?.shared();
            let [kind] = reader.take()?;
            if kind as u8 == 0 {
                return Some(KeyValue::new(key, reader.text()?.shared()));
            }
            let [value] = reader.take()?;
            let value = match kind as u8 {
                1 if value.fract() == 0.0 && value.abs() < 9.0e15 => Value::I64(value as i64),
                1 => Value::F64(value),
                _ => Value::Bool(value != 0.0),
            };
            Some(KeyValue::new(key, value))
        })
    }
}

/// The byte at which `units` UTF-16 code units of a text end.
fn end_of(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        // A pair that two neighbours made of their lone halves cannot be cut: it goes to the first.
        left = left.saturating_sub(character.len_utf16());
    }
    (left == 0).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::SpanKind;
    use proptest::prelude::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// A trace of one span, of these texts.
    fn hand_over(trace: &str, name: &str, value: &str) -> HandOver {
        let units = |text: &str| text.encode_utf16().count() as f64;
        let told = |length: f64| -1.0 - length;
        let span = "00f067aa0ba902b7";
        let mut numbers = vec![1.0, 1.0, 10.0, units(trace), 0.0];
        // Failed, a root with a remote parent; from 250 µs on for 1,500 µs.
        numbers.extend([1.0 + 2.0 + 8.0, 250.0, 1_500.0]);
        numbers.extend([told(units(name)), told(16.0), told(16.0), 0.0, told(4.0)]);
        numbers.extend([3.0, told(1.0), 0.0, told(units(value)), 1.0, 1.0, 2.5, told(1.0), 2.0, 1.0]);
        numbers.extend([1.0, 1_700_000_000_000.0, told(3.0), 1.0, told(1.0), 1.0, 7.0]);
        numbers.extend([1.0, told(32.0), told(16.0), 0.0]);
        let text = format!("{trace}{name}{span}{span}downk{value}blogl{TRACE}{span}");
        let mut names = Names::default();
        assert_eq!(["error", "n"].map(|name| names.add(name)), [0.0, 1.0]);
        HandOver {
            text: text.encode_utf16().collect(),
            numbers,
            names,
            drawn: DrawnIds::default(),
            spans: 1,
            offset_ms: 1_000.0,
        }
    }

    #[test]
    fn a_hand_over_becomes_spans() {
        let decoded = decode(&hand_over(TRACE, "größe", "😀é"));
        assert_eq!(decoded.reasons, [Reason::Failed]);
        let [span] = &decoded.spans[..] else { panic!("one span: {decoded:?}") };
        assert_eq!(span.span_context.trace_id().to_string(), TRACE);
        assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
        assert_eq!((span.name.as_ref(), span.parent_span_is_remote), ("größe", true));
        assert_eq!(span.start_time, UNIX_EPOCH + Duration::from_micros(1_010_250));
        assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_micros(1_500));
        assert_eq!(span.status, Status::error("down"));
        assert_eq!(span.span_kind, SpanKind::Internal);
        let value =
            |key: &str| span.attributes.iter().find(|each| each.key.as_str() == key).map(|each| each.value.clone());
        assert_eq!(value("k"), Some(Value::from("😀é")));
        assert_eq!((value("n"), value("b")), (Some(Value::F64(2.5)), Some(Value::Bool(true))));
        assert_eq!(span.events.events[0].name, "log");
        assert_eq!(span.events.events[0].attributes, [KeyValue::new("l", 7)]);
        assert_eq!(span.links.links[0].span_context.trace_id().to_string(), TRACE);
    }

    #[test]
    fn ids_and_texts_may_be_told_by_number() {
        let mut batch = HandOver { text: TRACE.encode_utf16().collect(), ..HandOver::default() };
        let drawn = batch.drawn.draw(true).unwrap();
        let ids: Vec<_> = (0..3).map(|at| &drawn[at * 16..(at + 1) * 16]).collect();
        assert_eq!(["GET", "method"].map(|name| batch.names.add(name)), [0.0, 1.0]);
        batch.numbers = vec![3.0, 0.0, 0.0, 32.0, 0.0];
        for (number, parent) in [(2.0, -1.0), (0.0, 2.0), (1.0, 0.0)] {
            batch.numbers.extend([0.0, 0.0, 1.0, 0.0, number, parent, -1.0, -1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        }
        let spans = decode(&batch).spans;
        let told: Vec<_> = spans
            .iter()
            .map(|span| (span.span_context.span_id().to_string(), span.parent_span_id.to_string()))
            .collect();
        let pair = |id: &str, parent: &str| (id.to_owned(), parent.to_owned());
        assert_eq!(told, [pair(ids[2], &"0".repeat(16)), pair(ids[1], ids[0]), pair(ids[0], ids[2])]);
        assert!(spans.iter().all(|span| span.name == "GET" && span.attributes == [KeyValue::new("method", "GET")]));
        // Numbers of what is not there tear a hand-over, and do no harm.
        batch.numbers[8] = 9.0;
        assert!(decode(&batch).spans.is_empty());
    }

    #[test]
    fn an_id_of_another_form_is_always_the_same_id_and_told() {
        let ids = ["req-1", "req-1", "req-2"].map(|id| decode(&hand_over(id, "x", "y")).spans.remove(0));
        assert_eq!(ids[0].span_context.trace_id(), ids[1].span_context.trace_id());
        assert_ne!(ids[0].span_context.trace_id(), ids[2].span_context.trace_id());
        assert!(ids[0].attributes.contains(&KeyValue::new("tooloo.trace_id", "req-1")));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_does_harm(
            text in "\\PC{0,40}", numbers in prop::collection::vec(prop_oneof![0.0f64..9.0, any::<f64>()], 0..60),
        ) {
            let text = text.encode_utf16().collect();
            let spans = decode(&HandOver { text, numbers, spans: 3, ..HandOver::default() }).spans.len();
            prop_assert!(spans <= 60);
        }

        #[test]
        fn texts_of_any_kind_come_back_whole(name in "\\PC{0,20}", value in "\\PC{0,20}") {
            let span = decode(&hand_over(TRACE, &name, &value)).spans.remove(0);
            prop_assert_eq!(span.name.as_ref(), name.as_str());
            prop_assert_eq!(&span.attributes[0].value, &Value::from(value));
        }
    }
}
