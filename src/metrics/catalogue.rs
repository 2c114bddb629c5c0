//! What the modules report: names, help texts and the order of the numbers. `src/js/metrics/kinds.cjs` reads them.

/// Upper bounds of the buckets of every duration, in seconds; one more bucket has no bound.
pub const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One number that only grows.
    Counter,
    /// One number.
    Gauge,
    /// [`BOUNDS`]`.len() + 1` counts, one for each bucket alone, and the sum.
    Histogram,
}

impl Shape {
    /// Numbers that a column of this shape takes.
    pub const fn width(self) -> usize {
        match self {
            Shape::Counter | Shape::Gauge => 1,
            Shape::Histogram => BOUNDS.len() + 2,
        }
    }
}

/// One series of an instance.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The family's name, `_total` included.
    pub name: &'static str,
    /// The family's help text.
    pub help: &'static str,
    /// What it is.
    pub shape: Shape,
    /// A label of its own, beside the instance's name.
    pub label: Option<(&'static str, &'static str)>,
}

/// What one class reports: counters and histograms first, then gauges.
#[derive(Debug)]
pub struct Kind {
    /// The class.
    pub name: &'static str,
    /// The second label of its rows: a service, an operation.
    pub label: Option<&'static str>,
    /// Its series, in the order in which they are reported.
    pub columns: &'static [Column],
}

impl Kind {
    /// Numbers in a report.
    pub fn width(&self) -> usize {
        self.columns.iter().map(|column| column.shape.width()).sum()
    }

    /// The most rows: names alone, or names with a second label.
    pub fn most_rows(&self) -> usize {
        if self.label.is_some() { 500 } else { 100 }
    }
}

const fn counter(name: &'static str, help: &'static str) -> Column {
    Column { name, help, shape: Shape::Counter, label: None }
}

const fn gauge(name: &'static str, help: &'static str) -> Column {
    Column { name, help, shape: Shape::Gauge, label: None }
}

const fn histogram(name: &'static str, help: &'static str) -> Column {
    Column { name, help, shape: Shape::Histogram, label: None }
}

impl Column {
    const fn with(self, label: &'static str, value: &'static str) -> Self {
        Self { label: Some((label, value)), ..self }
    }
}

const fn kind(name: &'static str, columns: &'static [Column]) -> Kind {
    Kind { name, label: None, columns }
}

const fn kind_by(name: &'static str, label: &'static str, columns: &'static [Column]) -> Kind {
    Kind { name, label: Some(label), columns }
}

/// The kind of the operations of a tracer, which native code reports by itself.
pub const OPERATION: &str = "Operation";

const CACHE_HITS: Column =
    counter("tooloo_cache_hits_total", "Reads of a PersistentCache that found a value, by tier.");
const CACHE_READS: Column =
    counter("tooloo_cache_lower_reads_total", "Values read from below the memory of a PersistentCache, by source.");
const LAYERS_HITS: Column =
    counter("tooloo_layered_cache_hits_total", "Reads of a MultiLayerCacheManager that found a value, by layer.");
const TRACER_SPANS: Column =
    counter("tooloo_tracer_spans_total", "Spans that a DistributedTracer was to export, by outcome.");
const CONNECTIONS: Column = gauge("tooloo_pool_connections", "Connections of a ConnectionPool, by state.");
const REQUESTS: Column = counter("tooloo_limiter_requests_total", "Requests that a RateLimiter decided, by outcome.");
const BREAKER_CALLS: Column = counter("tooloo_breaker_calls_total", "Calls through a CircuitBreaker, by outcome.");
const BREAKER_STATE: Column = gauge("tooloo_breaker_state", "1 for the state that a CircuitBreaker is in, else 0.");
const DEDUP_RESULTS: Column =
    counter("tooloo_dedup_requests_total", "Requests to a RequestDeduplicator, by where the result came from.");
const HEALTH_SERVICES: Column = gauge("tooloo_health_services", "Services of a HealthMonitor, by state.");
const DECISIONS: Column =
    counter("tooloo_autoscaler_decisions_total", "Decisions of an AutoScalingDecisionEngine, by decision.");
const READINESS_CHECKS: Column = counter("tooloo_readiness_checks_total", "Checks of a ReadinessProbe, by outcome.");
const BROADCASTS: Column =
    counter("tooloo_coordinator_broadcasts_total", "Broadcasts of a DistributedCacheCoordinator, by direction.");
const HEAP: Column = gauge("nodejs_heap_size_bytes", "Memory of V8's heap, by state.");

/// Every kind, by number.
pub const KINDS: &[Kind] = &[
    kind(
        "PersistentCache",
        &[
            CACHE_HITS.with("tier", "memory"),
            CACHE_HITS.with("tier", "lower"),
            counter("tooloo_cache_misses_total", "Reads of a PersistentCache that found nothing."),
            counter("tooloo_cache_writes_total", "Values given to a PersistentCache."),
            counter(
                "tooloo_cache_evictions_total",
                "Values that a PersistentCache took out of memory for want of room.",
            ),
            CACHE_READS.with("source", "shared"),
            CACHE_READS.with("source", "disk"),
            CACHE_READS.with("source", "remote"),
            gauge("tooloo_cache_entries", "Values in the memory of a PersistentCache."),
            gauge("tooloo_cache_entries_limit", "Values that the memory of a PersistentCache may hold."),
            gauge("tooloo_cache_pending_writes", "Writes of a PersistentCache that are not in their file yet."),
            gauge("tooloo_cache_pending_bytes", "Bytes of a PersistentCache that are not in their file yet."),
        ],
    ),
    kind(
        "MemoryCacheLayer",
        &[
            counter("tooloo_memory_layer_hits_total", "Reads of a MemoryCacheLayer that found a value."),
            counter("tooloo_memory_layer_misses_total", "Reads of a MemoryCacheLayer that found nothing."),
            counter("tooloo_memory_layer_writes_total", "Values given to a MemoryCacheLayer."),
            counter("tooloo_memory_layer_evictions_total", "Values that a MemoryCacheLayer evicted."),
            counter("tooloo_memory_layer_expirations_total", "Values that expired in a MemoryCacheLayer."),
            gauge("tooloo_memory_layer_entries", "Values in a MemoryCacheLayer."),
            gauge("tooloo_memory_layer_entries_limit", "Values that a MemoryCacheLayer may hold."),
        ],
    ),
    kind(
        "DiskCacheLayer",
        &[
            counter("tooloo_disk_layer_hits_total", "Reads of a DiskCacheLayer that found a value."),
            counter("tooloo_disk_layer_misses_total", "Reads of a DiskCacheLayer that found nothing."),
            counter("tooloo_disk_layer_writes_total", "Values given to a DiskCacheLayer."),
            counter("tooloo_disk_layer_deletes_total", "Values taken out of a DiskCacheLayer."),
            gauge("tooloo_disk_layer_size_bytes", "Bytes on disk of a DiskCacheLayer when they were last counted."),
        ],
    ),
    kind(
        "MultiLayerCacheManager",
        &[
            LAYERS_HITS.with("layer", "memory"),
            LAYERS_HITS.with("layer", "disk"),
            LAYERS_HITS.with("layer", "remote"),
            counter("tooloo_layered_cache_misses_total", "Reads of a MultiLayerCacheManager that found nothing."),
            counter("tooloo_layered_cache_writes_total", "Values given to a MultiLayerCacheManager."),
            counter("tooloo_layered_cache_promotions_total", "Values brought up from disk into memory."),
            counter("tooloo_layered_cache_invalidations_total", "Invalidations of a MultiLayerCacheManager."),
        ],
    ),
    kind(
        "ConnectionPool",
        &[
            counter("tooloo_pool_acquired_total", "Connections that a ConnectionPool lent."),
            counter("tooloo_pool_created_total", "Connections that a ConnectionPool made."),
            counter("tooloo_pool_closed_total", "Connections that a ConnectionPool gave up."),
            counter("tooloo_pool_failures_total", "Connections that could not be made."),
            counter("tooloo_pool_retries_total", "Further attempts at making a connection."),
            counter("tooloo_pool_timeouts_total", "Waits for a connection that ended by their limit."),
            counter("tooloo_pool_query_errors_total", "Queries through a ConnectionPool that failed."),
            histogram("tooloo_pool_wait_seconds", "How long callers waited for a connection when none was free."),
            histogram("tooloo_pool_query_seconds", "How long queries took, the wait for a connection included."),
            CONNECTIONS.with("state", "in_use"),
            CONNECTIONS.with("state", "idle"),
            CONNECTIONS.with("state", "connecting"),
            gauge("tooloo_pool_connections_limit", "Connections that a ConnectionPool may have."),
            gauge("tooloo_pool_waiters", "Callers that wait for a connection."),
        ],
    ),
    kind(
        "QueryOptimizer",
        &[
            counter("tooloo_query_batched_total", "Queries that a QueryOptimizer sent in batches."),
            counter("tooloo_query_optimized_total", "Queries that a QueryOptimizer had no advice for."),
            counter(
                "tooloo_query_merged_total",
                "Lookups that a QueryOptimizer merged into one statement with others.",
            ),
            counter("tooloo_query_deduplicated_total", "Reads that a QueryOptimizer answered with another one's rows."),
            counter("tooloo_query_statements_total", "Statements that a QueryOptimizer sent through its pool."),
            counter("tooloo_query_slow_total", "Batches that were slower than the threshold."),
            gauge("tooloo_query_waiting", "Queries that wait for their batch."),
            gauge("tooloo_query_active_batches", "Batches that are being filled."),
        ],
    ),
    kind(
        "RateLimiter",
        &[
            REQUESTS.with("outcome", "allowed"),
            REQUESTS.with("outcome", "denied"),
            counter("tooloo_limiter_queued_total", "Requests that had to wait for their turn."),
            histogram(
                "tooloo_limiter_wait_seconds",
                "How long requests waited for their turn, those in vain included.",
            ),
            gauge("tooloo_limiter_waiting", "Requests that wait for their turn."),
            gauge("tooloo_limiter_clients", "Clients that a RateLimiter knows."),
        ],
    ),
    kind(
        "DistributedTracer",
        &[
            counter("tooloo_tracer_traces_total", "Traces that a DistributedTracer started, sampled or not."),
            TRACER_SPANS.with("outcome", "exported"),
            TRACER_SPANS.with("outcome", "dropped_queue_full"),
            TRACER_SPANS.with("outcome", "dropped_failed"),
            TRACER_SPANS.with("outcome", "rejected"),
            gauge("tooloo_tracer_queued_spans", "Spans of a DistributedTracer that wait for their export."),
            gauge("tooloo_tracer_retained_traces", "Traces that a DistributedTracer holds."),
        ],
    ),
    kind_by(
        OPERATION,
        "operation",
        &[
            counter("tooloo_operation_requests_total", "Traces and spans that ended, sampled or not, by operation."),
            counter("tooloo_operation_errors_total", "Traces and spans that failed, sampled or not, by operation."),
            histogram("tooloo_operation_duration_seconds", "How long traces and spans took, by operation."),
        ],
    ),
    kind(
        "CircuitBreaker",
        &[
            BREAKER_CALLS.with("outcome", "success"),
            BREAKER_CALLS.with("outcome", "failure"),
            BREAKER_CALLS.with("outcome", "rejected"),
            BREAKER_STATE.with("state", "closed"),
            BREAKER_STATE.with("state", "open"),
            BREAKER_STATE.with("state", "half_open"),
        ],
    ),
    kind(
        "RequestDeduplicator",
        &[
            DEDUP_RESULTS.with("source", "run"),
            DEDUP_RESULTS.with("source", "shared"),
            DEDUP_RESULTS.with("source", "kept"),
            counter("tooloo_dedup_evictions_total", "Results that a RequestDeduplicator evicted."),
            gauge("tooloo_dedup_running", "Runs under way."),
            gauge("tooloo_dedup_entries", "Results that a RequestDeduplicator keeps."),
        ],
    ),
    kind(
        "retry",
        &[
            counter("tooloo_retry_calls_total", "Calls of retry()."),
            counter("tooloo_retry_repeats_total", "Repetitions by retry()."),
            counter("tooloo_retry_given_up_total", "Calls of retry() that failed in the end."),
        ],
    ),
    kind(
        "hedge",
        &[
            counter("tooloo_hedge_calls_total", "Calls that could be hedged."),
            counter("tooloo_hedge_launched_total", "Second calls beside a slow one."),
            counter("tooloo_hedge_won_total", "Calls that a second call answered first."),
        ],
    ),
    kind(
        "Bulkhead",
        &[
            counter("tooloo_bulkhead_calls_total", "Calls that a Bulkhead let run."),
            counter("tooloo_bulkhead_rejected_total", "Calls that a Bulkhead refused."),
            gauge("tooloo_bulkhead_running", "Calls under way in a Bulkhead."),
            gauge("tooloo_bulkhead_waiting", "Calls that wait in a Bulkhead."),
        ],
    ),
    kind("RetryBudget", &[gauge("tooloo_retry_budget_balance", "Repetitions that a RetryBudget has left.")]),
    kind(
        "ProviderQualityLearner",
        &[
            counter("tooloo_provider_records_total", "Results that a ProviderQualityLearner was told of."),
            counter("tooloo_provider_recommendations_total", "Recommendations of a ProviderQualityLearner."),
        ],
    ),
    kind(
        "HealthMonitor",
        &[
            counter("tooloo_health_checks_total", "Health checks that were made."),
            counter("tooloo_health_check_failures_total", "Health checks that failed."),
            HEALTH_SERVICES.with("state", "healthy"),
            HEALTH_SERVICES.with("state", "unhealthy"),
        ],
    ),
    kind_by(
        "HealthService",
        "service",
        &[gauge("tooloo_health_service_up", "1 while a service of a HealthMonitor passes its checks, else 0.")],
    ),
    kind(
        "IntelligentRouter",
        &[
            counter("tooloo_router_routes_total", "Requests that an IntelligentRouter gave a target."),
            counter("tooloo_router_errors_total", "Requests that found no target."),
            counter("tooloo_router_breaker_trips_total", "Targets that an IntelligentRouter took out after failures."),
            gauge("tooloo_router_services", "Services of an IntelligentRouter."),
        ],
    ),
    kind_by(
        "RouterService",
        "service",
        &[gauge("tooloo_router_targets", "Targets of a service of an IntelligentRouter.")],
    ),
    kind(
        "LoadBalancer",
        &[
            counter("tooloo_balancer_requests_total", "Requests that a LoadBalancer gave a target."),
            gauge("tooloo_balancer_targets", "Targets of a LoadBalancer."),
        ],
    ),
    kind(
        "HorizontalScalingManager",
        &[
            counter("tooloo_scaling_spawned_total", "Instances that a HorizontalScalingManager started."),
            counter("tooloo_scaling_terminated_total", "Instances that a HorizontalScalingManager ended."),
            counter("tooloo_scaling_failures_total", "Attempts at scaling that failed."),
        ],
    ),
    kind_by(
        "ScalingService",
        "service",
        &[gauge("tooloo_scaling_instances", "Instances of a service of a HorizontalScalingManager.")],
    ),
    kind(
        "AutoScalingDecisionEngine",
        &[DECISIONS.with("decision", "up"), DECISIONS.with("decision", "down"), DECISIONS.with("decision", "hold")],
    ),
    kind(
        "ReadinessProbe",
        &[
            READINESS_CHECKS.with("outcome", "passed"),
            READINESS_CHECKS.with("outcome", "failed"),
            gauge("tooloo_readiness_probes", "Checks that a ReadinessProbe has."),
            gauge("tooloo_readiness_failing", "Checks of a ReadinessProbe that failed when they were last made."),
        ],
    ),
    kind(
        "DistributedCacheCoordinator",
        &[
            BROADCASTS.with("direction", "sent"),
            BROADCASTS.with("direction", "received"),
            counter("tooloo_coordinator_conflicts_total", "Conflicts that a DistributedCacheCoordinator resolved."),
            counter("tooloo_coordinator_peer_failures_total", "Peers that did not take a broadcast."),
        ],
    ),
    kind(
        "process",
        &[
            counter("process_cpu_seconds_total", "Processor time of the process, in user and system mode."),
            gauge("process_resident_memory_bytes", "Resident memory of the process."),
            gauge("process_start_time_seconds", "When the process started, in seconds since 1970."),
            HEAP.with("state", "total"),
            HEAP.with("state", "used"),
            gauge("nodejs_external_memory_bytes", "Memory outside V8's heap that belongs to JavaScript objects."),
            gauge("nodejs_eventloop_utilization_ratio", "Busy share of the event loop since the scrape before."),
        ],
    ),
];

/// The number of a kind.
pub fn kind_of(name: &str) -> Option<usize> {
    KINDS.iter().position(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::config::{Type, check_name};
    use std::collections::HashMap;

    #[test]
    fn every_name_follows_the_conventions_that_apps_are_held_to() {
        for column in KINDS.iter().flat_map(|kind| kind.columns) {
            let kind = match column.shape {
                Shape::Counter => Type::Counter,
                Shape::Gauge => Type::Gauge,
                Shape::Histogram => Type::Histogram,
            };
            assert!(column.help.ends_with('.'), "{}", column.name);
            assert_eq!(column.name.ends_with("_total"), kind == Type::Counter, "{}", column.name);
            check_name(column.name, kind).unwrap();
        }
    }

    #[test]
    fn a_family_belongs_to_one_kind_and_has_one_help_text_and_shape() {
        let mut families = HashMap::new();
        for kind in KINDS {
            for column in kind.columns {
                let known = families.entry(column.name).or_insert((kind.name, column.help, column.shape));
                assert_eq!(*known, (kind.name, column.help, column.shape), "{}", column.name);
            }
        }
    }

    #[test]
    fn counters_stand_before_gauges_so_that_a_last_report_may_leave_these_out() {
        for kind in KINDS {
            let first_gauge = kind.columns.iter().position(|column| column.shape == Shape::Gauge);
            let last_other = kind.columns.iter().rposition(|column| column.shape != Shape::Gauge);
            if let (Some(gauge), Some(other)) = (first_gauge, last_other) {
                assert!(other < gauge, "{}", kind.name);
            }
        }
    }
}
