//! Retry budgets by handle, hedges and bulkheads with their numbers in the face's cells.

use crate::binding::raw::{Answer, Call, Exports, Failure};
use crate::binding::table::{HandleTable, Handles, handles};
use crate::clock::{Clock, SystemClock};
use crate::random::Random;
use crate::resilience::backoff::Backoff;
use crate::resilience::budget::{Budget, BudgetConfig};
use crate::resilience::bulkhead::{Admission, Bulkhead};
use crate::resilience::error::ResilienceError;
use crate::resilience::hedge::{HedgeConfig, delay};
use crate::resilience::retry::check_limit;
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    static BUDGETS: Handles<Budget> = const { handles() };
}

pub fn register(exports: Exports<'_>) {
    exports
        .function("budgetOpen", |call| {
            let config = BudgetConfig::from_options(&call.options_at(0)?)?;
            Ok(call.uint(BUDGETS.insert(Budget::new(config))))
        })
        .function("budgetFree", |call| Ok(call.boolean(BUDGETS.remove(call.uint_at(0)?).is_some())))
        .function("budgetDeposit", |call| {
            let now = call.number_at(1)?;
            BUDGETS.with_object(call.uint_at(0)?, |budget| budget.deposit(now))?;
            Ok(call.undefined())
        })
        .function("budgetWithdraw", |call| {
            let now = call.number_at(1)?;
            Ok(call.boolean(BUDGETS.with_object(call.uint_at(0)?, |budget| budget.withdraw(now))?))
        })
        .function("budgetBalance", |call| {
            let now = call.number_at(1)?;
            Ok(call.number(BUDGETS.with_object(call.uint_at(0)?, |budget| budget.balance(now))?))
        })
        // `(first, longest, number of the repetition)` → milliseconds to wait before it
        .function("backoffDelay", |call| {
            let millis = |index| call.number_at(index).map(|time| Duration::from_secs_f64(time.clamp(0.0, 1e9) / 1e3));
            let mut random = Random { state: SystemClock.monotonic_nanos() };
            let backoff = Backoff { first: millis(0)?, ceiling: millis(1)? };
            Ok(call.number(backoff.delay(call.uint_at(2)?, random.uniform()).as_secs_f64() * 1e3))
        })
        .function("policyLimit", |call| {
            check_limit(&call.scalar_at(0))?;
            Ok(call.undefined())
        })
        .function("hedgeConfig", hedge)
        .function("hedgeDelay", |call| {
            let mut latencies: Vec<f64> = call.cells::<f64>(0)?.iter().map(Cell::get).collect();
            Ok(call.number(delay(&mut latencies, call.number_at(1)?).unwrap_or(f64::NAN)))
        })
        .function("bulkheadConfig", |call| {
            let bulkhead = Bulkhead::from_options(&call.options_at(0)?)?;
            store(call.cells::<f64>(1)?, bulkhead);
            Ok(call.undefined())
        })
        .function("bulkheadAdmit", |call| {
            let answer = with(call, Bulkhead::admit)?;
            Ok(call.int(match answer {
                Admission::Run => 0,
                Admission::Wait => 1,
                Admission::Refuse => 2,
            }))
        })
        .function("bulkheadRelease", |call| {
            let next = with(call, Bulkhead::release)?;
            Ok(call.boolean(next))
        })
        .function("bulkheadLeave", |call| {
            with(call, Bulkhead::leave)?;
            Ok(call.undefined())
        })
        .function("bulkheadError", |call| {
            let bulkhead = load(call.cells::<f64>(0)?)?;
            let error = ResilienceError::BulkheadFull { running: bulkhead.active, waiting: bulkhead.waiting };
            Ok(call.error(&Failure::from(error)))
        });
}

/// `(options, cells)`: delay, percentile (NaN where there is none) and the most hedges go into the cells.
fn hedge<'s>(call: &Call<'s>) -> Answer<'s> {
    let config = HedgeConfig::from_options(&call.options_at(0)?)?;
    let or_none = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let values = [or_none(config.delay), or_none(config.percentile), config.most.into()];
    for (cell, value) in call.cells::<f64>(1)?.iter().zip(values) {
        cell.set(value);
    }
    Ok(call.undefined())
}

fn load(cells: &[Cell<f64>]) -> Result<Bulkhead, Failure> {
    let [max_concurrent, max_queue, active, waiting] = cells else {
        return Err(Failure::internal("a bulkhead's cells have the wrong length"));
    };
    Ok(Bulkhead {
        max_concurrent: max_concurrent.get() as u32,
        max_queue: max_queue.get() as u32,
        active: active.get() as u32,
        waiting: waiting.get() as u32,
    })
}

fn store(cells: &[Cell<f64>], bulkhead: Bulkhead) {
    let values = [bulkhead.max_concurrent, bulkhead.max_queue, bulkhead.active, bulkhead.waiting];
    for (cell, value) in cells.iter().zip(values) {
        cell.set(value.into());
    }
}

fn with<R>(call: &Call<'_>, body: impl FnOnce(&mut Bulkhead) -> R) -> Result<R, Failure> {
    let cells = call.cells::<f64>(0)?;
    let mut bulkhead = load(cells)?;
    let result = body(&mut bulkhead);
    store(cells, bulkhead);
    Ok(result)
}
