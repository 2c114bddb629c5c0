//! Which queries with the same text and parameters may share one answer.
//!
//! Only a statement that provably reads and never changes anything, and that gives the same answer when it is asked
//! twice at the same time: one SELECT, without locks, without volatile functions, over plain tables. What the text
//! shows is decided here; what only the server knows is asked of its catalog ([`super::catalog`]).

use super::merge::Lookup;
use super::tree;
use sqlparser::ast::{Ident, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor};
use std::ops::ControlFlow;

/// Why queries of a text are sent as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The parser does not understand the text, or it is too long.
    NotUnderstood,
    /// Several statements, or another one than SELECT.
    NotOneSelect,
    /// INTO, or a part that writes.
    Writes,
    /// FOR UPDATE, FOR SHARE, …
    Locks,
    /// WITH.
    With,
    /// A function, a sample or something else in FROM that is no table or subquery.
    NoTable,
    /// UNION, VALUES and the like.
    NotOneSelection,
    /// DISTINCT.
    Distinct,
    /// GROUP BY, HAVING, windows.
    Grouped,
    /// ORDER BY.
    Ordered,
    /// LIMIT, OFFSET, FETCH.
    Limited,
    /// More than one table.
    Joined,
    /// A subquery in FROM or WHERE.
    Subquery,
    /// Selects something else than columns and constants: expressions, functions, aggregates.
    Computed,
    /// A condition that is neither `key = $n` nor a comparison of a column with a constant.
    Condition,
    /// No `key = $n`.
    NoKey,
    /// Parameters that are not `$1` to `$n`.
    Parameters,
    /// A name that the merged statement needs for itself, a hint for the planner, a backslash in a literal.
    Wording,
    /// The catalog does not know one of the tables, or it is a view, a foreign table or no table at all.
    NotPlainTable,
    /// Row-level security decides what is seen.
    RowSecurity,
    /// A function of one of the names in the text is volatile, or an operator or cast of the database is.
    Volatile,
    /// Something that looks like a column is none.
    NotAColumn,
    /// A parameter of a type for which the merged comparison is not certain to be the same.
    Type,
    /// The server refused the question, or the merged statement.
    Server,
}

impl Refusal {
    /// The refusal in words.
    pub const fn text(self) -> &'static str {
        match self {
            Refusal::NotUnderstood => "the text is not understood",
            Refusal::NotOneSelect => "it is not one SELECT",
            Refusal::Writes => "it writes",
            Refusal::Locks => "it locks rows",
            Refusal::With => "it has a WITH clause",
            Refusal::NoTable => "it reads from something else than tables",
            Refusal::NotOneSelection => "it combines several selections",
            Refusal::Distinct => "it has DISTINCT",
            Refusal::Grouped => "it groups or aggregates",
            Refusal::Ordered => "it has ORDER BY",
            Refusal::Limited => "it has LIMIT, OFFSET or FETCH",
            Refusal::Joined => "it reads from more than one table",
            Refusal::Subquery => "it has a subquery",
            Refusal::Computed => "it selects something else than columns",
            Refusal::Condition => "its WHERE is not a conjunction of key = $n and comparisons with constants",
            Refusal::NoKey => "its WHERE has no key = $n",
            Refusal::Parameters => "its parameters are not $1 to $n",
            Refusal::Wording => "it has a hint, a backslash in a literal, or a name that begins with tooloo_",
            Refusal::NotPlainTable => "a relation is not a plain table",
            Refusal::RowSecurity => "a table has row-level security",
            Refusal::Volatile => {
                "a name in it is that of a volatile function, or the database has volatile operators or casts"
            }
            Refusal::NotAColumn => "a name in it is not a column of the table",
            Refusal::Type => "a parameter's type is not one whose comparison is certain to be the same",
            Refusal::Server => "the server refused it",
        }
    }
}

/// What a text shows: enough to ask the catalog for the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The relations, as they are written.
    pub relations: Vec<String>,
    /// Every name in the text as the server folds it: any function is called by one of them.
    pub names: Vec<String>,
    /// Whether queries that differ by their parameters may become one.
    pub lookup: Result<Lookup, Refusal>,
}

impl Reading {
    /// Reads a text. An error means that its queries are not even to share an answer.
    pub fn of(text: &str) -> Result<Self, Refusal> {
        tree::read(text, |statements| {
            let [Statement::Query(query)] = statements else { return Err(Refusal::NotOneSelect) };
            let mut reader = Reader::default();
            if let ControlFlow::Break(refusal) = query.visit(&mut reader) {
                return Err(refusal);
            }
            reader.names.sort_unstable();
            reader.names.dedup();
            Ok(Self { relations: reader.relations, names: reader.names, lookup: Lookup::of(text, query) })
        })
        .unwrap_or(Err(Refusal::NotUnderstood))
    }
}

/// A name as the server folds it.
pub(super) fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_ascii_lowercase() }
}

/// Walks a query, and breaks off where it does more than read plain tables.
#[derive(Default)]
struct Reader {
    relations: Vec<String>,
    names: Vec<String>,
}

impl Visitor for Reader {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        if !query.locks.is_empty() {
            return ControlFlow::Break(Refusal::Locks);
        }
        match &*query.body {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return ControlFlow::Break(Refusal::Writes);
            }
            SetExpr::Table(_) => return ControlFlow::Break(Refusal::NoTable),
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::SetOperation { .. } | SetExpr::Values(_) => {}
        }
        let foreign = query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some();
        if foreign || !query.pipe_operators.is_empty() {
            return ControlFlow::Break(Refusal::NotUnderstood);
        }
        if query.with.is_some() { ControlFlow::Break(Refusal::With) } else { ControlFlow::Continue(()) }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refusal> {
        if select.into.is_some() { ControlFlow::Break(Refusal::Writes) } else { ControlFlow::Continue(()) }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Refusal> {
        let plain = match factor {
            TableFactor::Table { .. } => is_plain(factor),
            TableFactor::Derived { sample, .. } => sample.is_none(),
            TableFactor::NestedJoin { .. } => true,
            _ => false,
        };
        if plain { ControlFlow::Continue(()) } else { ControlFlow::Break(Refusal::NoTable) }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Refusal> {
        self.relations.push(relation.to_string());
        ControlFlow::Continue(())
    }

    fn pre_visit_ident(&mut self, name: &Ident) -> ControlFlow<Refusal> {
        self.names.push(folded(name));
        ControlFlow::Continue(())
    }
}

/// Whether it is a table, and nothing but a table, that is read.
fn is_plain(factor: &TableFactor) -> bool {
    let TableFactor::Table {
        name: _,
        alias: _,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        index_hints,
    } = factor
    else {
        return false;
    };
    with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_even_share_an_answer() {
        for (text, expected) in [
            ("this is no sql", Refusal::NotUnderstood),
            ("SELECT a FROM t WHERE b = ?)", Refusal::NotUnderstood),
            ("", Refusal::NotOneSelect),
            ("SELECT 1; SELECT 2", Refusal::NotOneSelect),
            ("INSERT INTO t VALUES ($1) RETURNING a", Refusal::NotOneSelect),
            ("UPDATE t SET a = 1 WHERE b = $1 RETURNING a", Refusal::NotOneSelect),
            ("DELETE FROM t WHERE b = $1", Refusal::NotOneSelect),
            ("EXPLAIN ANALYZE SELECT a FROM t WHERE b = $1", Refusal::NotOneSelect),
            ("BEGIN", Refusal::NotOneSelect),
            ("SELECT a INTO u FROM t WHERE b = $1", Refusal::Writes),
            ("SELECT a FROM t WHERE b = $1 FOR UPDATE", Refusal::Locks),
            ("SELECT a FROM t WHERE b = $1 FOR SHARE SKIP LOCKED", Refusal::Locks),
            ("SELECT a FROM (SELECT a FROM t WHERE b = $1 FOR UPDATE) s", Refusal::Locks),
            ("WITH w AS (DELETE FROM t RETURNING a) SELECT a FROM w WHERE a = $1", Refusal::With),
            ("WITH w AS (SELECT 1 AS a) SELECT a FROM w WHERE a = $1", Refusal::With),
            ("SELECT a FROM t TABLESAMPLE SYSTEM (10) WHERE b = $1", Refusal::NoTable),
            ("SELECT n FROM generate_series(1, $1) n", Refusal::NoTable),
            ("TABLE t", Refusal::NotUnderstood),
        ] {
            assert_eq!(Reading::of(text).err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_catalog_is_asked_for_every_name() {
        let reading =
            Reading::of("SELECT Lower(u.Full_Name), \"App\".F(1) FROM App.\"Users\" u WHERE id = $1").unwrap();
        assert_eq!(reading.relations, ["App.\"Users\""]);
        for name in ["lower", "full_name", "App", "f", "Users", "id"] {
            assert!(reading.names.iter().any(|known| known == name), "{name}: {:?}", reading.names);
        }
    }

    #[test]
    fn names_in_every_corner_are_seen() {
        for text in [
            "SELECT random() FROM t",
            "SELECT a FROM t WHERE b = random()",
            "SELECT a FROM t ORDER BY random()",
            "SELECT a FROM t GROUP BY a HAVING count(*) > random()",
            "SELECT a FROM t LIMIT random()",
            "SELECT a FROM t LEFT JOIN u ON random() > 0.5",
            "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE c > random())",
            "SELECT CASE WHEN random() > 1 THEN 1 END",
            "SELECT sum(a) FILTER (WHERE random() > 0.5) OVER (ORDER BY random()) FROM t",
            "SELECT ARRAY[random()], (ROW(random(), 1)), coalesce(random(), 1)",
            "SELECT 1 UNION SELECT random()",
            "SELECT t.random FROM t",
            "SELECT a::random FROM t",
            "SELECT substring(a from random()) FROM t",
            "SELECT extract(day from random()) FROM t",
            "SELECT a FROM t WHERE b BETWEEN random() AND 2 OR c IN (random()) OR d LIKE random()",
            "VALUES (random())",
        ] {
            let reading = Reading::of(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
            assert!(reading.names.iter().any(|name| name == "random"), "{text}");
        }
    }
}
