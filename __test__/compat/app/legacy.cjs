'use strict';
// The CommonJS corner of an app of ES modules.
module.exports = (name) => require(`./lib/${name}.js`);
