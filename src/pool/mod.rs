//! Connections: the caller's own, made by hooks or a factory, or PostgreSQL's.
//!
//! [`pool::Pool`] decides who gets which connection, and when one is made, tested, kept or closed; it never sees a
//! connection, only the number of its slot, and never waits: it answers calls and leaves [`command::Command`]s behind
//! for JavaScript to perform. Invariants: never more slots in use than the larger of the two limits, never one slot
//! in two hands, every waiter is served, rejected or cancelled.
//!
//! The PostgreSQL half is transport and translation: [`address`] says where the servers are, [`manager`] makes
//! connections over the sockets of [`dial`], [`wire`] moves them between threads, [`connection`] runs statements,
//! [`stream`] and [`copy`] take a whole connection for many rows, [`listen`] hears notifications, [`types`] says how a
//! column is read, [`row`] encodes results into words and text. [`unnamed`] sends statements without names. It knows
//! nothing of pooling.

pub mod abandon;
pub mod address;
pub mod command;
pub mod config;
pub mod connection;
pub mod connection_string;
pub mod copy;
pub mod dial;
pub mod error;
pub mod failure;
pub mod listen;
pub mod manager;
pub mod order;
pub mod parameter;
pub mod passfile;
#[allow(clippy::module_inception)] // the room's subject
pub mod pool;
pub mod protection;
pub mod row;
pub mod statement;
pub mod stats;
pub mod stream;
pub mod tls;
pub mod types;
pub mod unnamed;
pub mod value;
pub mod wire;

#[cfg(feature = "node")]
pub(crate) mod binding;
