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
//! the subquery up into a join. A `key = ANY ($1)` alone, which says less, would leave the assigning of rows to the client.
//!
//! Where the key is the first column of an index, the subquery gets `AND key = ANY ($1::int4[])`: it takes nothing away,
//! but tells the planner of an index scan for all keys, where it would read and hash the whole table for a thousand
//! keys in 50,000 rows (4.6 ms instead of 1.3). Without an index, or in a generic plan that does not use it, each row
//! would be compared with each key, so it stands nowhere else.
//!
//! What is more than a lookup is refused, even where LATERAL would do: only this shape is worth it.

use super::fingerprint::{Piece, Scanner};
use super::share::{Refusal, folded};
use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, GroupByExpr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, TableFactor, UnaryOperator, Value, WildcardAdditionalOptions,
};

/// Lookups in a merged statement at most: many enough to save round trips, few enough to stay a short statement.
pub const MERGED_LOOKUPS: u32 = 1_000;
/// What the names in a merged statement begin with.
const PREFIX: &str = "tooloo_";

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

/// The text cut at its parameters, and which stands at each cut.
fn cut(text: &str) -> Result<(Vec<String>, Vec<usize>), Refusal> {
    let (mut pieces, mut places) = (vec![String::new()], Vec::new());
    for piece in Scanner::new(text) {
        let last = pieces.last_mut().ok_or(Refusal::Wording)?;
        match piece {
            Piece::Space => last.push(' '),
            Piece::LineComment(raw) => {
                last.push_str(raw);
                last.push('\n');
            }
            Piece::BlockComment(raw) if raw.starts_with("/*+") => return Err(Refusal::Wording),
            Piece::Literal(raw) if raw.contains('\\') => return Err(Refusal::Wording),
            Piece::BlockComment(raw) | Piece::Literal(raw) | Piece::Name(raw) => last.push_str(raw),
            Piece::Code(code) => {
                if code.to_ascii_lowercase().contains(PREFIX) {
                    return Err(Refusal::Wording);
                }
                // The parser found one statement: what is left of semicolons ends it.
                cut_code(&code.replace(';', ""), &mut pieces, &mut places);
            }
        }
        if matches!(piece, Piece::Name(raw) if raw.contains(PREFIX)) {
            return Err(Refusal::Wording);
        }
    }
    Ok((pieces, places))
}

fn cut_code(code: &str, pieces: &mut Vec<String>, places: &mut Vec<usize>) {
    let mut start = 0;
    let mut before = None;
    let bytes = code.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes[at + 1..].iter().take_while(|digit| digit.is_ascii_digit()).count();
        let joined =
            before.is_some_and(|before: u8| before.is_ascii_alphanumeric() || matches!(before, b'_' | b'$' | 0x80..));
        let number =
            if byte == b'$' && digits > 0 && !joined { code[at + 1..at + 1 + digits].parse().ok() } else { None };
        before = Some(byte);
        at += 1;
        if let Some(number) = number {
            if let Some(last) = pieces.last_mut() {
                last.push_str(&code[start..at - 1]);
            }
            pieces.push(String::new());
            places.push(number);
            at += digits;
            start = at;
        }
    }
    if let Some(last) = pieces.last_mut() {
        last.push_str(&code[start..]);
    }
}

#[cfg(test)]
mod tests {
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
            (
                "SELECT a /* $9 */ FROM t WHERE \"$1\" = $1",
                1,
                "SELECT a /* $9 */ FROM t WHERE \"$1\" = tooloo_k.tooloo_1",
            ),
        ] {
            let lookup = lookup(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
            assert_eq!(lookup.parameters, keys, "{text}");
            let merged = lookup.merged(&["pg_catalog._int4", "pg_catalog._text"], &[]);
            assert!(merged.contains(&format!("LATERAL (\n{inner}\n) AS tooloo_t")), "{merged}");
        }
        let merged = lookup("SELECT a FROM t WHERE b = $1 AND c = $2")
            .unwrap()
            .merged(&["x._a", "y._b"], &["b".into(), "c".into()]);
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
}
