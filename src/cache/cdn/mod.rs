//! The tier in front: a CDN or a caching proxy that holds responses, not values.
//!
//! It is told two things: with each response how long it may be kept and by which tags it goes ([`headers`]), and later
//! which tags have to go now ([`queue`] decides when, [`provider`] how). A tag is any text; on the wire it is percent-encoded,
//! or a hash where it is long, so that no tag can break a header or pass for another.
//!
//! Invariants: what was accepted is purged or reported as failed, never forgotten: beyond the bound everything is purged
//! rather than nothing. A response whose tags do not fit is not kept by the CDN at all, since nothing could purge it.

pub mod config;
pub mod error;
pub mod headers;
pub mod pages;
pub mod provider;
pub mod queue;
pub mod tag;
