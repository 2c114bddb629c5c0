'use strict';
// Gathers what native code needs to find the server: options, then the environment, and libpq's password file.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

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

/** Where libpq looks for passwords. */
function passwordFile() {
  const { PGPASSFILE, APPDATA } = process.env;
  if (PGPASSFILE) return PGPASSFILE;
  if (process.platform === 'win32') return APPDATA && path.join(APPDATA, 'postgresql', 'pgpass.conf');
  return path.join(os.homedir(), '.pgpass');
}

/** The text of that file; `undefined` when there is none, or when others than its owner may use it. */
function passwords() {
  try {
    const file = passwordFile();
    const stats = file ? fs.statSync(file) : undefined;
    if (!stats?.isFile()) return undefined;
    if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) {
      process.emitWarning('the PostgreSQL password file is not used: its permissions must be u=rw (0600) or less', {
        type: 'PasswordFileWarning',
      });
      return undefined;
    }
    return fs.readFileSync(file, 'utf8');
  } catch {
    // As for libpq, a file that cannot be read is none.
    return undefined;
  }
}

/** The address for `pgOpen`. */
function addressOf(options, connectionString) {
  const address = { ...protection(options.ssl) };
  for (const name of OPTIONS) address[name] = options[name];
  for (const name of VARIABLES) address[name] = process.env[name];
  address.connectionString = connectionString;
  if (!address.password && !address.PGPASSWORD) address.passwords = passwords();
  return address;
}

exports.addressOf = addressOf;
