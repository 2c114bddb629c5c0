//! Token buckets and fair waiting.
//!
//! A bucket is refilled in steps, as the original was: at every tick of the limiter (`refillInterval`) it gains
//! `refillRate × refillInterval / 1000` tokens, up to its limit. No timer walks over the buckets. Each one remembers
//! the last tick it was settled at, and whoever looks at it adds what the ticks since then would have added; that is
//! the same number, at a cost that does not depend on how many clients there are.
//!
//! # Who decides
//!
//! Every function here is a state machine over a passed-in time (milliseconds of a monotonic clock, as in governor).
//! A bucket lives in eight numbers of a typed array ([`shared`]). When it has been settled, is not blocked and nobody
//! waits for it, the room publishes in `FAST` the tick for which its balance is final: until that tick ends nothing
//! but spending can change it, so the face may subtract a cost that the balance covers without asking again. In
//! `FLOOR` it publishes the balance from which the next refill reaches the limit: a rarely seen client above it is full
//! in any later tick. Every other question (too small a balance, a lower one in a new tick, a block, a waiter, an odd
//! cost) comes here.
//!
//! # What was measured
//!
//! Node 20, two shared cores, ns per `isAllowed` with 10 clients / with 1M clients at random:
//!
//! | shape | 10 | 1M |
//! |---|---|---|
//! | the baseline: a `Map` of objects, `Date.now()` | 51–57 | 1170–1270 |
//! | id → slot in a JS `Map`, balance subtracted in the shared array, `performance.now()`: chosen | 49–56 | 960–1170 |
//! | the same, with a native call for each question | 143 | 1440 |
//!
//! The string itself to Rust costs 30–70 for the call, before hashing and the clock, so it was not built.
//! `performance.now()` is 36 of the 49: monotonic, and no dearer than `Date.now()` (38). Reading a clock waits for all
//! loads before it, which is why the face reads it first. A native call about one hot typed array took 91 ns, about one
//! of 245 arrays at random 310, cache misses of the bucket included; so the bucket is copied onto one small array,
//! which made no difference to `isAllowed` as a whole that stood out of the noise. Spreading the ids over many Maps,
//! against the stall when one of half a million grows (12 ms or more, as in the baseline), cost 150 ns a look and left
//! the garbage collector's pauses. Timing the ticks by an event-loop timer instead of a clock would be cheaper, but
//! grants too much after a blocked loop.
//!
//! # Invariants
//!
//! - Tokens are negative only as far as they were reserved for a time to come, and never above the limit once a tick
//!   has passed.
//! - What is granted in any window is at most the limit and what was refilled in it.
//! - Waiters of one client are served in arrival order; one waiter's end touches no other.
//!
//! The room does not know client ids, promises or timers: a client is a slot number, a waiter a ticket.

pub mod bucket;
pub mod config;
pub mod error;
pub mod fair;
pub mod global;
pub mod headers;
pub mod limiter;
pub mod queue;
pub mod remote;
pub mod reserve;
pub mod rules;
pub mod shared;
pub mod stats;
pub mod sweep;
pub mod ticks;
pub mod turn;

#[cfg(feature = "node")]
pub(crate) mod binding;
