//! Advice, places and bounds. What each rule finds and leaves alone is told by the tests of the face.

use super::tree::PARSED_BYTES;
use super::*;
use crate::query::lint::advise;
use proptest::prelude::*;
use rule::Rule::{self, *};

fn of(text: &str) -> Vec<Rule> {
    advice(text)
}

/// The parts of a text that a rule points at.
fn parts(text: &str, rule: Rule) -> Vec<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let found = analyze(text).findings.into_iter().filter(|finding| finding.rule == rule);
    found.map(|finding| String::from_utf16_lossy(&units[finding.start..finding.end])).collect()
}

#[test]
fn advice_comes_from_the_syntax_tree() {
    for (text, expected) in [
        ("SELECT * FROM users WHERE id = $1", &[SelectStar, UnlimitedWhere, UnknownIndex][..]),
        ("select   *\nfrom users", &[SelectStar]),
        ("SELECT u.* FROM users u LIMIT 5", &[SelectStar]),
        ("SELECT count(*) FROM users", &[]),
        ("SELECT 2 * 3", &[]),
        ("SELECT id FROM users WHERE id = 1 LIMIT 1 -- index users_pkey", &[]),
        ("SELECT id FROM users WHERE id = 1 FETCH FIRST 1 ROWS ONLY /*+ IndexScan(users) */", &[]),
        ("SELECT 'where * join join join' FROM t", &[]),
        ("SELECT \"where\", \"limit\" FROM t WHERE a = 1", &[UnlimitedWhere, UnknownIndex]),
        ("SELECT a FROM (SELECT a FROM t WHERE b = 1 LIMIT 5) s", &[UnknownIndex]),
        ("SELECT a FROM (SELECT a FROM t WHERE b = 1) s LIMIT 5", &[UnknownIndex]),
        ("SELECT a FROM t WHERE b IN (SELECT b FROM u LIMIT 5)", &[UnlimitedWhere, UnknownIndex]),
        ("SELECT a FROM t\nJOIN u USING (i)\nLEFT JOIN v USING (i)\nCROSS JOIN w", &[ManyJoins]),
        ("SELECT a FROM t JOIN (u JOIN v USING (i) JOIN w USING (i)) USING (i)", &[ManyJoins]),
        ("SELECT a FROM t JOIN u USING (i) JOIN v USING (i)", &[]),
        ("UPDATE t SET a = 1 WHERE id = 2", &[UnknownIndex]),
        ("DELETE FROM t WHERE id = 2", &[UnknownIndex]),
        ("INSERT INTO t (a) SELECT a FROM u WHERE b = 1", &[UnknownIndex]),
        ("INSERT INTO t (a) VALUES (1)", &[]),
        ("DELETE FROM t", &[DeleteWithoutWhere]),
        ("SELECT * FROM users WHERE id = ?", &[SelectStar, UnlimitedWhere, UnknownIndex]),
        ("select a from t use index (i) where b = ? limit 1", &[]),
        ("", &[]),
    ] {
        let bare = fingerprint::bare(text);
        assert!(tree::read(text, &bare).is_some(), "{text}");
        assert_eq!(of(text), expected, "{text}");
    }
}

#[test]
fn what_does_not_parse_gets_the_textual_rules() {
    for (text, expected) in [
        ("SELECT DISTINCT s.u.* FROM ? ?", &[SelectStar][..]),
        ("select 'where *' from ? ? join a join b join c", &[ManyJoins]),
        (
            "select [a] from [t] where [a] = null and [b] in (1) order by random() offset 2000",
            &[UnlimitedWhere, UnknownIndex, DeepOffset, OrderByRandom, NullComparison],
        ),
        ("delete from ? ?", &[DeleteWithoutWhere]),
        ("update ? ? set a = null", &[UpdateWithoutWhere]),
        ("this is no sql", &[]),
    ] {
        assert!(tree::read(text, &fingerprint::bare(text)).is_none(), "{text}");
        assert_eq!(of(text), expected, "{text}");
    }
}

#[test]
fn the_original_advice_comes_first_and_in_its_own_words() {
    let advice = advise("SELECT * FROM a, b JOIN c USING (i) JOIN d USING (i) JOIN e USING (i) WHERE a.x = NULL");
    assert_eq!(
        advice.get(..4),
        Some(
            &[
                "Name the columns you need instead of selecting all of them: less to read, send and decode",
                "Three or more joins: look at the plan (EXPLAIN ANALYZE), and consider splitting or denormalizing",
                "WHERE without LIMIT: bound the number of rows the query can return",
                "Make sure that an index covers the columns in the WHERE clause",
            ][..]
        )
    );
    assert!(advice.len() > 4);
}

#[test]
fn places_count_as_javascript_does() {
    let text = "SELECT 'é💡', \"ключ\" -- 💡\n FROM t\r\nWHERE note = '💡💡' AND lower(name) = $1 LIMIT 3";
    assert_eq!(parts(text, FunctionOnColumn), ["lower(name) = $1"]);
    assert_eq!(parts("SELECT a FROM t WHERE '💡' = b AND (c = NULL) LIMIT 1", NullComparison), ["c = NULL"]);
    assert_eq!(parts("/* 💡 */ SELECT t.* FROM t WHERE [ LIMIT 1", SelectStar), ["t.*"]);
}

#[test]
fn a_place_covers_the_parentheses_that_belong_to_it() {
    for (text, rule, expected) in [
        (
            "SELECT a FROM t WHERE b NOT IN (SELECT c FROM u WHERE d IN (1, 2)) LIMIT 1",
            NotInSubquery,
            "b NOT IN (SELECT c FROM u WHERE d IN (1, 2))",
        ),
        ("SELECT a FROM t WHERE CAST(day AS date) = $1 LIMIT 1", CastOnColumn, "CAST(day AS date) = $1"),
        ("SELECT a FROM t ORDER BY random() LIMIT 1", OrderByRandom, "random()"),
        (
            "SELECT a FROM t WHERE (SELECT count(*) FROM u) > 0 LIMIT 1",
            CountForExistence,
            "(SELECT count(*) FROM u) > 0",
        ),
        ("SELECT a FROM t LIMIT 5 OFFSET 5000", DeepOffset, "OFFSET 5000"),
        ("WITH x AS (SELECT 1) SELECT 2", UnusedCte, "x"),
        ("UPDATE s.t SET a = 1", UpdateWithoutWhere, "UPDATE s.t"),
        ("SELECT a FROM t, u AS v LIMIT 1", CartesianJoin, "u AS v"),
    ] {
        assert_eq!(parts(text, rule), [expected], "{text}");
    }
}

#[test]
fn a_deep_text_does_not_overflow_the_stack() {
    for unit in ["1+", "(", "not ", "- ", "a or ", "a and ", "lower(", "'a' || ", "select 1 union ", "case when "] {
        for bytes in [400, 5_000, PARSED_BYTES, 100_000] {
            let text = format!("select * from t where {}1", unit.repeat(bytes / unit.len()));
            assert!(of(&text).contains(&SelectStar), "{bytes} bytes of {unit}");
        }
    }
    assert!(of(&format!("{}1", "select 1 union ".repeat(500))).is_empty());
}

#[test]
fn a_text_of_a_megabyte_is_answered_by_the_textual_rules() {
    let ids = (0..150_000).map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!("SELECT a FROM t WHERE b IN ({ids}) LIMIT 5");
    assert!(text.len() > 1 << 19);
    assert_eq!(of(&text), [UnknownIndex, HugeInList]);
    assert!(analyze(&"(".repeat(1 << 20)).findings.is_empty());
    let mistakes = format!("SELECT a FROM t WHERE {} LIMIT 1", vec!["b = NULL"; 500].join(" OR "));
    assert!(analyze(&mistakes).findings.len() <= 100);
}

/// SQL-like texts, mostly wrong.
fn sql() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "select ",
        "* ",
        "a, ",
        "t.a ",
        "from ",
        "t ",
        "u ",
        ", ",
        "join ",
        "on ",
        "where ",
        "a = ",
        "null ",
        "not ",
        "in ",
        "(",
        ")",
        "lower(",
        "'x' ",
        "|| ",
        "like '%x' ",
        "::date ",
        "with c as (",
        "count(*) ",
        "> 0 ",
        "order by ",
        "random() ",
        "limit 5 ",
        "offset 5000 ",
        "update ",
        "set ",
        "delete ",
        "insert into ",
        "values ",
        "; ",
        "💡",
        "\n",
        "\"q\" ",
        "-- c\n",
        "/* c */ ",
        "$1 ",
        "? ",
        "or ",
        "and ",
        "exists ",
        "case when ",
        "cast(",
        "distinct ",
    ];
    prop::collection::vec(prop::sample::select(PARTS), 0..40).prop_map(|parts| parts.concat())
}

/// Every finding lies inside the text.
fn sound(text: &str) -> bool {
    let length = text.encode_utf16().count();
    analyze(text).findings.iter().all(|finding| finding.start <= finding.end && finding.end <= length)
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        prop_assert!(sound(&text));
    }

    #[test]
    fn any_sequence_of_sql_is_answered(text in sql()) {
        prop_assert!(sound(&text));
    }

    #[test]
    fn what_only_looks_like_sql_is_no_finding(inside in "[a-zA-Z*=%(); ]{0,40}") {
        for text in [
            format!("SELECT a FROM t WHERE b = '{inside}' LIMIT 1"),
            format!("SELECT a FROM t WHERE \"{inside}x\" = $1 LIMIT 1"),
            format!("SELECT a FROM t /* {inside} */ WHERE b = $1 LIMIT 1 -- {inside}"),
        ] {
            prop_assert_eq!(analyze(&text).findings, vec![], "{}", text);
        }
    }
}
