'use strict';
// Errors of the query room, made by native code; the numbers are the places in `QueryError::ALL`.

const { native } = require('../addon.cjs');

exports.notText = () => native.queryError(0);
exports.notAnArray = () => native.queryError(1);
exports.noQuery = () => native.queryError(2);
exports.closed = () => native.queryError(3);
exports.noPool = () => native.queryError(4);
exports.noTransaction = () => native.queryError(6);
exports.noPlan = () => native.queryError(7);
