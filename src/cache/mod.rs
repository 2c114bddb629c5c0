//! The persistent cache: JavaScript values in memory, serialized bytes below them, files at the bottom.
//!
//! 1. **Values** live in a JavaScript `Map`. [`policy`] chooses what leaves it, and learns of hits late, through a
//!    log, so that a hit costs no native call. quick_cache's S3-FIFO with a ghost list withstands scans: 51 / 75 %
//!    hits on Zipf 1.0 at 1 / 10 % capacity where LRU has 39 / 67.
//! 2. **Bytes**: [`shared`] keeps the writes that are not yet on disk, and one moka cache, for each folder of the
//!    process; all instances and threads on the folder share them.
//! 3. **Files**: [`disk`] touches them, [`codec`] knows their bytes, [`name`] their names. [`writer`] is the only
//!    thread of the process that changes a file, so the writes of a key keep their order; [`reader`] threads read,
//!    and scan the folder in [`scan`].
//!
//! 4. **Remote**: [`remote`] keeps values in Valkey as [`envelope`]s and tells other processes over the bus what is old;
//!    [`repair`] remembers what it could not tell while that was away.
//!
//! Invariants: the newest accepted set or delete of a key is in the pending map until the disk agrees with it; a read
//! that began before a change of its key never enters a tier after it; what tier 2 serves from memory is confirmed
//! by a `stat` of the file, so what other processes did to the file is seen.
//!
//! With keys, [`seal`] encrypts what leaves the process, and [`sealed`] knows the bytes of such a file.
//!
//! The room does not know JavaScript values: it sees keys, JSON text and times in milliseconds since the epoch.

pub mod cdn;
pub mod codec;
pub mod config;
pub mod disk;
pub mod envelope;
pub mod error;
pub mod layers;
pub mod leases;
pub mod name;
pub mod policy;
pub mod quota;
pub mod reader;
pub mod remote;
pub mod remote_config;
pub mod repair;
pub mod repairing;
pub mod scan;
pub mod seal;
pub mod sealed;
pub mod shared;
pub mod stats;
pub mod watch;
pub mod writer;

#[cfg(feature = "node")]
pub(crate) mod binding;
