//! What an app may define, held to Prometheus' conventions for names and units, so that `promtool check metrics` finds
//! nothing to say about what the app adds either.

use super::catalogue::BOUNDS;
use super::error::MetricsError;
use crate::options::{self, OptionError, Options, Scalar};

/// The most metrics of an app.
pub const MOST_METRICS: usize = 1000;
/// The most label names of a metric.
const MOST_LABELS: usize = 10;
/// The most classic buckets of a histogram.
const MOST_BUCKETS: usize = 100;
const DEFAULT_LABEL_SETS: u64 = 200;
const MOST_LABEL_SETS: u64 = 10_000;
/// Prefix of the package's own metrics.
const RESERVED: &str = "tooloo_";
/// Characters of a name.
const NAME_CHARS: usize = 128;

/// Ends of names that belong to parts of families in one of the formats.
const PARTS: [&str; 4] = ["_bucket", "_count", "_sum", "_created"];
/// Words that name a unit which has a base unit, and that base unit.
const UNITS: [(&str, &str); 23] = [
    ("ms", "seconds"),
    ("millis", "seconds"),
    ("milliseconds", "seconds"),
    ("us", "seconds"),
    ("microseconds", "seconds"),
    ("ns", "seconds"),
    ("nanoseconds", "seconds"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kb", "bytes"),
    ("mb", "bytes"),
    ("gb", "bytes"),
    ("kilobytes", "bytes"),
    ("megabytes", "bytes"),
    ("gigabytes", "bytes"),
    ("kibibytes", "bytes"),
    ("mebibytes", "bytes"),
    ("gibibytes", "bytes"),
    ("bits", "bytes"),
    ("percent", "ratio"),
    ("milligrams", "grams"),
];

/// What an app can define.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Type {
    /// The type by the name that the face calls it.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "counter" => Some(Self::Counter),
            "gauge" => Some(Self::Gauge),
            "histogram" => Some(Self::Histogram),
            _ => None,
        }
    }
}

/// A metric of an app.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricConfig {
    /// The name, with `_total` on a counter whether the app wrote it or not.
    pub name: String,
    /// What it tells.
    pub help: String,
    /// What it is.
    pub kind: Type,
    /// The names of its labels.
    pub label_names: Vec<String>,
    /// Upper bounds of the classic buckets, ascending; of a histogram only. Default: [`BOUNDS`].
    pub buckets: Vec<f64>,
    /// Whether a histogram has native buckets beside the classic ones. Default: yes.
    pub native: bool,
    /// The most label sets; further ones share `(other)`. Default: 200.
    pub most_sets: usize,
}

impl MetricConfig {
    /// Reads `name`, `help`, `native` and `maxLabelSets` from the options; labels and buckets come as lists.
    pub fn read(
        options: &(impl Options + ?Sized),
        kind: Type,
        label_names: Vec<String>,
        buckets: Option<Vec<f64>>,
    ) -> Result<Self, MetricsError> {
        let needed = |name| match options.get(name) {
            Scalar::Text(text) if !text.trim().is_empty() => Ok(text),
            value => Err(OptionError::wrong_type(name, "a string that is not empty", &value)),
        };
        let mut name = needed("name")?;
        let help = needed("help")?;
        if kind == Type::Counter && !name.ends_with("_total") {
            name.push_str("_total");
        }
        check_name(&name, kind)?;
        if name.starts_with(RESERVED) {
            return Err(refused("name", format!("without the prefix {RESERVED} of this package's own"), &name));
        }
        check_labels(&label_names)?;
        let native = options::unless_false(options, "native");
        let most_sets = options::count(options, "maxLabelSets", DEFAULT_LABEL_SETS, 1, MOST_LABEL_SETS)? as usize;
        let buckets = match (kind, buckets) {
            (Type::Histogram, Some(buckets)) => checked_buckets(buckets)?,
            (Type::Histogram, None) => BOUNDS.to_vec(),
            (_, None) => Vec::new(),
            (_, Some(_)) => {
                let given = Scalar::Other("object");
                return Err(OptionError::wrong_type("buckets", "given to histograms only", &given).into());
            }
        };
        Ok(Self { name, help, kind, label_names, buckets, native, most_sets })
    }

    /// What differs between two definitions of one name.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.kind != other.kind {
            return Some("type");
        }
        if self.label_names != other.label_names {
            return Some("set of labels");
        }
        (self.buckets != other.buckets || self.native != other.native).then_some("set of buckets")
    }
}

fn refused(option: &str, expected: impl Into<String>, value: &str) -> MetricsError {
    OptionError::out_of_range(option, expected, &Scalar::Text(cut_for_message(value))).into()
}

fn cut_for_message(value: &str) -> String {
    value.chars().take(NAME_CHARS).collect()
}

fn is_snake(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.as_bytes().first().is_some_and(|first| first.is_ascii_lowercase() || *first == b'_') && name.bytes().all(word)
}

/// Holds a metric's name to the conventions: `snake_case`, base units, `_total` on counters only.
pub fn check_name(name: &str, kind: Type) -> Result<(), MetricsError> {
    if !is_snake(name) || name.chars().count() > NAME_CHARS {
        let expected = format!("in snake_case (a-z, 0-9 and _, no digit first), at most {NAME_CHARS} characters");
        return Err(refused("name", expected, name));
    }
    let ends = |end: &&str| name.ends_with(*end);
    if let Some(end) = PARTS.iter().find(|end| ends(end)) {
        return Err(refused("name", format!("without {end} at its end, which formats add to parts of a metric"), name));
    }
    if kind != Type::Counter && name.ends_with("_total") {
        return Err(refused("name", "without _total, which is for counters", name));
    }
    let word = |part: &str| UNITS.iter().find(|(unit, _)| *unit == part);
    if let Some((unit, base)) = name.split('_').find_map(word) {
        return Err(refused("name", format!("in the base unit \"{base}\" instead of \"{unit}\""), name));
    }
    if name.split('_').any(|part| matches!(part, "counter" | "gauge" | "histogram" | "summary")) {
        return Err(refused("name", "without the metric's type in it", name));
    }
    Ok(())
}

fn check_labels(names: &[String]) -> Result<(), MetricsError> {
    if names.len() > MOST_LABELS {
        let given = Scalar::Number(names.len() as f64);
        return Err(OptionError::out_of_range("labelNames", format!("at most {MOST_LABELS} names"), &given).into());
    }
    for (at, name) in names.iter().enumerate() {
        if !is_snake(name) || name.starts_with("__") || matches!(name.as_str(), "le" | "quantile") {
            let expected = "names in snake_case, without __ at the beginning, other than le and quantile";
            return Err(refused("labelNames", expected, name));
        }
        if names[..at].contains(name) {
            return Err(refused("labelNames", "different names", name));
        }
    }
    Ok(())
}

fn checked_buckets(mut buckets: Vec<f64>) -> Result<Vec<f64>, MetricsError> {
    // The bucket without a bound is there anyway.
    if buckets.last() == Some(&f64::INFINITY) {
        buckets.pop();
    }
    let wrong = |value| OptionError::out_of_range("buckets", "finite numbers, each larger than the one before", &value);
    if let Some(bound) = buckets.iter().find(|bound| !bound.is_finite()) {
        return Err(wrong(Scalar::Number(*bound)).into());
    }
    if let Some(pair) = buckets.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(wrong(Scalar::Number(pair[1])).into());
    }
    if buckets.is_empty() || buckets.len() > MOST_BUCKETS {
        let given = Scalar::Number(buckets.len() as f64);
        return Err(OptionError::out_of_range("buckets", format!("from 1 to {MOST_BUCKETS} bounds"), &given).into());
    }
    Ok(buckets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Scalar {
        Scalar::Text(value.into())
    }

    fn define(name: &str, kind: Type) -> Result<MetricConfig, MetricsError> {
        MetricConfig::read(&[("name", text(name)), ("help", text("It counts."))][..], kind, Vec::new(), None)
    }

    #[test]
    fn a_counter_ends_in_total_whether_the_app_wrote_it_or_not() {
        for name in ["orders", "orders_total"] {
            assert_eq!(define(name, Type::Counter).unwrap().name, "orders_total");
        }
    }

    #[test]
    fn names_against_the_conventions_are_refused() {
        let names = [
            "",
            "1st",
            "orderCount",
            "a:b",
            "größe",
            "wait_ms",
            "size_kilobytes",
            "orders_counter",
            "x_sum",
            "tooloo_x",
        ];
        for name in names {
            assert!(define(name, Type::Gauge).is_err(), "{name}");
        }
        assert!(define("orders_total", Type::Gauge).is_err());
        assert!(define("orders_open", Type::Gauge).is_ok());
    }

    #[test]
    fn buckets_ascend_and_the_last_may_be_infinite() {
        let read = |buckets: &[f64]| checked_buckets(buckets.to_vec());
        assert_eq!(read(&[1.0, 2.0, f64::INFINITY]).unwrap(), [1.0, 2.0]);
        for wrong in [&[][..], &[2.0, 1.0], &[1.0, 1.0], &[f64::NAN], &[f64::INFINITY, 1.0], &[f64::INFINITY]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn labels_that_the_formats_need_for_themselves_are_refused() {
        for wrong in ["le", "quantile", "__name", "Method", "a-b", ""] {
            assert!(check_labels(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(check_labels(&["a".to_owned(), "a".to_owned()]).is_err());
    }
}
