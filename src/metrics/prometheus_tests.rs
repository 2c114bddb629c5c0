//! What is written, and that a reader of the formats reads it back.

use super::accept::Format;
use super::config::{MetricConfig, Type};
use super::exemplar::Exemplar;
use super::model::MetricFamily;
use super::own::Own;
use super::{OTHER, prometheus};
use crate::options::Scalar;
use proptest::prelude::*;
use prost::Message;

fn define(own: &mut Own, kind: Type, name: &str, labels: &[&str], most: f64) -> u32 {
    let text = |value: &str| Scalar::Text(value.to_owned());
    let options = [("name", text(name)), ("help", text("It \"tells\".")), ("maxLabelSets", Scalar::Number(most))];
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    let buckets = (kind == Type::Histogram).then(|| vec![1.0, 2.5]);
    own.define(MetricConfig::read(&options[..], kind, labels, buckets).unwrap()).unwrap()
}

fn text(own: &Own, format: Format) -> String {
    String::from_utf8(prometheus::write(&own.gather(), format)).unwrap()
}

fn observed(value: f64) -> Own {
    let mut own = Own::default();
    let metric = define(&mut own, Type::Histogram, "wait_seconds", &[], 5.0);
    let series = own.series_of(metric, Vec::new()).unwrap();
    let exemplar = Exemplar { trace_id: "abc".into(), span_id: String::new(), value, unix_ms: 1_234_567_890_123.0 };
    own.observe(series, value, Some(exemplar)).unwrap();
    own
}

#[test]
fn the_text_format_is_that_of_go() {
    let expected = r#"# HELP wait_seconds It "tells".
# TYPE wait_seconds histogram
wait_seconds_bucket{le="1"} 0
wait_seconds_bucket{le="2.5"} 1
wait_seconds_bucket{le="+Inf"} 1
wait_seconds_sum 2
wait_seconds_count 1
"#;
    assert_eq!(text(&observed(2.0), Format::Text), expected);
}

#[test]
fn openmetrics_has_units_exemplars_float_bounds_and_an_end() {
    let expected = r#"# HELP wait_seconds It \"tells\".
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{le="1.0"} 0
wait_seconds_bucket{le="2.5"} 1 # {trace_id="abc"} 2 1234567890.123
wait_seconds_bucket{le="+Inf"} 1
wait_seconds_sum 2
wait_seconds_count 1
# EOF
"#;
    assert_eq!(text(&observed(2.0), Format::OpenMetrics), expected);
}

#[test]
fn a_counter_in_openmetrics_is_named_without_total() {
    let mut own = Own::default();
    define(&mut own, Type::Counter, "orders_total", &[], 5.0);
    assert!(text(&own, Format::OpenMetrics).contains("# TYPE orders counter\norders_total 0\n"));
    assert!(text(&own, Format::Text).contains("# TYPE orders_total counter\norders_total 0\n"));
}

#[test]
fn numbers_that_are_none_are_written_as_the_formats_have_them() {
    let mut own = Own::default();
    let metric = define(&mut own, Type::Gauge, "level", &["of"], 9.0);
    for (value, written) in [
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (1e300, "1e300"),
        (-2.5e-12, "-2.5e-12"),
        (1e17, "100000000000000000"),
        (0.0, "0"),
    ] {
        let series = own.series_of(metric, vec![written.to_owned()]).unwrap();
        own.set(series, value).unwrap();
        let line = format!("level{{of=\"{written}\"}} {written}\n");
        assert!(text(&own, Format::Text).contains(&line), "{line}");
    }
    assert!(own.set(0, f64::NAN).is_err());
}

#[test]
fn label_sets_beyond_the_bound_share_one_and_are_counted() {
    let mut own = Own::default();
    let metric = define(&mut own, Type::Counter, "hits", &["who", "how"], 2.0);
    for who in 0..10 {
        let series = own.series_of(metric, vec![who.to_string(), "x".into()]).unwrap();
        own.add(series, 1.0).unwrap();
    }
    let other = format!("hits_total{{who=\"{OTHER}\",how=\"{OTHER}\"}} 8\n");
    assert!(text(&own, Format::Text).contains(&other), "{}", text(&own, Format::Text));
    assert_eq!((own.overflows(), own.series()), (8, 3));
}

#[test]
fn a_counter_does_not_shrink() {
    let mut own = Own::default();
    let metric = define(&mut own, Type::Counter, "hits", &[], 2.0);
    let series = own.series_of(metric, Vec::new()).unwrap();
    for amount in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(own.add(series, amount).unwrap_err().to_string().contains("hits_total"));
    }
}

#[test]
fn a_name_defined_twice_is_the_same_metric_or_an_error() {
    let mut own = Own::default();
    let first = define(&mut own, Type::Counter, "hits", &["a"], 2.0);
    assert_eq!(define(&mut own, Type::Counter, "hits_total", &["a"], 2.0), first);
    let read = |kind, labels: &[&str]| {
        let options = [("name", Scalar::Text("hits_total".into())), ("help", Scalar::Text("h".into()))];
        MetricConfig::read(&options[..], kind, labels.iter().map(|&label| label.to_owned()).collect(), None)
    };
    assert!(own.define(read(Type::Counter, &["b"]).unwrap()).unwrap_err().to_string().contains("set of labels"));
    assert!(read(Type::Gauge, &["a"]).is_err());
}

#[test]
fn native_buckets_go_out_as_protobuf() {
    let bytes = prometheus::write(&observed(2.0).gather(), Format::Protobuf);
    let mut rest = bytes.as_slice();
    let family = MetricFamily::decode_length_delimited(&mut rest).unwrap();
    assert!(rest.is_empty());
    let histogram = family.metric[0].histogram.as_ref().unwrap();
    assert_eq!((histogram.schema, histogram.sample_count, histogram.bucket.len()), (super::sparse::SCHEMA, 1, 3));
    // 2 is the upper bound of bucket 8 of schema 3.
    assert_eq!((histogram.positive_span[0].offset, histogram.positive_delta[0]), (8, 1));
    assert_eq!(histogram.exemplars.len(), 1);
}

/// A reader of one label value as the specification has it.
fn unescaped(text: &str) -> String {
    let mut letters = text.chars();
    std::iter::from_fn(|| match letters.next()? {
        '\\' => Some(match letters.next()? {
            'n' => '\n',
            other => other,
        }),
        letter => Some(letter),
    })
    .collect()
}

proptest! {
    #[test]
    fn any_label_value_stays_on_its_line_and_reads_back(value in any::<String>()) {
        let mut own = Own::default();
        let metric = define(&mut own, Type::Counter, "hits", &["of"], 2.0);
        own.series_of(metric, vec![value.clone()]).unwrap();
        let text = text(&own, Format::Text);
        let lines: Vec<&str> = text.split('\n').collect();
        prop_assert_eq!(lines.len(), 4);
        let written = lines[2].strip_prefix("hits_total{of=\"").and_then(|rest| rest.strip_suffix("\"} 0"));
        prop_assert_eq!(unescaped(written.unwrap()), super::cut(&value));
    }
}
