'use strict';
// Gathers what native code needs to find the server: options, then the environment.

const OPTIONS = [
  'connectionString',
  'host',
  'port',
  'user',
  'password',
  'database',
  'applicationName',
  'statementTimeoutMs',
  'keepaliveMs',
  'targetSessionAttrs',
  'statementCacheSize',
  'transport',
  'preparedStatements',
];
const VARIABLES = [
  'PGHOST',
  'PGPORT',
  'PGUSER',
  'PGPASSWORD',
  'PGDATABASE',
  'PGAPPNAME',
  'PGOPTIONS',
  'PGSSLMODE',
  'PGSSLROOTCERT',
  'PGTARGETSESSIONATTRS',
];

/** `ssl` as `pg` takes it: a switch, a mode of libpq, or `{ rejectUnauthorized, ca }`. */
function protection(ssl) {
  if (ssl == null) return {};
  if (typeof ssl === 'boolean') return { sslMode: ssl ? 'verify-full' : 'disable' };
  if (typeof ssl === 'string') return { sslMode: ssl };
  if (typeof ssl !== 'object') throw new TypeError('option "ssl" must be a boolean, a string or an object');
  const { ca, rejectUnauthorized } = ssl;
  const authorities = Array.isArray(ca) ? ca.join('\n') : ca;
  return {
    sslMode: rejectUnauthorized === false ? 'require' : 'verify-full',
    sslRootCertificates: authorities == null ? undefined : String(authorities),
  };
}

/** The address for `pgOpen`. */
function addressOf(options, connectionString) {
  const address = { ...protection(options.ssl) };
  for (const name of OPTIONS) address[name] = options[name];
  for (const name of VARIABLES) address[name] = process.env[name];
  address.connectionString = connectionString;
  return address;
}

exports.addressOf = addressOf;
