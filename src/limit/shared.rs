//! A bucket's place in the typed arrays that the face and this room share.

use super::bucket::{Bucket, MOST};
use super::ticks::Ticks;
use std::cell::Cell;

/// Numbers a bucket takes: 64 bytes, one cache line.
pub const STRIDE: usize = 8;

const TOKENS: usize = 0;
/// The settled tick, for which the face may subtract on its own; as `-1 - tick` it may not.
const FAST: usize = 1;
/// -1 marks a vacant slot.
const LIMIT: usize = 2;
const RATE: usize = 3;
const LAST_ACCESS: usize = 4;
/// A balance from here on is at the limit with the next refill.
const FLOOR: usize = 5;
const WAITING: usize = 6;
const BLOCKED_UNTIL: usize = 7;

/// What a caller may have written, as a number that arithmetic survives.
fn sane(value: f64) -> f64 {
    balance(value).max(0.0)
}

/// The same for a balance, which may be a debt.
fn balance(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-MOST, MOST) }
}

/// One slot.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a>(&'a [Cell<f64>; STRIDE]);

impl<'a> Slot<'a> {
    /// The slot that begins at number `at` of a chunk.
    pub fn at(chunk: &'a [Cell<f64>], at: usize) -> Option<Self> {
        chunk.get(at..)?.first_chunk().map(Self)
    }

    /// The bucket in it; `None` when the slot is vacant.
    pub fn load(self) -> Option<Bucket> {
        let read = |index: usize| self.0[index].get();
        (read(LIMIT) >= 0.0 || read(LIMIT).is_nan()).then(|| Bucket {
            tokens: balance(read(TOKENS)),
            limit: sane(read(LIMIT)),
            refill_rate: sane(read(RATE)),
            last_access: read(LAST_ACCESS),
            settled: if read(FAST) < 0.0 { -1.0 - read(FAST) } else { read(FAST) } as u64,
            blocked_until: read(BLOCKED_UNTIL),
        })
    }

    /// Writes a settled bucket back, and publishes its balance when only spending and refills can change it.
    pub fn store(self, bucket: &Bucket, waiting: usize, ticks: &Ticks) {
        self.write(bucket, waiting, ticks, waiting == 0 && bucket.blocked_until == 0.0);
    }

    /// As [`Slot::store`], but publishes nothing: each cost has to be asked about.
    pub fn store_unpublished(self, bucket: &Bucket, waiting: usize, ticks: &Ticks) {
        self.write(bucket, waiting, ticks, false);
    }

    /// As [`Slot::store`], for a lease: who waits for the shared bucket does not wait for it.
    pub fn store_lease(self, bucket: &Bucket, waiting: usize, ticks: &Ticks) {
        self.write(bucket, waiting, ticks, bucket.blocked_until == 0.0);
    }

    fn write(self, bucket: &Bucket, waiting: usize, ticks: &Ticks, fast: bool) {
        let write = |index: usize, value: f64| self.0[index].set(value);
        write(TOKENS, bucket.tokens);
        write(FAST, if fast { bucket.settled as f64 } else { -1.0 - bucket.settled as f64 });
        write(LIMIT, bucket.limit);
        write(RATE, bucket.refill_rate);
        write(LAST_ACCESS, bucket.last_access);
        write(FLOOR, bucket.limit - ticks.step(bucket.refill_rate));
        write(WAITING, waiting as f64);
        write(BLOCKED_UNTIL, bucket.blocked_until);
    }

    /// How many wait for it.
    pub fn waiting(self) -> usize {
        self.0[WAITING].get() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_bucket_is_loaded_as_it_was() {
        let chunk = vec![Cell::new(0.0); 2 * STRIDE];
        let slot = Slot::at(&chunk, STRIDE).unwrap();
        let bucket = Bucket::full(10.0, 3.0, &Ticks::new(1.0), 7.0);
        slot.store(&bucket, 0, &Ticks::new(1.0));
        assert_eq!(slot.load(), Some(bucket));
        assert_eq!(chunk[STRIDE + FAST].get(), 0.0);
        assert!(Slot::at(&chunk, STRIDE + 1).is_none());
    }

    #[test]
    fn a_balance_with_waiters_or_a_block_is_not_published() {
        let chunk = vec![Cell::new(0.0); STRIDE];
        let slot = Slot::at(&chunk, 0).unwrap();
        let mut bucket = Bucket::full(10.0, 3.0, &Ticks::new(1.0), 7.0);
        slot.store(&bucket, 1, &Ticks::new(1.0));
        assert_eq!((chunk[FAST].get(), slot.waiting()), (-1.0, 1));
        bucket.blocked_until = 9.0;
        slot.store(&bucket, 0, &Ticks::new(1.0));
        assert_eq!(chunk[FAST].get(), -1.0);
    }

    #[test]
    fn the_floor_is_where_one_refill_reaches_the_limit() {
        let chunk = vec![Cell::new(0.0); STRIDE];
        let slot = Slot::at(&chunk, 0).unwrap();
        let mut ticks = Ticks::new(500.0);
        ticks.start(0.0);
        let mut bucket = Bucket::full(10.0, 6.0, &ticks, 0.0);
        bucket.remove(3.0);
        slot.store(&bucket, 0, &ticks);
        assert!(chunk[TOKENS].get() >= chunk[FLOOR].get());
        bucket.settle(&ticks, 500.0);
        assert!(bucket.is_full());
        bucket.remove(3.5);
        slot.store(&bucket, 0, &ticks);
        assert!(chunk[TOKENS].get() < chunk[FLOOR].get());
        bucket.settle(&ticks, 1000.0);
        assert!(!bucket.is_full());
    }

    #[test]
    fn what_a_caller_wrote_is_made_sane() {
        let chunk = vec![Cell::new(f64::NAN); STRIDE];
        let bucket = Slot::at(&chunk, 0).unwrap().load().unwrap();
        assert_eq!((bucket.tokens, bucket.limit, bucket.refill_rate, bucket.settled), (0.0, 0.0, 0.0, 0));
        chunk[LIMIT].set(-1.0);
        assert!(Slot::at(&chunk, 0).unwrap().load().is_none());
    }
}
