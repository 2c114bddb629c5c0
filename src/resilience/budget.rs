//! How many calls may be repeated: so many for each call that was made, and a few a second beyond them. When everything
//! fails at once, retries then add a fifth to the load and do not multiply it. Finagle's RetryBudget has the same
//! numbers.

use crate::options::{OptionError, Options, number};

const SLOTS: usize = 10;

/// What a budget allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetConfig {
    /// Repetitions for each call. Default 0.2.
    pub ratio: f64,
    /// Repetitions a second that are always there. Default 10.
    pub per_second: f64,
    /// How long a call counts, in milliseconds. Default 10,000.
    pub window: f64,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self { ratio: 0.2, per_second: 10.0, window: 10_000.0 }
    }
}

impl BudgetConfig {
    /// Reads the options.
    pub fn from_options(options: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        let base = Self::default();
        Ok(Self {
            ratio: number(options, "ratio", base.ratio, 0.0, 1000.0)?,
            per_second: number(options, "minPerSecond", base.per_second, 0.0, 1e6)?,
            window: number(options, "windowMs", base.window, 100.0, 3_600_000.0)?,
        })
    }
}

/// Calls and repetitions of the window, by tenths of it.
#[derive(Debug, Clone)]
pub struct Budget {
    config: BudgetConfig,
    /// `(number of the tenth, calls, repetitions)`
    slots: [(u64, f64, f64); SLOTS],
}

impl Budget {
    /// Nothing has happened yet.
    pub fn new(config: BudgetConfig) -> Self {
        Self { config, slots: [(0, 0.0, 0.0); SLOTS] }
    }

    fn tenth(&self, now: f64) -> u64 {
        // One is added so that an unused slot is never taken for the first tenth.
        (now.max(0.0) / (self.config.window / SLOTS as f64)) as u64 + 1
    }

    fn slot(&mut self, now: f64) -> &mut (u64, f64, f64) {
        let tenth = self.tenth(now);
        let slot = &mut self.slots[tenth as usize % SLOTS];
        if slot.0 != tenth {
            *slot = (tenth, 0.0, 0.0);
        }
        slot
    }

    /// A call was made. `now` is in milliseconds.
    pub fn deposit(&mut self, now: f64) {
        self.slot(now).1 += 1.0;
    }

    /// How many repetitions are left.
    pub fn balance(&self, now: f64) -> f64 {
        let oldest = self.tenth(now).saturating_sub(SLOTS as u64 - 1);
        let reserve = self.config.per_second * self.config.window / 1e3;
        let current = self.slots.iter().filter(|(tenth, ..)| *tenth >= oldest.max(1));
        let left = current.fold(reserve, |left, (_, calls, repeated)| left + calls * self.config.ratio - repeated);
        // A fifth has no exact binary fraction: five of them are one all the same.
        (left + 1e-9).floor().max(0.0)
    }

    /// Takes one repetition, if there is one.
    pub fn withdraw(&mut self, now: f64) -> bool {
        let there = self.balance(now) >= 1.0;
        if there {
            self.slot(now).2 += 1.0;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_calls_may_be_repeated() {
        let mut budget = Budget::new(BudgetConfig { per_second: 0.0, ..BudgetConfig::default() });
        assert!(!budget.withdraw(0.0));
        for _ in 0..10 {
            budget.deposit(0.0);
        }
        assert_eq!([(); 3].map(|()| budget.withdraw(0.0)), [true, true, false]);
    }

    #[test]
    fn ten_a_second_are_always_there() {
        let mut budget = Budget::new(BudgetConfig::default());
        assert_eq!((0..200).filter(|_| budget.withdraw(5.0)).count(), 100);
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut budget = Budget::new(BudgetConfig { per_second: 0.0, ..BudgetConfig::default() });
        for _ in 0..10 {
            budget.deposit(0.0);
        }
        assert_eq!(budget.balance(8_999.0), 2.0);
        assert_eq!(budget.balance(10_000.0), 0.0);
    }
}
