//! From a text to its syntax tree, on a stack that is deep enough.

use super::reader::Reader;
use super::report::{Found, Report};
use super::rule::Rule;
use super::source::Source;
use crate::query::fingerprint::Bare;
use sqlparser::ast::{Query, SetExpr, Statement, Visit};
use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Tokenizer;
use std::panic::catch_unwind;
use std::thread;

/// Texts up to this many bytes are parsed where they are.
const INLINE_BYTES: usize = 512;
/// Texts up to this many bytes are parsed on a thread with a deep stack; longer ones get the textual rules. A syntax
/// tree can be half as deep as its text is long (`1+1+1+…`), and walking it, or dropping it, recurses.
pub const PARSED_BYTES: usize = 8_192;
/// How much longer the text may be with its literals and comments, which add no depth.
const LITERALS: usize = 64;
const DEEP_STACK_BYTES: usize = 128 << 20;
/// Levels of nesting that a caller's own stack, which may be small, always has room for.
const SHALLOW: usize = 16;
/// Levels of nesting that the parser takes on the deep stack.
const DEEP: usize = 100;

/// What a syntax tree says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The kind of the first statement; `None` when there is none.
    pub statement: Option<&'static str>,
    /// The tables, in the order of the text.
    pub tables: Vec<String>,
    /// The findings, in the order of the text.
    pub found: Vec<Found>,
}

/// What became of a text in the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tree {
    Read(Read),
    NotSql,
    TooDeep,
}

/// What the syntax tree of a text says; `None` when there is none.
pub fn read(text: &str, bare: &Bare) -> Option<Read> {
    let (depth, whole) = (bare.text.len(), text.len());
    // In PostgreSQL `?` is an operator; with other drivers it is a parameter.
    match parsed(text, depth, whole, &PostgreSqlDialect {}, bare)? {
        Tree::Read(read) => Some(read),
        Tree::NotSql if bare.text.contains('?') || text.contains('`') => {
            match parsed(text, depth, whole, &MySqlDialect {}, bare)? {
                Tree::Read(read) => Some(read),
                Tree::NotSql | Tree::TooDeep => None,
            }
        }
        Tree::NotSql | Tree::TooDeep => None,
    }
}

fn parsed(text: &str, depth: usize, whole: usize, dialect: &(impl Dialect + Sync), bare: &Bare) -> Option<Tree> {
    let inline = if depth <= INLINE_BYTES {
        let read = std::panic::AssertUnwindSafe(|| from_tree(text, SHALLOW, dialect, bare));
        catch_unwind(read).ok()?
    } else {
        Tree::TooDeep
    };
    match inline {
        Tree::TooDeep if depth <= PARSED_BYTES && whole <= LITERALS * PARSED_BYTES => {
            on_deep_stack(|| from_tree(text, DEEP, dialect, bare))
        }
        tree => Some(tree),
    }
}

/// Runs work that recurses; `None` when it panicked, or no thread was to be had.
pub fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(DEEP_STACK_BYTES);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

fn from_tree(text: &str, nesting: usize, dialect: &dyn Dialect, bare: &Bare) -> Tree {
    let Ok(tokens) = Tokenizer::new(dialect, text).tokenize_with_location() else { return Tree::NotSql };
    let mut report = Report::new(Source::new(text, &tokens));
    let mut parser = Parser::new(dialect).with_recursion_limit(nesting).with_tokens_with_locations(tokens);
    let statements = match parser.parse_statements() {
        Ok(statements) => statements,
        Err(ParserError::RecursionLimitExceeded) => return Tree::TooDeep,
        Err(_) => return Tree::NotSql,
    };
    let mut reader = Reader::new(&mut report);
    // The reader never breaks off.
    let _ = statements.visit(&mut reader);
    let (unlimited_where, has_where) = (reader.unlimited_where, reader.has_where);
    let tables = reader.finish();
    if unlimited_where {
        report.add(Rule::UnlimitedWhere, 0..text.len());
    }
    if has_where && !mentions_index(&statements, bare) {
        report.add(Rule::UnknownIndex, 0..text.len());
    }
    Tree::Read(Read { statement: statements.first().and_then(kind), tables, found: report.into_found() })
}

/// Whether a hint to the planner speaks of an index: in a comment, or with MySQL's USE INDEX.
fn mentions_index(statements: &[Statement], bare: &Bare) -> bool {
    let hinted = || statements.iter().any(|statement| statement.to_string().to_lowercase().contains(" index ("));
    bare.comments.contains("index") || (bare.text.contains(" index ") && hinted())
}

fn kind(statement: &Statement) -> Option<&'static str> {
    Some(match statement {
        Statement::Query(query) => kind_of_query(query),
        Statement::Insert(_) => "insert",
        Statement::Update(_) => "update",
        Statement::Delete(_) => "delete",
        Statement::Merge(_) => "merge",
        _ => return None,
    })
}

fn kind_of_query(query: &Query) -> &'static str {
    match &*query.body {
        SetExpr::Insert(_) => "insert",
        SetExpr::Update(_) => "update",
        SetExpr::Delete(_) => "delete",
        SetExpr::Merge(_) => "merge",
        SetExpr::Values(_) => "values",
        SetExpr::Table(_) => "table",
        _ => "select",
    }
}
