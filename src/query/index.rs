//! Which index would spare a scan of a whole table: columns compared for equality first, then one range or the order.

use super::analyze::column::{self, string, strip};
use super::analyze::filter::conjuncts;
use super::plan::Scan;
use super::table::{Index, Table, quoted, unquoted};
use serde::Serialize;
use sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, UnaryOperator};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// A scan that keeps more than this share of the table is better without an index.
const FEW: f64 = 0.2;
/// An index for a join helps when the other side brings fewer rows than this share of the table.
const FEW_JOINED: f64 = 0.1;
/// Keys of a proposal.
const MOST_KEYS: usize = 4;
/// Longer conditions are not looked at: their tree could be too deep.
const CONDITION_BYTES: usize = 8_192;
const NESTING: usize = 100;
/// Functions that an index may be on: immutable for the types that they are called with.
const IMMUTABLE: [&str; 6] = ["lower", "upper", "md5", "abs", "length", "btrim"];
/// The operator class by which a pattern's first letters are found in any collation.
const PATTERN: &str = "text_pattern_ops";

/// One key of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    /// A column's name, or an expression.
    name: String,
    expression: bool,
    pattern: bool,
    descending: bool,
}

impl Key {
    fn column(name: String) -> Self {
        Self { name, expression: false, pattern: false, descending: false }
    }

    fn sql(&self) -> String {
        let name = if self.expression { self.name.clone() } else { quoted(&self.name) };
        let class = if self.pattern { format!(" {PATTERN}") } else { String::new() };
        let order = if self.descending { " DESC" } else { "" };
        format!("{name}{class}{order}")
    }
}

/// An index that would help.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proposal {
    /// The table with its schema.
    pub table: String,
    /// The keys in their order.
    pub columns: Vec<String>,
    /// The statement that makes it.
    pub sql: String,
    /// What the keys are for.
    pub reason: String,
}

/// A column that the server casts in every row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cast {
    /// The table with its schema.
    pub table: String,
    /// The column.
    pub column: String,
    /// To which type.
    pub to: String,
}

/// What the conditions on one table ask for.
#[derive(Debug, Default)]
struct Wants {
    equal: Vec<Key>,
    ranges: Vec<Key>,
    joined: Vec<Key>,
    casts: Vec<(String, String)>,
}

/// Reads conditions of a plan about one table.
struct Conditions<'s> {
    scan: &'s Scan,
    table: &'s Table,
}

impl Conditions<'_> {
    /// The table's column that an expression is, seen through casts that change nothing.
    fn column(&self, expr: &Expr) -> Option<String> {
        match strip(expr) {
            Expr::Cast { expr, data_type, .. } => {
                let name = self.column(expr)?;
                let from = self.table.columns.get(&name)?;
                let same = matches!(from.as_str(), "character varying" | "text" | "name")
                    && data_type.to_string().eq_ignore_ascii_case("text");
                same.then_some(name)
            }
            other => {
                let parts = column::parts(other)?;
                let [.., qualifier, last] = parts else { return self.own(parts.last()?) };
                (column::name(qualifier) == self.scan.alias).then(|| self.own(last))?
            }
        }
    }

    fn own(&self, ident: &Ident) -> Option<String> {
        let name = column::name(ident);
        self.table.columns.contains_key(&name).then_some(name)
    }

    /// The key that an expression is: a column, or an immutable function of one.
    fn key(&self, expr: &Expr) -> Option<Key> {
        if let Some(name) = self.column(expr) {
            return Some(Key::column(name));
        }
        let Expr::Function(function) = strip(expr) else { return None };
        let FunctionArguments::List(list) = &function.args else { return None };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_slice() else { return None };
        let called = function.name.to_string().to_lowercase();
        let name = self.column(argument).filter(|_| IMMUTABLE.contains(&called.as_str()))?;
        Some(Key { name: format!("{called}({})", quoted(&name)), expression: true, pattern: false, descending: false })
    }

    /// A column under a cast that an index on it does not serve.
    fn cast(&self, expr: &Expr) -> Option<(String, String)> {
        let Expr::Cast { expr: inner, data_type, .. } = strip(expr) else { return None };
        let name = self.column(inner).filter(|_| self.column(expr).is_none())?;
        Some((name, data_type.to_string().to_lowercase()))
    }

    fn read(&self, text: &str, wants: &mut Wants) {
        let dialect = PostgreSqlDialect {};
        if text.len() > CONDITION_BYTES {
            return;
        }
        let parser = Parser::new(&dialect).with_recursion_limit(NESTING).try_with_sql(text);
        let Ok(filter) = parser.and_then(|mut parser| parser.parse_expr()) else { return };
        conjuncts(&filter).into_iter().for_each(|condition| self.condition(condition, wants));
    }

    fn condition(&self, condition: &Expr, wants: &mut Wants) {
        use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, PGLikeMatch};
        match condition {
            Expr::BinaryOp { left, op: Eq, right } => {
                for (this, other) in [(left, right), (right, left)] {
                    wants.casts.extend(self.cast(this));
                    if let Some(key) = self.key(this) {
                        let outside = !column::Columns::none(other);
                        // Two columns of one table: no index helps.
                        if self.key(other).is_none() {
                            if outside { &mut wants.joined } else { &mut wants.equal }.push(key);
                        }
                    }
                }
            }
            Expr::BinaryOp { left, op: Lt | LtEq | Gt | GtEq, right } => {
                for (this, other) in [(left, right), (right, left)] {
                    wants.casts.extend(self.cast(this));
                    wants.ranges.extend(self.key(this).filter(|_| column::Columns::none(other)));
                }
            }
            Expr::BinaryOp { left, op: PGLikeMatch, right } => {
                let pattern = string(uncast(right)).is_some_and(|text| !text.starts_with(['%', '_']));
                let key = self.key(left).filter(|_| pattern);
                wants.ranges.extend(key.map(|key| Key { pattern: true, ..key }));
            }
            Expr::AnyOp { left, compare_op: Eq, .. } => {
                wants.casts.extend(self.cast(left));
                wants.equal.extend(self.key(left));
            }
            Expr::IsNull(expr) | Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                wants.equal.extend(self.column(expr).map(Key::column));
            }
            other => wants.equal.extend(self.column(other).map(Key::column)),
        }
    }

    /// The keys of an order, where all of them are columns of this table.
    fn order(&self) -> Vec<Key> {
        let keys = self.scan.order.iter().map(|key| {
            let (text, descending) = match key.strip_suffix(" DESC") {
                Some(text) => (text, true),
                None => (key.as_str(), false),
            };
            let dialect = PostgreSqlDialect {};
            let parser = Parser::new(&dialect).with_recursion_limit(NESTING).try_with_sql(text);
            let expr = parser.and_then(|mut parser| parser.parse_expr()).ok()?;
            Some(Key { descending, ..self.key(&expr)? })
        });
        keys.collect::<Option<Vec<Key>>>().unwrap_or_default()
    }
}

fn uncast(expr: &Expr) -> &Expr {
    match strip(expr) {
        Expr::Cast { expr, .. } => strip(expr),
        other => other,
    }
}

/// What the scan of a large table shows: the index that would spare it, where there is one, and the casts in its way.
pub fn look(scan: &Scan, table: &Table) -> (Option<Proposal>, Vec<Cast>) {
    let conditions = Conditions { scan, table };
    let mut wants = Wants::default();
    scan.filter.iter().for_each(|filter| conditions.read(filter, &mut wants));
    for join in scan.joins.iter().filter(|join| join.other_rows <= table.rows() * FEW_JOINED) {
        let mut above = Wants::default();
        conditions.read(&join.text, &mut above);
        wants.joined.append(&mut above.joined);
        wants.casts.append(&mut above.casts);
    }
    let name = format!("{}.{}", quoted(&scan.schema), quoted(&scan.table));
    let cast = |(column, to): &(String, String)| Cast { table: name.clone(), column: column.clone(), to: to.clone() };
    let casts = wants.casts.iter().map(cast).collect();
    (propose(scan, table, name, wants, conditions.order()), casts)
}

fn propose(scan: &Scan, table: &Table, name: String, wants: Wants, order: Vec<Key>) -> Option<Proposal> {
    let few = scan.rows <= table.rows() * FEW || !wants.joined.is_empty();
    let mut keys: Vec<Key> = Vec::new();
    for key in wants.equal.into_iter().chain(wants.joined) {
        if !keys.iter().any(|known| known.name == key.name) {
            keys.push(key);
        }
    }
    let mut reasons = Vec::new();
    if !keys.is_empty() {
        reasons.push("equality");
    }
    let equal = keys.len();
    let range = wants.ranges.into_iter().find(|range| !keys.iter().any(|known| known.name == range.name));
    // An order is of use only when no other range stands before it.
    let ordered = !order.is_empty() && range.as_ref().is_none_or(|range| range.name == order[0].name && !range.pattern);
    if ordered {
        keys.extend(
            order.into_iter().filter(|key| !keys.iter().any(|known| known.name == key.name)).collect::<Vec<_>>(),
        );
        reasons.push("order");
    } else if let Some(range) = range {
        keys.push(range);
        reasons.push("range");
    }
    keys.truncate(MOST_KEYS);
    if keys.is_empty()
        || !(few || ordered)
        || table.indexes.iter().any(|index| serves(index, &keys, equal.min(MOST_KEYS)))
    {
        return None;
    }
    let columns: Vec<String> = keys.iter().map(Key::sql).collect();
    let sql = format!("CREATE INDEX ON {name} ({})", columns.join(", "));
    Some(Proposal { table: name, columns, sql, reason: reasons.join(", then ") })
}

/// Whether an index begins with these keys: those for equality in any order, the others after them.
fn serves(index: &Index, keys: &[Key], equal: usize) -> bool {
    let (true, "btree", Some(own)) = (index.whole, index.method.as_str(), &index.keys) else { return false };
    let is = |own: &super::table::Key, key: &Key| {
        let same = if key.expression { simplified(&own.key) == key.name } else { unquoted(&own.key) == key.name };
        same && (!key.pattern || own.opclass.as_deref() == Some(PATTERN))
    };
    let (Some(first), Some((for_equal, others))) = (own.get(..keys.len()), keys.split_at_checked(equal)) else {
        return false;
    };
    let (own_equal, own_others) = first.split_at_checked(equal).unwrap_or((first, &[]));
    for_equal.iter().all(|key| own_equal.iter().any(|own| is(own, key)))
        && others.iter().zip(own_others).all(|(key, own)| is(own, key))
}

/// `lower((email)::text)` as `lower(email)`.
fn simplified(expression: &str) -> String {
    match expression.split_once("((").and_then(|(called, rest)| Some((called, rest.strip_suffix(")::text)")?))) {
        Some((called, column)) => format!("{called}({column})"),
        None => expression.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(indexes: &str) -> Table {
        let json = format!(
            r#"[{{"schema": "public", "name": "orders", "tuples": 100000, "bytes": 1e7, "columns": {{"id": "bigint",
            "user_id": "bigint", "status": "text", "email": "character varying", "at": "timestamp with time zone",
            "Total": "numeric", "open": "boolean"}}, "indexes": {indexes}}}]"#
        );
        Table::read(&json).remove(0)
    }

    fn scan(filter: &str) -> Scan {
        Scan {
            schema: "public".into(),
            table: "orders".into(),
            alias: "o".into(),
            rows: 50.0,
            cost: 2000.0,
            filter: (!filter.is_empty()).then(|| filter.into()),
            joins: vec![],
            order: vec![],
        }
    }

    fn keys(scan: &Scan, table: &Table) -> String {
        look(scan, table).0.map_or(String::new(), |proposal| proposal.columns.join(", "))
    }

    #[test]
    fn equality_comes_first_then_one_range() {
        let table = table("[]");
        for (filter, expected) in [
            ("((o.at > '2026-01-01 00:00:00+00'::timestamp with time zone) AND (o.user_id = 5))", "user_id, at"),
            (
                "((o.status = 'paid'::text) AND (o.user_id = $1) AND (o.id < 5) AND (o.at < now()))",
                "status, user_id, id",
            ),
            ("(o.user_id = ANY ('{1,2}'::bigint[]))", "user_id"),
            ("((o.email)::text = 'a'::text)", "email"),
            ("(lower((o.email)::text) = 'a'::text)", "lower(email)"),
            ("((o.status ~~ 'pa%'::text) AND (o.status ~~ '%x'::text))", "status text_pattern_ops"),
            (r#"(o."Total" = 1.5)"#, r#""Total""#),
            ("(o.open AND (o.user_id = u.id))", "open, user_id"),
            ("(o.at IS NULL)", "at"),
            ("((o.user_id = 1) OR (o.id = 2))", ""),
            ("(o.status ~~ '%x'::text)", ""),
            ("(date_trunc('day'::text, o.at) = $1)", ""),
            ("(o.user_id = o.id)", ""),
            ("(x.user_id = 5)", ""),
            ("((((", ""),
            ("", ""),
        ] {
            assert_eq!(keys(&scan(filter), &table), expected, "{filter}");
        }
    }

    #[test]
    fn a_cast_that_an_index_does_not_serve_is_told() {
        let (proposal, casts) = look(&scan("((o.id)::numeric = 42.0)"), &table("[]"));
        assert_eq!((proposal, casts.len()), (None, 1));
        assert_eq!((casts[0].column.as_str(), casts[0].to.as_str()), ("id", "numeric"));
    }

    #[test]
    fn the_order_of_a_limited_sort_comes_last() {
        let order = |filter: &str, keys: &[&str]| Scan {
            order: keys.iter().map(|key| (*key).to_owned()).collect(),
            rows: 90_000.0,
            ..scan(filter)
        };
        let table = table("[]");
        assert_eq!(keys(&order("(o.user_id = 5)", &["o.at DESC", "o.id"]), &table), "user_id, at DESC, id");
        assert_eq!(keys(&order("", &["o.at"]), &table), "at");
        assert_eq!(keys(&order("(o.at > now())", &["o.at DESC"]), &table), "at DESC");
        assert_eq!(keys(&order("(o.user_id = 5)", &["(random())"]), &table), "");
    }

    #[test]
    fn a_join_with_few_rows_asks_for_its_column() {
        let join = |other_rows| super::super::plan::JoinCondition { text: "(o.user_id = u.id)".into(), other_rows };
        let table = table("[]");
        assert_eq!(keys(&Scan { joins: vec![join(10.0)], rows: 1e5, ..scan("") }, &table), "user_id");
        assert_eq!(keys(&Scan { joins: vec![join(1e5)], rows: 1e5, ..scan("") }, &table), "");
    }

    #[test]
    fn what_is_there_already_or_would_keep_most_rows_is_not_proposed() {
        let index = |keys: &str, whole: bool| {
            format!(r#"[{{"name": "i", "method": "btree", "whole": {whole}, "keys": [{keys}]}}]"#)
        };
        let (user, at) = (r#"{"key": "user_id", "opclass": null}"#, r#"{"key": "at", "opclass": null}"#);
        let both = scan("((o.at > now()) AND (o.user_id = 5))");
        assert_eq!(keys(&both, &table(&index(&format!("{user}, {at}"), true))), "");
        assert_eq!(keys(&both, &table(&index(&format!("{at}, {user}"), true))), "user_id, at");
        assert_eq!(keys(&both, &table(&index(user, true))), "user_id, at");
        assert_eq!(keys(&both, &table(&index(&format!("{user}, {at}"), false))), "user_id, at");
        assert_eq!(keys(&scan("(o.user_id = 5)"), &table(&index(&format!("{user}, {at}"), true))), "");
        let lower = r#"{"key": "lower((email)::text)", "opclass": "text_ops"}"#;
        assert_eq!(keys(&scan("(lower((o.email)::text) = 'a'::text)"), &table(&index(lower, true))), "");
        let plain = r#"{"key": "status", "opclass": "text_ops"}"#;
        assert_eq!(keys(&scan("(o.status ~~ 'a%'::text)"), &table(&index(plain, true))), "status text_pattern_ops");
        assert_eq!(keys(&Scan { rows: 60_000.0, ..scan("(o.status = 'a'::text)") }, &table("[]")), "");
    }
}
