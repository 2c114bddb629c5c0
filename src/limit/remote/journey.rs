//! Calls of the store that are under way.

use super::ops::{Reply, Request};
use super::store::{Origin, Store};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// A call under way: its number, and the replies.
type Away = Pin<Box<dyn Future<Output = (u64, Option<Vec<Reply>>)> + Send>>;

/// What was asked, and for whom.
pub struct Journey {
    /// Which it is of all.
    pub number: u64,
    /// What was asked.
    pub requests: Arc<[Request]>,
    /// For whom, in the same order.
    pub origins: Vec<Origin>,
    /// When it left, ms.
    pub departed: f64,
}

/// Polled by the task that asks, wherever that runs.
#[derive(Default)]
pub struct Journeys {
    away: FuturesUnordered<Away>,
    under_way: HashMap<u64, Journey>,
    last: u64,
}

impl Journeys {
    /// How many are under way.
    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Their numbers.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.under_way.keys().copied()
    }

    /// Sends a call.
    pub fn depart(&mut self, store: &Arc<impl Store>, requests: Vec<Request>, origins: Vec<Origin>, departed: f64) {
        self.last += 1;
        let (number, store, requests) = (self.last, store.clone(), Arc::<[Request]>::from(requests));
        let asked = requests.clone();
        self.away.push(Box::pin(async move {
            let mut call = store.call(&asked);
            // A call that panics is one that failed: the others go on.
            let guarded = poll_fn(|context| {
                catch_unwind(AssertUnwindSafe(|| call.poll_unpin(context))).unwrap_or(Poll::Ready(None))
            });
            (number, guarded.await)
        }));
        self.under_way.insert(number, Journey { number, requests, origins, departed });
    }

    /// The next that comes back, with the replies; `None` while none is under way.
    pub async fn next(&mut self) -> Option<(Journey, Option<Vec<Reply>>)> {
        let (number, answered) = self.away.next().await?;
        self.under_way.remove(&number).map(|journey| (journey, answered))
    }

    /// One that is back already.
    pub fn back(&mut self) -> Option<(Journey, Option<Vec<Reply>>)> {
        self.next().now_or_never().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Answering;
    use super::*;

    struct Panics;

    impl Store for Panics {
        fn together(&self) -> usize {
            1
        }
        fn call<'a>(&'a self, requests: &'a [Request]) -> Answering<'a> {
            Box::pin(async move { if &*requests[0].key == "bad" { panic!("of the test") } else { Some(Vec::new()) } })
        }
    }

    #[test]
    fn a_call_that_panics_has_failed_and_the_others_go_on() {
        let mut journeys = Journeys::default();
        for key in ["bad", "good"] {
            let request = Request { key: key.into(), limit: 1.0, rate: 1.0, ops: Vec::new() };
            journeys.depart(&Arc::new(Panics), vec![request], Vec::new(), 0.0);
        }
        let answered: Vec<_> = std::iter::from_fn(|| journeys.back())
            .map(|(journey, replies)| (journey.number, replies.is_some()))
            .collect();
        assert_eq!((answered, journeys.is_empty()), (vec![(1, false), (2, true)], true));
    }
}
