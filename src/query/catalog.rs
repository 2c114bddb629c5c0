//! What the server's catalog has to say before answers are shared or lookups merged.

use super::share::{Reading, Refusal};
use serde::Deserialize;

/// How long an answer of the catalog is believed, in milliseconds: tables become views, functions change.
pub const BELIEVED_MS: u32 = 60_000;

/// The question. `$1` are the relations of a [`Reading`], `$2` its names, `$3` its columns, `$4` the types of the
/// lookup's parameters as the server found them; all four are arrays. The answer is one JSON text.
///
/// A function is volatile here if any function of that name is, whichever the server would choose. What the system
/// brings along has no volatile operators or casts, so only those with later numbers are looked for.
pub const QUESTION: &str = "
SELECT json_build_object(
  'plain', (SELECT count(*) FROM unnest($1::text[]) AS r (name)
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(r.name) WHERE c.relkind IN ('r', 'p', 'm')),
  'secured', (SELECT count(*) FROM unnest($1::text[]) AS r (name)
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(r.name) WHERE c.relrowsecurity),
  'volatile', (SELECT count(*) FROM pg_catalog.pg_proc WHERE provolatile = 'v' AND proname = ANY ($2::name[])
    AND prorettype NOT IN ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)),
  'custom', (SELECT count(*) FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
      WHERE o.oid >= 16384 AND p.provolatile = 'v')
    + (SELECT count(*) FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
      WHERE c.oid >= 16384 AND p.provolatile = 'v'),
  'columns', (SELECT count(*) FROM pg_catalog.pg_attribute
    WHERE attrelid = pg_catalog.to_regclass(($1::text[])[1]) AND attname = ANY ($3::name[]) AND NOT attisdropped),
  'leading', (SELECT json_agg(a.attname) FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = c.relam
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = pg_catalog.to_regclass(($1::text[])[1]) AND i.indisvalid AND i.indpred IS NULL
    AND m.amname = 'btree'),
  'types', (SELECT json_agg(json_build_object('name', t.typname, 'kind', t.typtype, 'own', t.oid >= 16384,
      'delimiter', t.typdelim,
      'array', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(a.typname)) ORDER BY k.place)
    FROM unnest($4::oid[]) WITH ORDINALITY AS k (oid, place) JOIN pg_catalog.pg_type t ON t.oid = k.oid
    JOIN pg_catalog.pg_type a ON a.oid = t.typarray JOIN pg_catalog.pg_namespace n ON n.oid = a.typnamespace)
)::text AS facts";

/// The answer.
#[derive(Debug, Clone, Deserialize)]
struct Facts {
    /// Relations that are tables, partitioned tables or materialized views.
    plain: usize,
    /// Relations with row-level security.
    secured: usize,
    /// Volatile functions with one of the text's names.
    volatile: usize,
    /// Volatile operators and casts in the database.
    custom: usize,
    /// Columns that the table has.
    columns: usize,
    /// Columns of the table that are the first of a B-tree index over all rows.
    leading: Option<Vec<String>>,
    /// Types of the parameters that there are arrays of.
    types: Option<Vec<KeyType>>,
}

/// A type of a parameter.
#[derive(Debug, Clone, Deserialize)]
struct KeyType {
    name: String,
    /// `b` base, `e` enum, `r` range, `d` domain, …
    kind: char,
    /// Whether it is of the database's own making.
    own: bool,
    /// Between the items of an array.
    delimiter: char,
    /// The name of the array type, as it may be written.
    array: String,
}

impl KeyType {
    /// Whether a value of this type in an array is read as it is alone, and compared by an operator that is the
    /// system's or that of `citext`. Arrays and composite types are taken apart by `unnest`, domains check their
    /// values, and what an extension compares is not known here.
    fn is_certain(&self) -> bool {
        const CERTAIN: [&str; 32] = [
            "bool",
            "bytea",
            "char",
            "name",
            "int8",
            "int2",
            "int4",
            "text",
            "oid",
            "float4",
            "float8",
            "inet",
            "cidr",
            "macaddr",
            "macaddr8",
            "bpchar",
            "varchar",
            "date",
            "time",
            "timestamp",
            "timestamptz",
            "interval",
            "timetz",
            "bit",
            "varbit",
            "numeric",
            "uuid",
            "jsonb",
            "int4range",
            "int8range",
            "daterange",
            "tstzrange",
        ];
        let known = match self.kind {
            'b' | 'r' if !self.own => CERTAIN.contains(&self.name.as_str()),
            'b' => self.name == "citext",
            'e' => true,
            _ => false,
        };
        known && self.delimiter == ','
    }
}

/// What may be done with queries of a text that wait together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether those with the same parameters may share an answer.
    pub shares: bool,
    /// The statement that answers many of them.
    pub merged: Option<String>,
    /// Whether the type of a parameter is `bytea`, by place: only there bytes and text mean the same.
    pub bytes: Vec<bool>,
    /// Why they are not merged.
    pub refusal: Option<Refusal>,
}

impl Verdict {
    /// They are sent as they are.
    pub fn refused(refusal: Refusal) -> Self {
        Self { shares: false, merged: None, bytes: Vec::new(), refusal: Some(refusal) }
    }
}

/// The verdict over a text, from the catalog's answer to [`QUESTION`].
pub fn judge(reading: &Reading, answer: &str) -> Verdict {
    let Ok(facts) = serde_json::from_str::<Facts>(answer) else { return Verdict::refused(Refusal::Server) };
    if facts.plain != reading.relations.len() {
        return Verdict::refused(Refusal::NotPlainTable);
    }
    if facts.secured > 0 {
        return Verdict::refused(Refusal::RowSecurity);
    }
    // What a lookup names are columns, if the table has them all; then it calls nothing.
    let calls_nothing = reading.lookup.as_ref().is_ok_and(|lookup| facts.columns == lookup.columns.len());
    if facts.custom > 0 || (facts.volatile > 0 && !calls_nothing) {
        return Verdict::refused(Refusal::Volatile);
    }
    let shared = |refusal| Verdict { shares: true, ..Verdict::refused(refusal) };
    let lookup = match &reading.lookup {
        Ok(lookup) => lookup,
        Err(refusal) => return shared(*refusal),
    };
    if !calls_nothing {
        return shared(Refusal::NotAColumn);
    }
    let types = facts.types.unwrap_or_default();
    if types.len() != lookup.parameters || !types.iter().all(KeyType::is_certain) {
        return shared(Refusal::Type);
    }
    let arrays: Vec<&str> = types.iter().map(|kind| kind.array.as_str()).collect();
    let bytes = types.iter().map(|kind| kind.name == "bytea").collect();
    let merged = lookup.merged(&arrays, &facts.leading.unwrap_or_default());
    Verdict { shares: true, merged: Some(merged), bytes, refusal: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "SELECT a FROM t WHERE b = $1";

    fn answer(change: impl Fn(&mut serde_json::Value)) -> Verdict {
        let mut facts = serde_json::json!({
            "plain": 1, "secured": 0, "volatile": 1, "custom": 0, "columns": 2,
            "leading": ["a"],
            "types": [{ "name": "int4", "kind": "b", "own": false, "delimiter": ",", "array": "pg_catalog._int4" }],
        });
        change(&mut facts);
        judge(&Reading::of(TEXT).unwrap(), &facts.to_string())
    }

    #[test]
    fn a_lookup_in_a_plain_table_is_merged() {
        let verdict = answer(|_| {});
        assert!(verdict.shares && verdict.refusal.is_none());
        let merged = verdict.merged.unwrap();
        assert!(merged.contains("unnest($1::pg_catalog._int4) WITH ORDINALITY") && !merged.contains("ANY"), "{merged}");
    }

    #[test]
    fn the_rows_of_an_indexed_key_are_found_through_its_index() {
        let verdict = answer(|facts| facts["leading"] = serde_json::json!(["a", "b"]));
        assert!(verdict.merged.unwrap().contains("\nAND b = ANY ($1::pg_catalog._int4)\n"));
    }

    #[test]
    fn what_only_the_server_knows_refuses_too() {
        for (name, value, expected, shares) in [
            ("plain", serde_json::json!(0), Refusal::NotPlainTable, false),
            ("secured", serde_json::json!(1), Refusal::RowSecurity, false),
            ("custom", serde_json::json!(1), Refusal::Volatile, false),
            // A function of the row, perhaps: `t.a` where `a` is no column.
            ("columns", serde_json::json!(1), Refusal::Volatile, false),
            ("types", serde_json::json!(null), Refusal::Type, true),
            ("plain", serde_json::json!("?"), Refusal::Server, false),
        ] {
            let verdict = answer(|facts| facts[name] = value.clone());
            assert_eq!((verdict.refusal, verdict.shares, verdict.merged), (Some(expected), shares, None), "{name}");
        }
    }

    #[test]
    fn a_function_of_the_row_is_not_merged_even_if_it_is_not_volatile() {
        let verdict = answer(|facts| {
            facts["columns"] = serde_json::json!(1);
            facts["volatile"] = serde_json::json!(0);
        });
        assert_eq!((verdict.refusal, verdict.shares), (Some(Refusal::NotAColumn), true));
    }

    #[test]
    fn types_that_an_array_may_change_are_refused() {
        for (name, kind, own, delimiter, certain) in [
            ("citext", "b", true, ",", true),
            ("mood", "e", true, ",", true),
            ("uuid", "b", false, ",", true),
            ("box", "b", false, ";", false),
            ("_int4", "b", false, ",", false),
            ("pair", "c", true, ",", false),
            ("positive", "d", true, ",", false),
            ("text", "b", true, ",", false),
            ("xid8", "b", false, ",", false),
        ] {
            let kind = serde_json::json!([
                { "name": name, "kind": kind, "own": own, "delimiter": delimiter, "array": "x" }
            ]);
            let verdict = answer(|facts| facts["types"] = kind.clone());
            assert_eq!(verdict.merged.is_some(), certain, "{name}");
        }
    }
}
