//! The registry of one environment: what its modules report, what its app counts, and what both come to.

use super::catalogue::{Column, Shape};
use super::model::{self, MetricFamily, MetricType};
use super::own::Own;
use super::reports::Reports;
use std::collections::BTreeMap;

/// Families on their way into a scrape, by name.
#[derive(Debug, Default)]
pub struct Families(BTreeMap<&'static str, MetricFamily>);

impl Families {
    /// Adds a series to its column's family.
    pub fn add(&mut self, column: &Column, metric: model::Metric) {
        let family = self.0.entry(column.name).or_insert_with(|| {
            let kind = match column.shape {
                Shape::Counter => MetricType::Counter,
                Shape::Gauge => MetricType::Gauge,
                Shape::Histogram => MetricType::Histogram,
            };
            MetricFamily {
                name: column.name.into(),
                help: column.help.into(),
                r#type: kind as i32,
                ..MetricFamily::default()
            }
        });
        family.metric.push(metric);
    }
}

/// All metrics of one environment.
#[derive(Debug, Default)]
pub struct Registry {
    /// Of the package's modules.
    pub reports: Reports,
    /// Of the app.
    pub own: Own,
    scrapes: u64,
}

const SCRAPES: Column = Column {
    name: "tooloo_metrics_scrapes_total",
    help: "Times that the metrics were read.",
    shape: Shape::Counter,
    label: None,
};
const OVERFLOWS: Column = Column {
    name: "tooloo_metrics_overflows_total",
    help: "Label sets beyond the bound of their metric, counted under (other).",
    shape: Shape::Counter,
    label: None,
};
const SERIES: Column = Column {
    name: "tooloo_metrics_label_sets",
    help: "Label sets of the app's own metrics.",
    shape: Shape::Gauge,
    label: None,
};
const BUILD: Column = Column {
    name: "tooloo_build_info",
    help: "1, with the version of tooloo-native.",
    shape: Shape::Gauge,
    label: None,
};

impl Registry {
    /// Every family with its series, both in the order of their names. After the reports of this scrape.
    pub fn gather(&mut self) -> Vec<MetricFamily> {
        self.scrapes += 1;
        let mut families = Families::default();
        self.reports.gather(&mut families);
        let counter = |value: u64| model::Metric {
            counter: Some(model::Counter { value: value as f64, ..model::Counter::default() }),
            ..model::Metric::default()
        };
        let gauge = |value| model::Metric { gauge: Some(model::Gauge { value }), ..model::Metric::default() };
        families.add(&SCRAPES, counter(self.scrapes));
        families.add(&OVERFLOWS, counter(self.reports.overflows() + self.own.overflows()));
        families.add(&SERIES, gauge(self.own.series() as f64));
        let version = super::pair("version", env!("CARGO_PKG_VERSION"));
        families.add(&BUILD, model::Metric { label: vec![version], ..gauge(1.0) });
        let mut all: Vec<_> = families.0.into_values().chain(self.own.gather()).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        for family in &mut all {
            family.metric.sort_by(|one, other| values(one).cmp(values(other)));
        }
        all
    }
}

fn values(metric: &model::Metric) -> impl Iterator<Item = &str> {
    metric.label.iter().map(|label| label.value.as_str())
}
