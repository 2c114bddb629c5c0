//! Writes gathered families: text 0.0.4, OpenMetrics 1.0 and delimited protobuf.
//!
//! Both text formats as their specifications have them:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>.

use super::accept::Format;
use super::model::{self, LabelPair, MetricFamily, MetricType};
use prost::Message;
use std::fmt::Write;

/// Units that the end of a family's name may say.
const UNITS: [&str; 3] = ["seconds", "bytes", "ratio"];

/// The families in the given format.
pub fn write(families: &[MetricFamily], format: Format) -> Vec<u8> {
    match format {
        Format::Protobuf => families.iter().flat_map(MetricFamily::encode_length_delimited_to_vec).collect(),
        Format::Text | Format::OpenMetrics => {
            let mut text = Text { out: String::with_capacity(32 * 1024), open: format == Format::OpenMetrics };
            families.iter().for_each(|family| text.family(family));
            if text.open {
                text.out.push_str("# EOF\n");
            }
            text.out.into_bytes()
        }
    }
}

struct Text {
    out: String,
    /// OpenMetrics, else 0.0.4
    open: bool,
}

impl Text {
    fn family(&mut self, family: &MetricFamily) {
        if family.metric.is_empty() {
            return;
        }
        let kind = match family.r#type() {
            MetricType::Counter => "counter",
            MetricType::Histogram => "histogram",
            _ => "gauge",
        };
        // In OpenMetrics `_total` belongs to the sample, not to the family.
        let name = match family.name.strip_suffix("_total") {
            Some(name) if self.open && kind == "counter" => name,
            _ => &family.name,
        };
        self.push(&["# HELP ", name, " "]);
        self.escaped(&family.help, self.open);
        self.push(&["\n# TYPE ", name, " ", kind, "\n"]);
        if let Some(unit) = UNITS.iter().find(|unit| self.open && name.ends_with(&format!("_{unit}"))) {
            self.push(&["# UNIT ", name, " ", unit, "\n"]);
        }
        for metric in &family.metric {
            self.metric(&family.name, metric);
        }
    }

    fn metric(&mut self, name: &str, metric: &model::Metric) {
        if let Some(counter) = &metric.counter {
            self.sample(&[name], &metric.label, None, counter.value, None);
        }
        if let Some(gauge) = &metric.gauge {
            self.sample(&[name], &metric.label, None, gauge.value, None);
        }
        if let Some(histogram) = &metric.histogram {
            for bucket in &histogram.bucket {
                let bound = Some(bucket.upper_bound);
                let exemplar = bucket.exemplar.as_ref();
                self.sample(&[name, "_bucket"], &metric.label, bound, bucket.cumulative_count as f64, exemplar);
            }
            self.sample(&[name, "_sum"], &metric.label, None, histogram.sample_sum, None);
            self.sample(&[name, "_count"], &metric.label, None, histogram.sample_count as f64, None);
        }
    }

    fn sample(
        &mut self,
        name: &[&str],
        labels: &[LabelPair],
        bound: Option<f64>,
        value: f64,
        exemplar: Option<&model::Exemplar>,
    ) {
        self.push(name);
        if !labels.is_empty() || bound.is_some() {
            self.out.push('{');
            self.labels(labels);
            if let Some(bound) = bound {
                self.push(&[if labels.is_empty() { "le=\"" } else { ",le=\"" }]);
                self.bound(bound);
                self.out.push('"');
            }
            self.out.push('}');
        }
        self.out.push(' ');
        self.number(value);
        if let Some(exemplar) = exemplar.filter(|_| self.open) {
            self.out.push_str(" # {");
            self.labels(&exemplar.label);
            self.out.push_str("} ");
            self.number(exemplar.value);
            if let Some(time) = &exemplar.timestamp {
                // Writing to a String cannot fail.
                let _ = write!(self.out, " {}.{:03}", time.seconds, time.nanos / 1_000_000);
            }
        }
        self.out.push('\n');
    }

    fn labels(&mut self, labels: &[LabelPair]) {
        for (at, label) in labels.iter().enumerate() {
            self.push(&[if at == 0 { "" } else { "," }, &label.name, "=\""]);
            self.escaped(&label.value, true);
            self.out.push('"');
        }
    }

    /// OpenMetrics wants the bounds as floats, `1.0`; in 0.0.4 they are `1`, as Go's client writes them.
    fn bound(&mut self, bound: f64) {
        let start = self.out.len();
        self.number(bound);
        if self.open && bound.is_finite() && !self.out[start..].contains(['.', 'e']) {
            self.out.push_str(".0");
        }
    }

    fn number(&mut self, value: f64) {
        let special = if value.is_nan() { Some("NaN") } else { None };
        let special = special.or(match value {
            f64::INFINITY => Some("+Inf"),
            f64::NEG_INFINITY => Some("-Inf"),
            _ => None,
        });
        match special {
            Some(text) => self.out.push_str(text),
            // Writing to a String cannot fail. Very large and small numbers would be hundreds of digits long.
            None if value != 0.0 && !(1e-9..1e18).contains(&value.abs()) => {
                let _ = write!(self.out, "{value:e}");
            }
            None => {
                let _ = write!(self.out, "{value}");
            }
        }
    }

    /// Help texts in 0.0.4 keep their quotation marks.
    fn escaped(&mut self, text: &str, quotes: bool) {
        if !text.contains(['\\', '\n', '"']) {
            self.out.push_str(text);
            return;
        }
        for letter in text.chars() {
            match letter {
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '"' if quotes => self.out.push_str("\\\""),
                _ => self.out.push(letter),
            }
        }
    }

    fn push(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.out.push_str(part));
    }
}
