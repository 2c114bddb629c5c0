'use strict';
// A budget of repetitions that many calls share.

const { native } = require('../addon.cjs');
const { enroll } = require('../metrics/members.cjs');
const { steadyNow } = require('./steady.cjs');

const INNER = Symbol('RetryBudget');

class RetryBudget {
  constructor(options = {}) {
    const handle = native.budgetOpen(options);
    Object.defineProperty(this, INNER, { value: handle });
    enroll('RetryBudget', this, options, { handle }, native.budgetFree);
  }

  /** A call was made. */
  deposit() {
    native.budgetDeposit(this[INNER], steadyNow());
  }

  /** Takes one repetition; `false` when none is left. */
  withdraw() {
    return native.budgetWithdraw(this[INNER], steadyNow());
  }

  /** How many are left. */
  get balance() {
    return native.budgetBalance(this[INNER], steadyNow());
  }
}

exports.RetryBudget = RetryBudget;
