//! What the server's catalog says about tables: their size, their columns and their indexes.

use serde::Deserialize;
use std::collections::HashMap;

/// Asks for tables by `[{ schema, name }]`: one row of the catalog as JSON, and the schema of the extension `hypopg`.
pub const QUERY: &str = "\
select (select coalesce(json_agg(found), '[]')::text from (
  select n.nspname as schema, c.relname as name, c.reltuples::float8 as tuples, pg_relation_size(c.oid)::float8 as bytes,
    (select coalesce(json_object_agg(a.attname, format_type(a.atttypid, null)), '{}') from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    (select coalesce(json_agg(json_build_object('name', ic.relname, 'method', am.amname,
        'whole', i.indpred is null and i.indisvalid, 'keys', (
          select json_agg(json_build_object('key', pg_get_indexdef(i.indexrelid, k, false),
            'opclass', (select o.opcname from pg_opclass o where o.oid = i.indclass[k - 1])) order by k)
          from generate_series(1, i.indnkeyatts) k))), '[]')
      from pg_index i join pg_class ic on ic.oid = i.indexrelid join pg_am am on am.oid = ic.relam
      where i.indrelid = c.oid) as indexes
  from json_to_recordset($1::json) as wanted(schema text, name text)
  join pg_namespace n on n.nspname = wanted.schema
  join pg_class c on c.relnamespace = n.oid and c.relname = wanted.name
) found) as catalog,
(select n.nspname::text from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'hypopg')
  as hypopg";

/// Bytes of a row of a table that was never counted.
const GUESSED_ROW_BYTES: f64 = 100.0;

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Key {
    /// A column's name or an expression, as the server writes it.
    pub key: String,
    /// The operator class.
    pub opclass: Option<String>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// `btree`, …
    pub method: String,
    /// Whether it is valid and holds all rows.
    pub whole: bool,
    /// Its keys in their order.
    pub keys: Option<Vec<Key>>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Table {
    schema: String,
    name: String,
    tuples: f64,
    bytes: f64,
    /// Column → type.
    pub columns: HashMap<String, String>,
    /// All of them.
    pub indexes: Vec<Index>,
}

impl Table {
    /// The tables of the catalog's answer; none when it is no such answer.
    pub fn read(json: &str) -> Vec<Table> {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// Whether this is the table of that name.
    pub fn is(&self, schema: &str, name: &str) -> bool {
        self.schema == schema && self.name == name
    }

    /// Rows, as far as the server has counted; guessed from the size where it never did.
    pub fn rows(&self) -> f64 {
        if self.tuples > 0.0 { self.tuples } else { (self.bytes / GUESSED_ROW_BYTES).floor() }
    }
}

/// A name as it stands in SQL.
pub fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !RESERVED.contains(&name);
    if plain { name.into() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A column of an index without its quotes; an expression as it is.
pub fn unquoted(key: &str) -> String {
    match key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => key.into(),
    }
}

/// Words that are no names without quotes (PostgreSQL manual, appendix C).
const RESERVED: [&str; 77] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "system_user",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "with",
];
