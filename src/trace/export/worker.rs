//! The exporter's thread.

use super::batch::{self, Reason};
use super::http::{Sender, Sent};
use super::queue::Queue;
use super::retry::{self, Outcome};
use opentelemetry_sdk::trace::SpanData;
use std::time::{Duration, Instant};

/// A tenth of the weight of an ordinary thread, where both want the same processor.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Sends what comes through the queue until the exporter is gone.
pub fn run(queue: &Queue, sender: &Sender, retry_for: Duration) {
    step_back();
    while let Some(batches) = queue.take() {
        let decode = || {
            let decoded: Vec<_> = batches.iter().map(batch::decode).collect();
            let reasons: Vec<Reason> = decoded.iter().flat_map(|each| each.reasons.iter().copied()).collect();
            (decoded.into_iter().flat_map(|each| each.spans).collect::<Vec<SpanData>>(), reasons)
        };
        let (spans, reasons) = decode();
        let handed: u64 = batches.iter().map(|batch| batch.spans as u64).sum();
        let sent = deliver(queue, sender, retry_for, spans, || decode().0);
        queue.settle(&batches, |stats| {
            if sent.outcome == Outcome::Delivered {
                stats.rejected += sent.rejected.min(handed);
                stats.exported += handed.saturating_sub(sent.rejected);
                stats.unreadable += u64::from(sent.unreadable);
                reasons.into_iter().for_each(|reason| stats.count(reason));
            } else {
                stats.dropped_failed += handed;
            }
        });
        // What the collector asked for holds for the next batch as well.
        if let Outcome::Later(Some(asked)) = sent.outcome {
            queue.pause(asked);
        }
    }
}

/// Lets every other thread go first: waking this one must not take the processor from the event loop that just handed
/// over. Elsewhere than on Linux, a priority is the whole process's.
fn step_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Sends a batch until it arrives, is refused, or its time is over.
fn deliver(
    queue: &Queue,
    sender: &Sender,
    retry_for: Duration,
    spans: Vec<SpanData>,
    again: impl Fn() -> Vec<SpanData>,
) -> Sent {
    let began = Instant::now();
    let mut sent = sender.send(spans);
    for attempt in 0.. {
        queue.note(|stats| {
            stats.requests += 1;
            stats.failures += u64::from(sent.outcome != Outcome::Delivered);
            stats.last_error.clone_from(&sent.error);
        });
        let Outcome::Later(asked) = sent.outcome else { break };
        let wait = retry::wait(attempt, asked, random());
        if began.elapsed() + wait > retry_for || !queue.pause(wait) {
            break;
        }
        sent = sender.send(again());
    }
    sent
}

/// Between 0 and 1.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
