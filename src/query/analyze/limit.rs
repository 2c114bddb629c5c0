//! Whether a query may return any number of rows.

use super::column::column;
use super::expression::ungrouped;
use super::filter::{conjuncts, operands};
use super::relation::Relations;
use sqlparser::ast::{BinaryOperator, Expr, Function, ObjectName, Query, Select, SelectItem, SetExpr};

/// Columns that are keys by their name; so are those that end in `_id` and the like.
const KEYS: [&str; 9] = ["id", "uuid", "key", "slug", "email", "token", "code", "sku", "username"];
const KEY_ENDS: [&str; 6] = ["_id", "_uuid", "_key", "_hash", "_token", "_code"];
/// Functions that make one row of all.
const AGGREGATES: [&str; 22] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "array_agg",
    "string_agg",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
    "bool_and",
    "bool_or",
    "every",
    "stddev",
    "variance",
    "percentile_cont",
    "percentile_disc",
    "mode",
    "corr",
    "group_concat",
    "coalesce",
];

/// The select of a query without LIMIT that may return as many rows as its tables have. A select that groups, or
/// takes the distinct values, or looks up a key, is not one; neither is one that locks what it returns.
pub fn unbounded<'e>(
    body: &'e SetExpr,
    query: &Query,
    is_table: impl Fn(&ObjectName) -> bool + Copy,
) -> Option<&'e Select> {
    match body {
        SetExpr::Select(select) => {
            let relations = Relations::of(&select.from);
            let tables = relations.all.iter().filter_map(|relation| relation.table.as_ref()).any(is_table);
            let few = select.distinct.is_some() || select.top.is_some() || !ungrouped(select) || one_row(select);
            let keyed = select.selection.as_ref().is_some_and(|filter| conjuncts(filter).into_iter().any(is_key));
            (tables && !few && !keyed && query.locks.is_empty() && select.into.is_none()).then_some(select)
        }
        SetExpr::SetOperation { left, right, .. } => {
            unbounded(left, query, is_table).or_else(|| unbounded(right, query, is_table))
        }
        _ => None,
    }
}

fn is_key(condition: &Expr) -> bool {
    let tested = match condition {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => [Some(left), Some(right)],
        Expr::InList { expr, negated: false, .. } => [Some(expr), None],
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, .. } => [Some(left), None],
        _ => return false,
    };
    tested
        .into_iter()
        .flatten()
        .filter_map(|side| column(side))
        .any(|name| KEYS.contains(&name.as_str()) || KEY_ENDS.iter().any(|end| name.ends_with(end)))
}

/// Whether every item of the select list is an aggregate: then there is one row.
fn one_row(select: &Select) -> bool {
    select.projection.iter().all(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => aggregates(expr),
        _ => false,
    })
}

fn aggregates(expr: &Expr) -> bool {
    match super::column::strip(expr) {
        Expr::Function(Function { name, over: None, .. }) => {
            let name = name.to_string().to_lowercase();
            AGGREGATES.contains(&name.as_str()) && (name != "coalesce" || nested(expr))
        }
        Expr::Cast { expr, .. } => aggregates(expr),
        whole @ Expr::BinaryOp { .. } => {
            let leaves = operands(whole, |_| true);
            leaves.iter().any(|leaf| aggregates(leaf)) && leaves.iter().all(|leaf| aggregates(leaf) || constant(leaf))
        }
        _ => false,
    }
}

fn constant(expr: &Expr) -> bool {
    super::column::Columns::none(expr) && !matches!(super::column::strip(expr), Expr::Function(_))
}

/// Whether a function's first argument is an aggregate.
fn nested(expr: &Expr) -> bool {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
    let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = super::column::strip(expr) else {
        return false;
    };
    matches!(list.args.first(), Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) if aggregates(first))
}
