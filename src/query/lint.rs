//! Advice about a query, from its syntax tree; where the parser does not understand the text, from its words.
//!
//! A syntax tree knows that a keyword in a string, a name or a comment is none, and which LIMIT belongs to which
//! WHERE. The textual rules are what is left for other dialects and for texts that no parser takes; they look at the
//! literal-free form ([`fingerprint::bare`]).

use super::fingerprint::{self, Bare, words};
use sqlparser::ast::{Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Visit, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use std::ops::ControlFlow;
use std::panic::catch_unwind;
use std::thread;

/// From this many joins on, a query is worth a second look.
const MANY_JOINS: usize = 3;
/// Texts up to this many bytes are parsed where they are.
const INLINE_BYTES: usize = 512;
/// Texts up to this many bytes are parsed on a thread with a deep stack; longer ones get the textual rules. A syntax
/// tree can be half as deep as its text is long (`1+1+1+…`), and walking it, or dropping it, recurses.
const PARSED_BYTES: usize = 8_192;
const DEEP_STACK_BYTES: usize = 128 << 20;
/// Levels of nesting that a caller's own stack, which may be small, always has room for.
const SHALLOW: usize = 16;
/// Levels of nesting that the parser takes on the deep stack.
const DEEP: usize = 100;

/// A kind of advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Advice {
    /// `SELECT *`, `SELECT t.*`
    SelectAll,
    /// Three joins or more.
    ManyJoins,
    /// WHERE without LIMIT.
    NoLimit,
    /// WHERE, and no index is spoken of.
    NoIndex,
}

impl Advice {
    const ALL: [Advice; 4] = [Advice::SelectAll, Advice::ManyJoins, Advice::NoLimit, Advice::NoIndex];

    /// The advice in words.
    pub const fn text(self) -> &'static str {
        match self {
            Advice::SelectAll => {
                "Name the columns you need instead of selecting all of them: less to read, send and decode"
            }
            Advice::ManyJoins => {
                "Three or more joins: look at the plan (EXPLAIN ANALYZE), and consider splitting or denormalizing"
            }
            Advice::NoLimit => "WHERE without LIMIT: bound the number of rows the query can return",
            Advice::NoIndex => "Make sure that an index covers the columns in the WHERE clause",
        }
    }
}

/// What the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Facts {
    selects_all: bool,
    joins: usize,
    has_where: bool,
    /// A WHERE of a query that nothing limits.
    unlimited_where: bool,
    mentions_index: bool,
}

impl Facts {
    fn found(self, advice: Advice) -> bool {
        match advice {
            Advice::SelectAll => self.selects_all,
            Advice::ManyJoins => self.joins >= MANY_JOINS,
            Advice::NoLimit => self.unlimited_where,
            Advice::NoIndex => self.has_where && !self.mentions_index,
        }
    }
}

/// All advice about a text, in a fixed order; none means that the query is fine as it is.
pub fn advise(text: &str) -> Vec<Advice> {
    let bare = fingerprint::bare(text);
    let facts = parsed(text, &bare).unwrap_or_else(|| textual(&bare));
    Advice::ALL.into_iter().filter(|&advice| facts.found(advice)).collect()
}

/// Facts from the syntax tree; `None` when there is none.
fn parsed(text: &str, bare: &Bare) -> Option<Facts> {
    // Strings and comments add no depth, so only the rest counts. Their own length is bounded generously.
    let (depth, whole) = (bare.text.len(), text.len());
    let inline = if depth <= INLINE_BYTES { catch_unwind(|| from_tree(text, SHALLOW)).ok()? } else { Tree::TooDeep };
    let tree = match inline {
        Tree::TooDeep if depth <= PARSED_BYTES && whole <= 64 * PARSED_BYTES => on_deep_stack(text)?,
        tree => tree,
    };
    match tree {
        Tree::Facts(facts) => Some(Facts { mentions_index: bare.comments.contains("index"), ..facts }),
        Tree::NotSql | Tree::TooDeep => None,
    }
}

fn on_deep_stack(text: &str) -> Option<Tree> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(DEEP_STACK_BYTES);
        builder.spawn_scoped(scope, || from_tree(text, DEEP)).ok()?.join().ok()
    })
}

/// What became of a text in the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tree {
    Facts(Facts),
    NotSql,
    TooDeep,
}

fn from_tree(text: &str, nesting: usize) -> Tree {
    let dialect = PostgreSqlDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(nesting).try_with_sql(text);
    let statements = match parser.and_then(|mut parser| parser.parse_statements()) {
        Ok(statements) => statements,
        Err(ParserError::RecursionLimitExceeded) => return Tree::TooDeep,
        Err(_) => return Tree::NotSql,
    };
    let mut reader = TreeReader::default();
    // The reader never breaks off.
    let _ = statements.visit(&mut reader);
    Tree::Facts(reader.facts)
}

/// Walks a syntax tree and notes the facts.
#[derive(Default)]
struct TreeReader {
    facts: Facts,
    /// Whether the statement returns the rows of its queries to the caller.
    reads: bool,
    /// For each query around the current place: does it, or one around it, limit its rows?
    limited: Vec<bool>,
}

impl TreeReader {
    fn count_joins(&mut self, from: &TableWithJoins) {
        self.facts.joins += from.joins.len();
    }
}

impl Visitor for TreeReader {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.reads = matches!(statement, Statement::Query(_) | Statement::Explain { .. });
        match statement {
            Statement::Update(update) => {
                self.facts.has_where |= update.selection.is_some();
                self.count_joins(&update.table);
            }
            Statement::Delete(delete) => self.facts.has_where |= delete.selection.is_some(),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let around = self.limited.last().copied().unwrap_or(false);
        // A data-modifying body returns what it changed, not what a LIMIT would bound.
        let writes = matches!(&*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_));
        self.limited.push(around || writes || query.limit_clause.is_some() || query.fetch.is_some());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.limited.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let all = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        self.facts.selects_all |= select.projection.iter().any(all);
        select.from.iter().for_each(|from| self.count_joins(from));
        if select.selection.is_some() {
            self.facts.has_where = true;
            self.facts.unlimited_where |= self.reads && !self.limited.last().copied().unwrap_or(false);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            self.count_joins(table_with_joins);
        }
        ControlFlow::Continue(())
    }
}

/// Facts from the words of the literal-free form.
fn textual(bare: &Bare) -> Facts {
    let words: Vec<&str> = words(&bare.text).collect();
    let has = |wanted: &str| words.contains(&wanted);
    let has_where = has("where");
    Facts {
        selects_all: words
            .iter()
            .enumerate()
            .any(|(at, &word)| word == "select" && selects_all(words.get(at + 1..).unwrap_or_default())),
        joins: words.iter().filter(|&&word| word == "join").count(),
        has_where,
        unlimited_where: has_where && !has("limit") && !has("fetch"),
        mentions_index: has("index") || bare.comments.contains("index"),
    }
}

/// Whether the select list that starts here starts with `*`, `t.*` or `s.t.*`.
fn selects_all(list: &[&str]) -> bool {
    let list = match list {
        ["distinct" | "all", rest @ ..] => rest,
        list => list,
    };
    match list {
        ["*", ..] => true,
        [_, ".", rest @ ..] => selects_all(rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Advice::*;
    use super::*;

    #[test]
    fn advice_comes_from_the_syntax_tree() {
        for (text, expected) in [
            ("SELECT * FROM users WHERE id = $1", &[SelectAll, NoLimit, NoIndex][..]),
            ("select   *\nfrom users", &[SelectAll]),
            ("SELECT u.* FROM users u LIMIT 5", &[SelectAll]),
            ("SELECT count(*) FROM users", &[]),
            ("SELECT 2 * 3", &[]),
            ("SELECT id FROM users WHERE id = 1 LIMIT 1 -- index users_pkey", &[]),
            ("SELECT id FROM users WHERE id = 1 FETCH FIRST 1 ROWS ONLY /*+ IndexScan(users) */", &[]),
            ("SELECT 'where * join join join' FROM t", &[]),
            ("SELECT \"where\", \"limit\" FROM t WHERE a = 1", &[NoLimit, NoIndex]),
            ("SELECT a FROM (SELECT a FROM t WHERE b = 1 LIMIT 5) s", &[NoIndex]),
            ("SELECT a FROM (SELECT a FROM t WHERE b = 1) s LIMIT 5", &[NoIndex]),
            ("SELECT a FROM t WHERE b IN (SELECT b FROM u LIMIT 5)", &[NoLimit, NoIndex]),
            ("SELECT a FROM t\nJOIN u USING (i)\nLEFT JOIN v USING (i)\nCROSS JOIN w", &[ManyJoins]),
            ("SELECT a FROM t JOIN (u JOIN v USING (i) JOIN w USING (i)) USING (i)", &[ManyJoins]),
            ("SELECT a FROM t JOIN u USING (i) JOIN v USING (i)", &[]),
            ("UPDATE t SET a = 1 WHERE id = 2", &[NoIndex]),
            ("DELETE FROM t WHERE id = 2", &[NoIndex]),
            ("INSERT INTO t SELECT a FROM u WHERE b = 1", &[NoIndex]),
            ("INSERT INTO t VALUES (1)", &[]),
            ("", &[]),
        ] {
            assert!(matches!(from_tree(text, SHALLOW), Tree::Facts(_)), "{text}");
            assert_eq!(advise(text), expected, "{text}");
        }
    }

    #[test]
    fn what_does_not_parse_gets_the_textual_rules() {
        for (text, expected) in [
            ("SELECT * FROM users WHERE id = ?", &[SelectAll, NoLimit, NoIndex][..]),
            ("SELECT DISTINCT s.u.* FROM ? ?", &[SelectAll]),
            ("select a from t use index (i) where b = ? limit 1", &[]),
            ("select 'where *' from ? ? join a join b join c", &[ManyJoins]),
            ("this is no sql", &[]),
        ] {
            assert_eq!(from_tree(text, SHALLOW), Tree::NotSql, "{text}");
            assert_eq!(advise(text), expected, "{text}");
        }
    }

    #[test]
    fn a_deep_text_does_not_overflow_the_stack() {
        for unit in ["1+", "(", "not ", "- ", "a or ", "select 1 union ", "case when "] {
            for bytes in [400, 5_000, PARSED_BYTES, 100_000] {
                let text = format!("select * from t where {}1", unit.repeat(bytes / unit.len()));
                assert!(advise(&text).contains(&SelectAll), "{bytes} bytes of {unit}");
            }
        }
        assert!(advise(&format!("{}1", "select 1 union ".repeat(500))).is_empty());
    }
}
