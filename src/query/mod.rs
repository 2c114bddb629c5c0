//! Query batching and advice.
//!
//! Queries that have the same normal form ([`fingerprint`]) wait together for a moment and go out as one batch. This
//! room says what form a text has, when a batch goes out ([`batch`]), what is wrong with a text ([`analyze`], [`lint`])
//! and which batches were slow ([`slow`], [`stats`]), and which SELECTs ran in a loop ([`repeat`]). A text's form and
//! advice depend on the text alone, so the face remembers both by text and a repeated query makes no native call.
//!
//! With a pool of PostgreSQL, identical reads of a batch share one answer ([`share`]) and lookups go out as one
//! statement ([`merge`]), if the text and the server's catalog ([`catalog`]) leave no doubt.
//!
//! What the server would do with a text, and which index would help, its plan and its catalog tell ([`explain`],
//! [`plan`], [`table`], [`index`]).
//!
//! Refused here: promises, timers and the sending of a batch, which belong to the face and to the pool. Parameters
//! never come into this room, so no statistic can show one.

pub mod analyze;
pub mod batch;
pub mod catalog;
pub mod config;
mod cut;
pub mod error;
pub mod explain;
pub mod fingerprint;
pub mod index;
pub mod lint;
pub mod merge;
pub mod plan;
pub mod repeat;
pub mod share;
pub mod slow;
pub mod stats;
pub mod table;
pub mod top;
mod tree;

#[cfg(feature = "node")]
pub(crate) mod binding;
#[cfg(feature = "node")]
mod merge_binding;
