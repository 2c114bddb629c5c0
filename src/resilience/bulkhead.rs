//! So many calls at once and so many waiting, so that one slow dependency does not take all there is.

use crate::options::{OptionError, Options, count};

/// A bulkhead's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulkhead {
    /// Calls at once. Default 10.
    pub max_concurrent: u32,
    /// Calls waiting. Default 0.
    pub max_queue: u32,
    /// Calls under way.
    pub active: u32,
    /// Calls waiting now.
    pub waiting: u32,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It runs.
    Run,
    /// It waits.
    Wait,
    /// It is refused.
    Refuse,
}

impl Bulkhead {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        Ok(Self {
            max_concurrent: count(options, "maxConcurrent", 10, 1, 1_000_000)? as u32,
            max_queue: count(options, "maxQueue", 0, 0, 10_000_000)? as u32,
            active: 0,
            waiting: 0,
        })
    }

    /// A call wants in.
    pub fn admit(&mut self) -> Admission {
        if self.active < self.max_concurrent {
            self.active += 1;
            Admission::Run
        } else if self.waiting < self.max_queue {
            self.waiting += 1;
            Admission::Wait
        } else {
            Admission::Refuse
        }
    }

    /// A call has ended; whether the one that waited longest runs now, in its place.
    pub fn release(&mut self) -> bool {
        let next = self.waiting > 0;
        if next {
            self.waiting -= 1;
        } else {
            self.active = self.active.saturating_sub(1);
        }
        next
    }

    /// A waiting call was given up.
    pub fn leave(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_runs_waits_or_is_refused() {
        let mut bulkhead = Bulkhead { max_concurrent: 1, max_queue: 1, active: 0, waiting: 0 };
        let all = [bulkhead.admit(), bulkhead.admit(), bulkhead.admit()];
        assert_eq!(all, [Admission::Run, Admission::Wait, Admission::Refuse]);
        assert!(bulkhead.release());
        assert_eq!((bulkhead.active, bulkhead.waiting), (1, 0));
        assert!(!bulkhead.release());
        assert_eq!(bulkhead.admit(), Admission::Run);
    }
}
