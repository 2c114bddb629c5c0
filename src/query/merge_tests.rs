use super::super::share::Reading;
use super::*;

fn lookup(text: &str) -> Result<Lookup, Refusal> {
    Reading::of(text)?.lookup
}

#[test]
fn the_text_stands_in_the_merged_statement() {
    for (text, keys, inner) in [
        ("SELECT a, b FROM t WHERE id = $1", 1, "SELECT a, b FROM t WHERE id = tooloo_k.tooloo_1"),
        (
            "select * from App.\"T\" u where u.id=$1::int;",
            1,
            "select * from App.\"T\" u where u.id=tooloo_k.tooloo_1::int",
        ),
        (
            "SELECT t.*, 1 AS one, 'x' FROM t WHERE ($2 = a) AND (b = CAST($1 AS text)) AND c IS NULL AND d <> 'it''s $3'",
            2,
            "SELECT t.*, 1 AS one, 'x' FROM t WHERE (tooloo_k.tooloo_2 = a) AND (b = CAST(tooloo_k.tooloo_1 AS text)) AND c IS NULL AND d <> 'it''s $3'",
        ),
        (
            "SELECT a FROM t WHERE (b, c) = ($1, $2) -- why",
            2,
            "SELECT a FROM t WHERE (b, c) = (tooloo_k.tooloo_1, tooloo_k.tooloo_2) -- why\n",
        ),
        (
            "SELECT a FROM t WHERE b = $1 AND c = $1 AND NOT d AND e AND true AND f > -1.5",
            1,
            "SELECT a FROM t WHERE b = tooloo_k.tooloo_1 AND c = tooloo_k.tooloo_1 AND NOT d AND e AND true AND f > -1.5",
        ),
        ("SELECT a /* $9 */ FROM t WHERE \"$1\" = $1", 1, "SELECT a /* $9 */ FROM t WHERE \"$1\" = tooloo_k.tooloo_1"),
    ] {
        let lookup = lookup(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        assert_eq!(lookup.parameters, keys, "{text}");
        let merged = lookup.merged(&["pg_catalog._int4", "pg_catalog._text"], &[]);
        assert!(merged.contains(&format!("LATERAL (\n{inner}\n) AS tooloo_t")), "{merged}");
    }
    let merged =
        lookup("SELECT a FROM t WHERE b = $1 AND c = $2").unwrap().merged(&["x._a", "y._b"], &["b".into(), "c".into()]);
    assert!(merged.starts_with(
        "SELECT tooloo_k.tooloo_n::int4, tooloo_t.* FROM unnest($1::x._a, $2::y._b) WITH ORDINALITY AS \
         tooloo_k (tooloo_1, tooloo_2, tooloo_n), LATERAL ("
    ));
    assert!(!merged.contains("ANY"), "{merged}");
}

#[test]
fn the_keys_stand_there_once_more_where_an_index_begins_with_the_column() {
    let leading = ["b".to_string(), "T".to_string()];
    for (text, more) in [
        ("SELECT a FROM t WHERE b = $1", Some("b = ANY ($1::x._a)")),
        ("SELECT a FROM t u WHERE $1 = U.B AND c IS NULL -- why", Some("U.B = ANY ($1::x._a)")),
        ("SELECT a FROM t WHERE (\"T\" = $1);", Some("\"T\" = ANY ($1::x._a)")),
        ("SELECT a FROM t WHERE c = $1", None),
        ("SELECT a FROM t WHERE b = $1::int", None),
        ("SELECT a FROM t WHERE b = $1 AND c = $1", None),
    ] {
        let merged = lookup(text).unwrap().merged(&["x._a"], &leading);
        let found = merged.split_once("\nAND ").and_then(|(_, rest)| rest.split_once("\n) AS"));
        assert_eq!(found.map(|(more, _)| more), more, "{text}");
    }
}

#[test]
fn every_column_is_named_to_the_catalog() {
    let lookup = lookup("SELECT A, u.\"B\", c AS d FROM t u WHERE u.E = $1 AND F IS NULL AND a > 1").unwrap();
    assert_eq!(lookup.columns, ["B", "a", "c", "e", "f"]);
}

#[test]
fn what_is_not_merged() {
    use Refusal::*;
    let mut wrong = Vec::new();
    for (text, expected) in [
        // Not even shared.
        ("SELECT a FROM t WHERE b = $1 FOR UPDATE", Locks),
        ("SELECT a FROM t WHERE b = $1 FOR UPDATE NOWAIT", Locks),
        ("SELECT a FROM t WHERE b = $1 FOR NO KEY UPDATE", NotUnderstood),
        ("SELECT a FROM t WHERE b = $1 FOR KEY SHARE", NotUnderstood),
        ("INSERT INTO t (a) VALUES ($1)", NotOneSelect),
        ("SELECT a FROM t WHERE b = $1; SELECT 1", NotOneSelect),
        ("SELECT a FROM t WHERE b = $1 AND", NotUnderstood),
        ("SELECT a FROM t TABLESAMPLE BERNOULLI (1) WHERE b = $1", NoTable),
        ("SELECT a FROM ROWS FROM (f(1)) WHERE b = $1", NotUnderstood),
        ("WITH t AS (SELECT 1 AS a) SELECT a FROM t WHERE a = $1", With),
        // Shared, but not merged.
        ("SELECT a FROM t WHERE b = $1 LIMIT 1", Limited),
        ("SELECT a FROM t WHERE b = $1 OFFSET 1", Limited),
        ("SELECT a FROM t WHERE b = $1 FETCH FIRST ROW ONLY", Limited),
        ("SELECT a FROM t WHERE b = $1 ORDER BY a", Ordered),
        ("SELECT DISTINCT a FROM t WHERE b = $1", Distinct),
        ("SELECT DISTINCT ON (a) a FROM t WHERE b = $1", Distinct),
        ("SELECT a FROM t WHERE b = $1 GROUP BY a", Grouped),
        ("SELECT a FROM t WHERE b = $1 HAVING true", Grouped),
        ("SELECT a FROM t WHERE b = $1 WINDOW w AS (ORDER BY a)", Grouped),
        ("SELECT count(*) FROM t WHERE b = $1", Computed),
        ("SELECT max(a) FROM t WHERE b = $1", Computed),
        ("SELECT nextval('s') FROM t WHERE b = $1", Computed),
        ("SELECT random() FROM t WHERE b = $1", Computed),
        ("SELECT row_number() OVER () FROM t WHERE b = $1", Computed),
        ("SELECT a + 1 FROM t WHERE b = $1", Computed),
        ("SELECT a::text FROM t WHERE b = $1", Computed),
        ("SELECT $1 FROM t WHERE b = $1", Computed),
        ("SELECT (SELECT 1) FROM t WHERE b = $1", Computed),
        ("SELECT now(), a FROM t WHERE b = $1", Computed),
        ("SELECT FROM t WHERE b = $1", Computed),
        ("SELECT a FROM t, u WHERE b = $1", Joined),
        ("SELECT a FROM t JOIN u USING (a) WHERE b = $1", Joined),
        ("SELECT a FROM (t JOIN u USING (a)) WHERE b = $1", Joined),
        ("SELECT a FROM (SELECT * FROM t) s WHERE b = $1", Subquery),
        ("SELECT a FROM t WHERE b = $1 AND a IN (SELECT 1)", Subquery),
        ("SELECT a FROM t WHERE b = $1 AND EXISTS (SELECT 1)", Subquery),
        ("SELECT a FROM t WHERE b = (SELECT $1)", Subquery),
        ("SELECT a FROM t WHERE b = $1 UNION SELECT 1", NotOneSelection),
        ("VALUES ($1)", NotOneSelection),
        ("SELECT a FROM t WHERE b = $1 OR c = $2", Condition),
        ("SELECT a FROM t WHERE NOT b = $1", Condition),
        ("SELECT a FROM t WHERE b > $1", Condition),
        ("SELECT a FROM t WHERE b = $1 AND c > $2", Condition),
        ("SELECT a FROM t WHERE b = $1 AND c = random()", Condition),
        ("SELECT a FROM t WHERE b = $1 AND c LIKE 'x%'", Condition),
        ("SELECT a FROM t WHERE lower(b) = $1", Condition),
        ("SELECT a FROM t WHERE b::text = $1", Condition),
        ("SELECT a FROM t WHERE b = $1 + 1", Condition),
        ("SELECT a FROM t WHERE b = lower($1)", Condition),
        ("SELECT a FROM t WHERE b = ANY ($1)", Condition),
        ("SELECT a FROM t WHERE b IN ($1)", Condition),
        ("SELECT a FROM t WHERE b IS NOT DISTINCT FROM $1", Condition),
        ("SELECT a FROM t WHERE b COLLATE \"C\" = $1", Condition),
        ("SELECT a FROM t WHERE (b, c) = ($1, 2)", Condition),
        ("SELECT a FROM t WHERE b OPERATOR(pg_catalog.=) $1", Condition),
        ("SELECT a FROM t WHERE b.c[1] = $1", Condition),
        ("SELECT a FROM t", NoKey),
        ("SELECT a FROM t WHERE b = 1", NoKey),
        ("SELECT a FROM t WHERE b = $2", Parameters),
        ("SELECT a FROM t WHERE b = $0", Parameters),
        ("SELECT a FROM t AS u (b) WHERE b = $1", NoTable),
        ("SELECT 1 WHERE 1 = $1", NoTable),
        ("SELECT tooloo_k FROM t WHERE b = $1", Wording),
        ("SELECT \"tooloo_1\" FROM t WHERE b = $1", Wording),
        ("/*+ SeqScan(t) */ SELECT a FROM t WHERE b = $1", Wording),
        (r"SELECT a FROM t WHERE b = $1 AND c = 'it\'", Wording),
    ] {
        let found = lookup(text).err();
        if found != Some(expected) {
            wrong.push((text, found, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_cut_text_is_the_text_when_it_is_joined_again() {
    let (pieces, places) = cut("SELECT a$1, $12::int FROM é$2 WHERE a=$1 AND '$3' = $4").unwrap();
    assert_eq!(pieces, ["SELECT a$1, ", "::int FROM é$2 WHERE a=", " AND '$3' = ", ""]);
    assert_eq!(places, [12, 1, 4]);
}
