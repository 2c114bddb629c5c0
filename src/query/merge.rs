//! Lookups that wait together as one statement.
//!
//! `SELECT cols FROM one_table WHERE key = $1` for many keys becomes
//!
//! ```sql
//! SELECT tooloo_k.tooloo_n::int4, tooloo_t.*
//! FROM unnest($1::int4[]) WITH ORDINALITY AS tooloo_k (tooloo_1, tooloo_n),
//! LATERAL (SELECT cols FROM one_table WHERE key = tooloo_k.tooloo_1) AS tooloo_t
//! ```
//!
//! The caller's own text stands in it, with a column in the place of each parameter, of the type that the server had
//! found for the parameter. So the same comparison is made, by the server, which also says to which lookup a row
//! belongs: collations, `citext`, padded `char(n)`, `1.0 = 1`, NaN and NULL are what they are alone. The planner pulls
//! the subquery up into a join. A `key = ANY ($1)` alone, which says less, would leave the assigning of rows to the
//! client.
//!
//! Where the key is the first column of an index, the subquery gets `AND key = ANY ($1::int4[])`: it takes nothing
//! away, but tells the planner of an index scan for all keys, where it would read and hash the whole table for a
//! thousand keys in 50,000 rows (4.6 ms instead of 1.3). Without an index, or in a generic plan that does not use it,
//! each row would be compared with each key, so it stands nowhere else.
//!
//! What is more than a lookup is refused, even where LATERAL would do: only this shape is worth it.

use super::cut::{PREFIX, cut};
use super::share::{Refusal, folded};
use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, GroupByExpr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, TableFactor, UnaryOperator, Value, WildcardAdditionalOptions,
};

/// Lookups in a merged statement at most: many enough to save round trips, few enough to stay a short statement.
pub const MERGED_LOOKUPS: u32 = 1_000;

/// A lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The columns that it names, as the server folds them.
    pub columns: Vec<String>,
    /// The number of its parameters.
    pub parameters: usize,
    /// The text, cut where the parameters stand.
    pieces: Vec<String>,
    /// The parameters between the pieces, counted from 1.
    places: Vec<usize>,
    /// The only key, if it is compared with its parameter as it comes.
    only_key: Option<Key>,
}

/// A column that is compared with a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    /// As it stands in the text.
    sql: String,
    /// As the server folds it.
    name: String,
}

impl Lookup {
    /// The lookup in a query, whose text this is.
    pub(super) fn of(text: &str, query: &Query) -> Result<Self, Refusal> {
        let select = selection(query)?;
        let mut shape = Shape::default();
        shape.projection(select)?;
        let Some(condition) = &select.selection else { return Err(Refusal::NoKey) };
        shape.condition(condition)?;
        let Shape { mut columns, mut parameters, mut keys } = shape;
        if parameters.is_empty() {
            return Err(Refusal::NoKey);
        }
        let (pieces, places) = cut(text)?;
        let mut found = places.clone();
        found.sort_unstable();
        parameters.sort_unstable();
        let distinct = {
            let mut distinct = found.clone();
            distinct.dedup();
            distinct
        };
        if found != parameters || !distinct.iter().copied().eq(1..=distinct.len()) {
            return Err(Refusal::Parameters);
        }
        columns.sort_unstable();
        columns.dedup();
        let only_key = if parameters.len() == 1 { keys.pop() } else { None };
        Ok(Self { columns, parameters: distinct.len(), pieces, places, only_key })
    }

    /// The merged statement; `arrays` are the names of the array types of the parameters, `leading` the columns that are
    /// the first of an index. Its first column is the number of the lookup, from 1, the others are those of the lookup.
    pub fn merged(&self, arrays: &[&str], leading: &[String]) -> String {
        let list = |item: &dyn Fn(usize) -> String| (1..=self.parameters).map(item).collect::<Vec<_>>().join(", ");
        let keys = list(&|index| format!("${index}::{}", arrays.get(index - 1).copied().unwrap_or_default()));
        let names = list(&|index| format!("{PREFIX}{index}"));
        let mut inner = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            inner.push_str(piece);
            if let Some(place) = self.places.get(index) {
                inner.push_str(&format!("{PREFIX}k.{PREFIX}{place}"));
            }
        }
        if let (Some(key), [array]) = (&self.only_key, arrays)
            && leading.contains(&key.name)
        {
            // The condition, a conjunction, is the last clause.
            inner.push_str(&format!("\nAND {} = ANY ($1::{array})", key.sql));
        }
        format!(
            "SELECT {PREFIX}k.{PREFIX}n::int4, {PREFIX}t.* FROM unnest({keys}) WITH ORDINALITY AS \
             {PREFIX}k ({names}, {PREFIX}n), LATERAL (\n{inner}\n) AS {PREFIX}t"
        )
    }
}

/// The one SELECT of a query that has nothing around it.
fn selection(query: &Query) -> Result<&Select, Refusal> {
    if query.order_by.is_some() {
        return Err(Refusal::Ordered);
    }
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err(Refusal::Limited);
    }
    let SetExpr::Select(select) = &*query.body else { return Err(Refusal::NotOneSelection) };
    let Select {
        select_token: _,
        optimizer_hints,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection: _,
        exclude,
        into,
        from,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor: _,
    } = &**select;
    if distinct.is_some() {
        return Err(Refusal::Distinct);
    }
    let ungrouped = matches!(group_by, GroupByExpr::Expressions(by, with) if by.is_empty() && with.is_empty());
    if !ungrouped || having.is_some() || !named_window.is_empty() || qualify.is_some() {
        return Err(Refusal::Grouped);
    }
    let foreign = top.is_some()
        || into.is_some()
        || exclude.is_some()
        || prewhere.is_some()
        || select_modifiers.is_some()
        || value_table_mode.is_some();
    let foreign = foreign || !(optimizer_hints.is_empty() && lateral_views.is_empty() && connect_by.is_empty());
    if foreign || !(cluster_by.is_empty() && distribute_by.is_empty() && sort_by.is_empty()) {
        return Err(Refusal::NotUnderstood);
    }
    let [from] = &from[..] else {
        return Err(if from.is_empty() { Refusal::NoTable } else { Refusal::Joined });
    };
    if !from.joins.is_empty() {
        return Err(Refusal::Joined);
    }
    match &from.relation {
        TableFactor::Table { alias, .. } => {
            let renamed = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty() || alias.at.is_some());
            if renamed { Err(Refusal::NoTable) } else { Ok(select) }
        }
        TableFactor::Derived { .. } => Err(Refusal::Subquery),
        TableFactor::NestedJoin { .. } => Err(Refusal::Joined),
        _ => Err(Refusal::NoTable),
    }
}

/// What a lookup is made of.
#[derive(Default)]
struct Shape {
    columns: Vec<String>,
    /// One for each place, in no order.
    parameters: Vec<usize>,
    /// Those that are compared with a parameter as it comes.
    keys: Vec<Key>,
}

impl Shape {
    fn projection(&mut self, select: &Select) -> Result<(), Refusal> {
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    if !is_constant(expr) && !self.column(expr) {
                        return Err(Refusal::Computed);
                    }
                }
                SelectItem::Wildcard(more) if is_plain(more) => {}
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), more)
                    if is_plain(more) => {}
                _ => return Err(Refusal::Computed),
            }
        }
        if select.projection.is_empty() { Err(Refusal::Computed) } else { Ok(()) }
    }

    fn condition(&mut self, condition: &Expr) -> Result<(), Refusal> {
        let known = match condition {
            Expr::Nested(inner) => return self.condition(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.condition(left)?;
                return self.condition(right);
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                self.keys(left, right) || self.keys(right, left) || self.with_constant(left, right)
            }
            Expr::BinaryOp { left, op, right } => is_comparison(op) && self.with_constant(left, right),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => self.column(expr),
            Expr::IsNull(expr)
            | Expr::IsNotNull(expr)
            | Expr::IsTrue(expr)
            | Expr::IsNotTrue(expr)
            | Expr::IsFalse(expr)
            | Expr::IsNotFalse(expr) => self.column(expr),
            Expr::Value(value) => matches!(value.value, Value::Boolean(_)),
            other => self.column(other),
        };
        if known {
            return Ok(());
        }
        let is_query = |expr: &Expr| matches!(expr, Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. });
        let subquery = match condition {
            Expr::BinaryOp { left, right, .. } => is_query(left) || is_query(right),
            Expr::UnaryOp { expr, .. } => is_query(expr),
            other => is_query(other),
        };
        Err(if subquery { Refusal::Subquery } else { Refusal::Condition })
    }

    /// `key = $n`, `(key, …) = ($n, …)`
    fn keys(&mut self, columns: &Expr, parameters: &Expr) -> bool {
        match (columns, parameters) {
            (Expr::Tuple(columns), Expr::Tuple(parameters)) => {
                columns.len() == parameters.len()
                    && columns.iter().zip(parameters).all(|(column, parameter)| self.key(column, parameter))
            }
            _ => self.key(columns, parameters),
        }
    }

    fn key(&mut self, column: &Expr, parameter: &Expr) -> bool {
        let Some(number) = parameter_number(parameter) else { return false };
        let is_key = self.column(column);
        if is_key {
            self.parameters.push(number);
            if let (Expr::Value(_), Some(name)) = (parameter, self.columns.last()) {
                self.keys.push(Key { sql: column.to_string(), name: name.clone() });
            }
        }
        is_key
    }

    fn with_constant(&mut self, left: &Expr, right: &Expr) -> bool {
        (is_constant(right) && self.column(left)) || (is_constant(left) && self.column(right))
    }

    /// Notes a column. Whether the table has it is for the catalog to say: `t.name` may be a function of the row.
    fn column(&mut self, expr: &Expr) -> bool {
        let name: Option<&Ident> = match expr {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        self.columns.extend(name.map(folded));
        name.is_some()
    }
}

fn is_plain(more: &WildcardAdditionalOptions) -> bool {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike: None,
        opt_exclude: None,
        opt_except: None,
        opt_replace: None,
        opt_rename: None,
        opt_alias: None,
    } = more
    else {
        return false;
    };
    true
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Gt | GtEq | Lt | LtEq | NotEq)
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => {
            matches!(value.value, Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null)
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            matches!(&**expr, Expr::Value(value) if matches!(value.value, Value::Number(..)))
        }
        _ => false,
    }
}

/// `$n` or `$n::type`
fn parameter_number(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.strip_prefix('$')?.parse().ok(),
            _ => None,
        },
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, format: None, .. } => parameter_number(expr),
        Expr::Nested(inner) => parameter_number(inner),
        _ => None,
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
