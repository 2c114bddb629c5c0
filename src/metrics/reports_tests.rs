//! Rows, members and what is left of those that are gone.

use super::catalogue::{BOUNDS, KINDS, OPERATION, kind_of};
use super::model::Metric;
use super::registry::Registry;
use super::spread::Spread;
use super::{OTHER, model};
use proptest::prelude::*;

/// `(labels, value)` of every series of a family, counts for histograms.
fn series(registry: &mut Registry, family: &str) -> Vec<(Vec<String>, f64)> {
    let families = registry.gather();
    let value = |metric: &Metric| {
        let counter = metric.counter.as_ref().map(|counter| counter.value);
        let histogram = metric.histogram.as_ref().map(|histogram| histogram.sample_count as f64);
        counter.or(metric.gauge.as_ref().map(|gauge| gauge.value)).or(histogram).unwrap_or(f64::NAN)
    };
    let labels = |metric: &Metric| metric.label.iter().map(|label| label.value.clone()).collect();
    let found = families.iter().find(|one| one.name == family);
    found.map_or_else(Vec::new, |found| found.metric.iter().map(|metric| (labels(metric), value(metric))).collect())
}

fn of(name: &str) -> usize {
    kind_of(name).unwrap()
}

/// A member of `RetryBudget`'s neighbour with one counter and one gauge.
fn balancer(registry: &mut Registry, name: Option<&str>) -> (u32, u32) {
    let member = registry.reports.join(of("LoadBalancer"), name);
    (member, registry.reports.entry(member, "").unwrap())
}

const SERVED: &str = "tooloo_balancer_requests_total";
const TARGETS: &str = "tooloo_balancer_targets";

fn one(name: &str, value: f64) -> (Vec<String>, f64) {
    (vec![name.to_owned()], value)
}

#[test]
fn a_counter_that_was_reset_goes_on_from_where_it_was() {
    let mut registry = Registry::default();
    let (_, entry) = balancer(&mut registry, Some("a"));
    for (reported, shown) in [(5.0, 5.0), (7.0, 7.0), (2.0, 9.0), (3.0, 10.0), (f64::NAN, 10.0), (-1.0, 10.0)] {
        registry.reports.report(entry, &[reported, 1.0], None);
        assert_eq!(series(&mut registry, SERVED), [one("a", shown)]);
    }
}

#[test]
fn what_a_member_counted_stays_when_it_leaves_and_the_next_one_counts_on() {
    let mut registry = Registry::default();
    let (first, entry) = balancer(&mut registry, None);
    registry.reports.report(entry, &[5.0, 3.0], None);
    registry.reports.leave(first);
    registry.reports.leave(first);
    assert_eq!(series(&mut registry, SERVED), [one("LoadBalancer-1", 5.0)]);
    assert_eq!(series(&mut registry, TARGETS), [], "a gauge of somebody who is gone says nothing");
    let (second, entry) = balancer(&mut registry, None);
    registry.reports.report(entry, &[2.0, 1.0], None);
    assert_eq!(registry.reports.name(second), Some("LoadBalancer-1"));
    assert_eq!(series(&mut registry, SERVED), [one("LoadBalancer-1", 7.0)]);
    assert_eq!(series(&mut registry, TARGETS), [one("LoadBalancer-1", 1.0)]);
}

#[test]
fn members_of_one_name_share_a_row() {
    let mut registry = Registry::default();
    for count in [1.0, 2.0] {
        let (_, entry) = balancer(&mut registry, Some("shared"));
        registry.reports.report(entry, &[count, count], None);
    }
    assert_eq!(series(&mut registry, SERVED), [one("shared", 3.0)]);
    assert_eq!(series(&mut registry, TARGETS), [one("shared", 3.0)]);
}

#[test]
fn an_entry_that_did_not_report_keeps_its_counters_and_loses_its_gauges() {
    let mut registry = Registry::default();
    let (_, entry) = balancer(&mut registry, Some("a"));
    registry.reports.read(&[f64::from(entry), 4.0, 2.0]);
    assert_eq!(series(&mut registry, TARGETS), [one("a", 2.0)]);
    registry.reports.begin();
    assert_eq!(series(&mut registry, TARGETS), []);
    assert_eq!(series(&mut registry, SERVED), [one("a", 4.0)]);
}

#[test]
fn names_beyond_the_bound_share_a_row_and_are_counted() {
    let mut registry = Registry::default();
    let bound = KINDS[of("LoadBalancer")].most_rows();
    for number in 0..bound + 20 {
        let (_, entry) = balancer(&mut registry, Some(&format!("balancer {number}")));
        registry.reports.report(entry, &[1.0, 1.0], None);
    }
    let shown = series(&mut registry, SERVED);
    assert_eq!(shown.len(), bound + 1);
    assert!(shown.contains(&one(OTHER, 20.0)));
    assert_eq!(series(&mut registry, "tooloo_metrics_overflows_total"), [(vec![], 20.0)]);
}

#[test]
fn reports_that_make_no_sense_are_left_out() {
    let mut registry = Registry::default();
    let (_, entry) = balancer(&mut registry, Some("a"));
    for wrong in [&[][..], &[99.0, 1.0, 1.0], &[f64::NAN], &[-1.0, 5.0], &[f64::from(entry), 1.0]] {
        registry.reports.read(wrong);
    }
    registry.reports.report(77, &[1.0], None);
    registry.reports.leave(77);
    assert_eq!(registry.reports.entry(77, ""), None);
    assert_eq!(series(&mut registry, SERVED), [one("a", 0.0)]);
}

#[test]
fn an_operation_has_classic_and_native_buckets_and_an_exemplar() {
    let mut registry = Registry::default();
    let member = registry.reports.join(of(OPERATION), Some("web"));
    let entry = registry.reports.entry(member, "GET /").unwrap();
    let spread = Spread::new(1, 0.3, [(0.1, 0.1, 2), (0.2, 0.2, 1)].into_iter());
    registry.reports.report(entry, &spread.values, Some(spread.sparse));
    let exemplar = super::exemplar::Exemplar {
        trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
        span_id: "b7ad6b7169203331".into(),
        value: 0.2,
        unix_ms: 1_500.5,
    };
    let bucket = BOUNDS.partition_point(|bound| *bound < exemplar.value);
    registry.reports.exemplar(member, "GET /", bucket, exemplar);
    let families = registry.gather();
    let family = families.iter().find(|family| family.name == "tooloo_operation_duration_seconds").unwrap();
    let histogram = family.metric[0].histogram.as_ref().unwrap();
    assert_eq!((histogram.sample_count, histogram.sample_sum, histogram.positive_span.len()), (3, 0.3, 2));
    assert_eq!(histogram.exemplars.len(), 1);
    let with: Vec<&model::Bucket> = histogram.bucket.iter().filter(|bucket| bucket.exemplar.is_some()).collect();
    assert_eq!((with.len(), with[0].upper_bound), (1, 0.25));
}

proptest! {
    #[test]
    fn a_counter_never_goes_back(steps in prop::collection::vec((0u8..4, 0u32..100), 1..200)) {
        let mut registry = Registry::default();
        let mut members: Vec<(u32, u32, f64)> = Vec::new();
        let (mut exact, mut shown) = (0.0, 0.0);
        for (what, amount) in steps {
            match (what, members.last_mut()) {
                (0, _) | (_, None) => {
                    let (member, entry) = balancer(&mut registry, Some("a"));
                    members.push((member, entry, 0.0));
                }
                (1, Some(_)) => {
                    let (member, ..) = members.remove(amount as usize % members.len());
                    registry.reports.leave(member);
                }
                // A reset to less than it was told last, with what came since.
                (2, Some((_, entry, count))) if f64::from(amount) < *count => {
                    *count = f64::from(amount);
                    exact += *count;
                    registry.reports.report(*entry, &[*count, 0.0], None);
                }
                (_, Some((_, entry, count))) => {
                    *count += f64::from(amount);
                    exact += f64::from(amount);
                    registry.reports.report(*entry, &[*count, 0.0], None);
                }
            }
            let total: f64 = series(&mut registry, SERVED).iter().map(|(_, value)| value).sum();
            prop_assert!(total >= shown && total == exact, "{total}, {shown} before, {exact} counted");
            shown = total;
        }
    }
}
