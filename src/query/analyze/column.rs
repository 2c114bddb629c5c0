//! Columns in expressions.

use sqlparser::ast::{Expr, Ident, Query, Value, Visit, Visitor};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// An expression without the parentheses around it.
pub fn strip(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// A name as the server compares it: lower case unless it is quoted.
pub fn name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The parts of a column's name, the column last; `None` for what is no column.
pub fn parts(expr: &Expr) -> Option<&[Ident]> {
    match strip(expr) {
        // Double quotes of MySQL's are strings; the parser knows.
        Expr::Identifier(ident) => Some(std::slice::from_ref(ident)),
        Expr::CompoundIdentifier(parts) => Some(parts),
        _ => None,
    }
}

/// The column's own name.
pub fn column(expr: &Expr) -> Option<String> {
    parts(expr).and_then(<[Ident]>::last).map(name)
}

/// What an expression looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The columns' names with their qualifiers.
    pub names: BTreeSet<Vec<String>>,
    /// There is a subquery, which has columns of its own.
    pub subquery: bool,
}

impl Columns {
    /// Those of an expression.
    pub fn of(expr: &Expr) -> Self {
        struct Reader(Columns);
        impl Visitor for Reader {
            type Break = ();

            fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
                if let Expr::Identifier(_) | Expr::CompoundIdentifier(_) = expr {
                    self.0.names.extend(parts(expr).map(|parts| parts.iter().map(name).collect()));
                }
                ControlFlow::Continue(())
            }

            fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
                self.0.subquery = true;
                ControlFlow::Continue(())
            }
        }
        let mut reader = Reader(Columns::default());
        // The reader never breaks off.
        let _ = expr.visit(&mut reader);
        reader.0
    }

    /// Whether an expression has the same value in every row.
    pub fn none(expr: &Expr) -> bool {
        let columns = Columns::of(expr);
        columns.names.is_empty() && !columns.subquery
    }
}

/// A literal or parameter.
pub fn value(expr: &Expr) -> Option<&Value> {
    match strip(expr) {
        Expr::Value(value) => Some(&value.value),
        _ => None,
    }
}

/// The contents of a string literal.
pub fn string(expr: &Expr) -> Option<&str> {
    match value(expr)? {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) | Value::NationalStringLiteral(text) => {
            Some(text)
        }
        Value::DollarQuotedString(quoted) => Some(&quoted.value),
        _ => None,
    }
}

/// A whole number.
pub fn number(expr: &Expr) -> Option<u64> {
    match value(expr)? {
        Value::Number(digits, _) => digits.parse().ok(),
        _ => None,
    }
}
