//! The app's own metrics, kept by `prometheus-client`.

use super::config::{MOST_METRICS, MetricConfig, Type};
use super::error::MetricsError;
use super::exemplar::{Exemplar, Exemplars};
use super::model::MetricFamily;
use super::{OTHER, cut};
use prometheus_client::encoding::prometheus_protobuf;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

/// Growth from one native bucket to the next: no more than this. Chooses the schema that `sparse.rs` uses.
const NATIVE_GROWTH: f64 = 1.1;
/// Native buckets of one series; beyond them the resolution halves.
const NATIVE_BUCKETS: usize = 160;

type Labels = Vec<(String, String)>;
type FloatCounter = Counter<f64, AtomicU64>;
type FloatGauge = Gauge<f64, AtomicU64>;

/// Makes the histograms of one family.
#[derive(Debug, Clone)]
struct Buckets {
    bounds: Vec<f64>,
    native: bool,
}

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        let bounds = self.bounds.iter().copied();
        if !self.native {
            return Histogram::new(bounds);
        }
        let native = NativeHistogramConfig::new(NATIVE_GROWTH).max_buckets(NATIVE_BUCKETS);
        Histogram::new_classic_and_native(bounds, native)
    }
}

#[derive(Debug)]
enum Store {
    Counter(Family<Labels, FloatCounter>),
    Gauge(Family<Labels, FloatGauge>),
    Histogram(Family<Labels, Histogram, Buckets>),
}

#[derive(Debug)]
struct Metric {
    config: MetricConfig,
    store: Store,
    /// Label values → series
    index: HashMap<Vec<String>, u32>,
}

#[derive(Debug)]
enum Value {
    Counter(FloatCounter),
    Gauge(FloatGauge),
    Histogram(Histogram),
}

#[derive(Debug)]
struct Series {
    metric: usize,
    value: Value,
    exemplars: Exemplars,
}

/// Everything that an app defined.
#[derive(Debug, Default)]
pub struct Own {
    registry: Registry,
    metrics: Vec<Metric>,
    names: HashMap<String, usize>,
    series: Vec<Series>,
    overflows: u64,
}

impl Own {
    /// Defines a metric; the same definition again gives the same metric.
    pub fn define(&mut self, config: MetricConfig) -> Result<u32, MetricsError> {
        if let Some(&known) = self.names.get(&config.name) {
            return match self.metrics[known].config.difference(&config) {
                None => Ok(known as u32),
                Some(difference) => Err(MetricsError::Taken { name: config.name, difference }),
            };
        }
        if self.metrics.len() == MOST_METRICS {
            return Err(MetricsError::TooMany { most: MOST_METRICS });
        }
        // The crate adds a full stop, and `_total` to a counter.
        let help = config.help.trim_end_matches('.');
        let name = config.name.strip_suffix("_total").unwrap_or(&config.name);
        let store = match config.kind {
            Type::Counter => {
                let family = Family::default();
                self.registry.register(name, help, family.clone());
                Store::Counter(family)
            }
            Type::Gauge => {
                let family = Family::default();
                self.registry.register(name, help, family.clone());
                Store::Gauge(family)
            }
            Type::Histogram => {
                let buckets = Buckets { bounds: config.buckets.clone(), native: config.native };
                let family = Family::new_with_constructor(buckets);
                self.registry.register(name, help, family.clone());
                Store::Histogram(family)
            }
        };
        let number = self.metrics.len();
        self.names.insert(config.name.clone(), number);
        let bare = config.label_names.is_empty();
        self.metrics.push(Metric { config, store, index: HashMap::new() });
        if bare {
            // Without labels there is nothing to learn first: it is there from the beginning, as zero.
            self.series_of(number as u32, Vec::new());
        }
        Ok(number as u32)
    }

    /// The series of a metric for the values of its labels, in the order of their names.
    pub fn series_of(&mut self, metric: u32, values: Vec<String>) -> Option<u32> {
        let number = metric as usize;
        let metric = self.metrics.get_mut(number)?;
        let mut values: Vec<String> = values.iter().map(|value| cut(value).to_owned()).collect();
        values.resize(metric.config.label_names.len(), String::new());
        if let Some(&known) = metric.index.get(&values) {
            return Some(known);
        }
        if metric.index.len() >= metric.config.most_sets {
            self.overflows += 1;
            values.fill(OTHER.into());
            if let Some(&other) = metric.index.get(&values) {
                return Some(other);
            }
        }
        let labels: Labels = metric.config.label_names.iter().cloned().zip(values.iter().cloned()).collect();
        let value = match &metric.store {
            Store::Counter(family) => Value::Counter(family.get_or_create_owned(&labels)),
            Store::Gauge(family) => Value::Gauge(family.get_or_create_owned(&labels)),
            Store::Histogram(family) => Value::Histogram(family.get_or_create_owned(&labels)),
        };
        let place = self.series.len() as u32;
        metric.index.insert(values, place);
        self.series.push(Series { metric: number, value, exemplars: Exemplars::default() });
        Some(place)
    }

    fn name(&self, series: &Series) -> String {
        self.metrics[series.metric].config.name.clone()
    }

    /// Adds to a counter or gauge.
    pub fn add(&self, series: u32, amount: f64) -> Result<(), MetricsError> {
        let Some(series) = self.series.get(series as usize) else { return Ok(()) };
        match &series.value {
            Value::Counter(counter) if amount >= 0.0 && amount.is_finite() => {
                counter.inc_by(amount);
            }
            Value::Counter(_) => return Err(MetricsError::NotGrowing { name: self.name(series), value: amount }),
            _ if amount.is_nan() => return Err(MetricsError::NotANumber { name: self.name(series) }),
            Value::Gauge(gauge) => {
                gauge.inc_by(amount);
            }
            Value::Histogram(_) => {}
        }
        Ok(())
    }

    /// Sets a gauge.
    pub fn set(&self, series: u32, value: f64) -> Result<(), MetricsError> {
        let Some(series) = self.series.get(series as usize) else { return Ok(()) };
        if value.is_nan() {
            return Err(MetricsError::NotANumber { name: self.name(series) });
        }
        if let Value::Gauge(gauge) = &series.value {
            gauge.set(value);
        }
        Ok(())
    }

    /// Adds a value to a histogram, with the trace in which it was seen.
    pub fn observe(&mut self, series: u32, value: f64, exemplar: Option<Exemplar>) -> Result<(), MetricsError> {
        let Some(found) = self.series.get_mut(series as usize) else { return Ok(()) };
        if value.is_nan() {
            return Err(MetricsError::NotANumber { name: self.metrics[found.metric].config.name.clone() });
        }
        if let Value::Histogram(histogram) = &found.value {
            histogram.observe(value);
            if let Some(exemplar) = exemplar {
                let bounds = &self.metrics[found.metric].config.buckets;
                found.exemplars.keep(bounds.partition_point(|bound| *bound < value), exemplar);
            }
        }
        Ok(())
    }

    /// Label sets that found their metric full.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.series.len()
    }

    /// Every family, with the exemplars on its buckets.
    pub fn gather(&self) -> Vec<MetricFamily> {
        // Encoding into the data model fails for a histogram without classic buckets alone, of which there are none.
        let mut families = prometheus_protobuf::encode(&self.registry).unwrap_or_default();
        for family in &mut families {
            let Some(metric) = self.names.get(&family.name).and_then(|&number| self.metrics.get(number)) else {
                continue;
            };
            if metric.config.kind != Type::Histogram {
                continue;
            }
            for one in &mut family.metric {
                let values: Vec<String> = one.label.iter().map(|label| label.value.clone()).collect();
                let series = metric.index.get(&values).and_then(|&place| self.series.get(place as usize));
                if let (Some(series), Some(histogram)) = (series, &mut one.histogram) {
                    series.exemplars.attach(histogram);
                }
            }
        }
        families
    }
}
