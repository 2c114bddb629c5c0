//! What waits for its export: bounded, and what does not fit is counted.

use super::batch::{HandOver, Reason};
use super::config::ExportConfig;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Figures of an exporter, in spans where nothing else is said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExportStats {
    /// Waiting, those being sent included.
    pub queued: u64,
    /// Taken by the collector.
    pub exported: u64,
    /// Dropped because the queue was full.
    pub dropped_queue_full: u64,
    /// Dropped because the collector could not be reached in time, or refused them.
    pub dropped_failed: u64,
    /// Sent, and then refused by the collector one by one ("partial success").
    pub rejected: u64,
    /// Traces exported because the sampler took them.
    pub traces_sampled: u64,
    /// Traces exported although it did not, because they failed.
    pub traces_failed: u64,
    /// Likewise, because they were slow.
    pub traces_slow: u64,
    /// Requests made.
    pub requests: u64,
    /// Requests that did not deliver.
    pub failures: u64,
    /// Answers of success that were not OTLP.
    pub unreadable: u64,
    /// What went wrong last; empty when nothing did.
    pub last_error: String,
}

impl ExportStats {
    /// Spans that were lost.
    pub fn lost(&self) -> u64 {
        self.dropped_queue_full + self.dropped_failed + self.rejected
    }

    /// Counts why a trace is exported.
    pub fn count(&mut self, reason: Reason) {
        match reason {
            Reason::Sampled => self.traces_sampled += 1,
            Reason::Failed => self.traces_failed += 1,
            Reason::Slow => self.traces_slow += 1,
        }
    }
}

/// Called with whether everything was delivered.
pub type Flushed = Box<dyn FnOnce(bool) + Send>;

struct Flush {
    /// Number of the last hand-over that it waits for.
    until: u64,
    done: Flushed,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Instant, HandOver)>,
    spans: usize,
    bytes: usize,
    /// Hand-overs so far, and those of them that are over.
    taken_in: u64,
    over: u64,
    flushes: Vec<Flush>,
    /// Spans whose loss an earlier flush has told of.
    lost_told: u64,
    /// The process is about to end: nothing is waited for any more.
    urgent: bool,
    /// The exporter is gone; what is pending is sent until then.
    closing: Option<Instant>,
    stats: ExportStats,
}

impl State {
    /// Whether nothing was lost since this was asked last.
    fn tell_losses(&mut self) -> bool {
        let lost = self.stats.lost();
        std::mem::replace(&mut self.lost_told, lost) == lost
    }
}

/// The queue between the event loop and the exporter's thread.
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    most_spans: usize,
    batch_spans: usize,
    delay: Duration,
}

impl Queue {
    /// An empty queue with the limits of the configuration.
    pub fn new(config: &ExportConfig) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            most_spans: config.queue_spans,
            batch_spans: config.batch_spans,
            delay: config.delay,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a hand-over in, or drops it when there is no room; says which.
    pub fn push(&self, batch: HandOver) -> bool {
        let mut state = self.lock();
        let (spans, bytes) = (state.spans + batch.spans, state.bytes + batch.bytes());
        if spans > self.most_spans || bytes > ExportConfig::QUEUE_BYTES || state.closing.is_some() {
            state.stats.dropped_queue_full += batch.spans as u64;
            return false;
        }
        (state.spans, state.bytes) = (spans, bytes);
        state.taken_in += 1;
        state.waiting.push_back((Instant::now(), batch));
        self.changed.notify_all();
        true
    }

    /// Waits until something is to be sent; `None` when the exporter is gone and nothing is left to do.
    pub fn take(&self) -> Option<Vec<HandOver>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.closing.is_some_and(|until| now >= until) {
                return None;
            }
            let hurry = state.urgent || state.closing.is_some() || !state.flushes.is_empty();
            let due = state.waiting.front().map(|(since, _)| *since + self.delay);
            let full = state.waiting.iter().map(|(_, batch)| batch.spans).sum::<usize>() >= self.batch_spans;
            state = match due {
                Some(due) if hurry || full || now >= due => return Some(self.next(&mut state)),
                Some(due) => {
                    let waited = self.changed.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None if state.closing.is_some() => return None,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// As many hand-overs as go into a request, one at least.
    fn next(&self, state: &mut State) -> Vec<HandOver> {
        let (mut taken, mut spans) = (Vec::new(), 0);
        while let Some((_, batch)) = state.waiting.front() {
            spans += batch.spans;
            if !taken.is_empty() && spans > self.batch_spans {
                break;
            }
            taken.extend(state.waiting.pop_front().map(|(_, batch)| batch));
        }
        taken
    }

    /// Notes that these hand-overs are over, delivered or dropped.
    pub fn settle(&self, batches: &[HandOver], note: impl FnOnce(&mut ExportStats)) {
        let mut state = self.lock();
        state.spans -= batches.iter().map(|batch| batch.spans).sum::<usize>();
        state.bytes -= batches.iter().map(HandOver::bytes).sum::<usize>();
        state.over += batches.len() as u64;
        note(&mut state.stats);
        let over = state.over;
        let (done, open): (Vec<_>, _) =
            std::mem::take(&mut state.flushes).into_iter().partition(|flush| flush.until <= over);
        state.flushes = open;
        let whole = done.is_empty() || state.tell_losses();
        drop(state);
        self.changed.notify_all();
        finish(done, whole);
    }

    /// Counts something.
    pub fn note(&self, note: impl FnOnce(&mut ExportStats)) {
        note(&mut self.lock().stats);
    }

    /// Waits before a repetition; `false` when nothing is waited for any more.
    pub fn pause(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.urgent || state.closing.is_some() {
                return false;
            }
            if now >= until {
                return true;
            }
            state = self.changed.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends what is pending now; `done` is called when that is over, at once when nothing is pending. It learns
    /// whether nothing was lost since the flush before.
    pub fn flush(&self, done: Flushed) {
        let mut state = self.lock();
        if state.over == state.taken_in {
            let whole = state.tell_losses();
            drop(state);
            return done(whole);
        }
        let until = state.taken_in;
        state.flushes.push(Flush { until, done });
        drop(state);
        self.changed.notify_all();
    }

    /// Tells everybody who waits for a flush that it took too long.
    pub fn give_up_flushes(&self) {
        let flushes = std::mem::take(&mut self.lock().flushes);
        finish(flushes, false);
    }

    /// Blocks until nothing is pending, at most so long; says whether nothing is. Repetitions are not waited for.
    pub fn drain(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let mut state = self.lock();
        state.urgent = true;
        self.changed.notify_all();
        while state.over < state.taken_in {
            let now = Instant::now();
            if now >= until {
                break;
            }
            state = self.changed.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.urgent = false;
        state.over == state.taken_in
    }

    /// The exporter is gone: what is pending is sent for this long, then the thread ends.
    pub fn close(&self, timeout: Duration) {
        self.lock().closing = Some(Instant::now() + timeout);
        self.changed.notify_all();
        self.give_up_flushes();
    }

    /// The figures.
    pub fn stats(&self) -> ExportStats {
        let state = self.lock();
        ExportStats { queued: state.spans as u64, ..state.stats.clone() }
    }
}

/// Outside the lock, as what is called may look at the queue again.
fn finish(flushes: Vec<Flush>, whole: bool) {
    flushes.into_iter().for_each(|flush| (flush.done)(whole));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn queue(queue_spans: usize, batch_spans: usize, delay: Duration) -> Queue {
        Queue { state: Mutex::default(), changed: Condvar::new(), most_spans: queue_spans, batch_spans, delay }
    }

    fn batch(spans: usize) -> HandOver {
        HandOver { spans, ..HandOver::default() }
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_and_room_comes_back() {
        let queue = queue(10, 4, Duration::ZERO);
        assert!(queue.push(batch(6)) && !queue.push(batch(5)) && queue.push(batch(4)));
        let taken = queue.take().unwrap();
        assert_eq!((taken.len(), queue.stats().queued), (1, 10));
        assert!(!queue.push(batch(1)));
        queue.settle(&taken, |stats| stats.exported += 6);
        assert!(queue.push(batch(6)));
        let stats = queue.stats();
        assert_eq!((stats.queued, stats.exported, stats.dropped_queue_full), (10, 6, 6));
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_too() {
        let queue = queue(10, 4, Duration::ZERO);
        assert!(!queue.push(HandOver { text: vec![0; ExportConfig::QUEUE_BYTES / 2 + 1], ..batch(1) }));
        assert_eq!(queue.stats().dropped_queue_full, 1);
    }

    #[test]
    fn ids_and_names_of_a_hand_over_count_among_its_bytes() {
        let mut large = batch(1);
        for _ in 0..100 {
            large.drawn.draw(true).unwrap();
            large.names.add("name");
        }
        let (blocks, names) = (32 * 256 * 8, 100 * 16);
        assert_eq!(large.bytes(), blocks + names);
        let queue = queue(usize::MAX, 1, Duration::ZERO);
        let room = ExportConfig::QUEUE_BYTES / large.bytes();
        assert_eq!((0..room + 5).filter(|_| queue.push(large.clone())).count(), room);
    }

    #[test]
    fn hand_overs_share_a_request_up_to_its_size() {
        let queue = queue(100, 5, Duration::MAX / 4);
        assert!([2, 2, 2, 9, 1].into_iter().all(|spans| queue.push(batch(spans))));
        let sizes = |taken: Vec<HandOver>| taken.iter().map(|batch| batch.spans).collect::<Vec<_>>();
        assert_eq!(sizes(queue.take().unwrap()), [2, 2]);
        assert_eq!(sizes(queue.take().unwrap()), [2]);
        assert_eq!(sizes(queue.take().unwrap()), [9]);
    }

    #[test]
    fn a_flush_ends_with_what_was_pending_and_says_whether_it_arrived() {
        let queue = queue(10, 5, Duration::MAX / 4);
        let seen = Arc::new(AtomicU32::new(0));
        let told = |worth: u32| -> Flushed {
            let seen = seen.clone();
            Box::new(move |whole| {
                seen.fetch_add(if whole { worth } else { worth * 100 }, Ordering::Relaxed);
            })
        };
        queue.flush(told(1));
        assert_eq!(seen.load(Ordering::Relaxed), 1);
        queue.push(batch(1));
        queue.flush(told(2));
        queue.push(batch(1));
        let taken = queue.take().unwrap();
        assert_eq!((taken.len(), seen.load(Ordering::Relaxed)), (2, 1));
        queue.settle(&taken[..1], |_| ());
        assert_eq!(seen.load(Ordering::Relaxed), 3);
        queue.flush(told(4));
        queue.settle(&taken[1..], |stats| stats.dropped_failed += 1);
        assert_eq!(seen.load(Ordering::Relaxed), 403);
    }

    #[test]
    fn a_drain_ends_at_its_time_and_a_closed_queue_has_nothing_more() {
        let queue = queue(10, 5, Duration::MAX / 4);
        assert!(queue.drain(Duration::ZERO));
        queue.push(batch(1));
        assert!(!queue.drain(Duration::from_millis(1)));
        queue.close(Duration::from_secs(60));
        assert!(!queue.push(batch(1)) && !queue.pause(Duration::from_secs(60)));
        let taken = queue.take().unwrap();
        queue.settle(&taken, |_| ());
        assert!(queue.take().is_none());
    }
}
