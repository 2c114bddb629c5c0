//! The syntax tree of a text, read where deep nesting can do no harm.

use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::thread;

/// Longer texts are not read. A tree can be half as deep as its text is long (`1+1+1+…`), and walking it, or dropping
/// it, recurses: this bounds the stack.
const PARSED_BYTES: usize = 16_384;
const STACK_BYTES: usize = 256 << 20;
/// Levels of nesting that the parser takes.
const NESTING: usize = 100;

/// What `read` makes of the statements of a text; `None` when the parser does not understand it, or it is too long.
pub fn read<T: Send>(text: &str, read: impl FnOnce(&[Statement]) -> T + Send) -> Option<T> {
    if text.len() > PARSED_BYTES {
        return None;
    }
    let parse = || {
        let dialect = PostgreSqlDialect {};
        let parser = Parser::new(&dialect).with_recursion_limit(NESTING).try_with_sql(text);
        let statements = parser.and_then(|mut parser| parser.parse_statements()).ok()?;
        Some(read(&statements))
    };
    thread::scope(|scope| {
        thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, parse).ok()?.join().ok()?
    })
}
