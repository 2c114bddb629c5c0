//! What WHERE and ON say: conditions that no index can serve.

use super::column::{Columns, column, string, strip, value};
use super::report::Report;
use super::rule::Rule;
use sqlparser::ast::{BinaryOperator, DataType, Expr, FunctionArguments, Spanned, UnaryOperator, Value};

/// Columns that are whole numbers by their name.
const KEYS: [&str; 2] = ["id", "_id"];
/// Columns that are text by their name.
const TEXTS: [&str; 13] = [
    "name",
    "email",
    "phone",
    "phone_number",
    "zip",
    "zip_code",
    "zipcode",
    "postcode",
    "postal_code",
    "sku",
    "isbn",
    "username",
    "slug",
];

/// The conditions that must all hold.
pub fn conjuncts(filter: &Expr) -> Vec<&Expr> {
    operands(filter, |op| *op == BinaryOperator::And)
}

/// The operands of a chain of operators.
pub fn operands(expr: &Expr, chained: impl Fn(&BinaryOperator) -> bool) -> Vec<&Expr> {
    let (mut open, mut found) = (vec![expr], Vec::new());
    while let Some(expr) = open.pop() {
        match strip(expr) {
            Expr::BinaryOp { left, op, right } if chained(op) => open.extend([&**right, &**left]),
            other => found.push(other),
        }
    }
    found
}

/// Where a filter stands: an ON compares the columns of two tables, so there a column is no reason to look away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// WHERE
    Where,
    /// ON
    On,
}

/// Looks at a whole filter.
pub fn check(report: &mut Report<'_>, filter: &Expr, clause: Clause) {
    let all = conjuncts(filter);
    let narrowed = all.iter().any(|condition| is_equality(condition));
    for condition in all {
        let branches = operands(condition, |op| *op == BinaryOperator::Or);
        if branches.len() > 1 {
            if !narrowed && across_columns(&branches) {
                report.add(Rule::OrAcrossColumns, report.source.place(condition));
            }
            tautology(report, &branches);
            branches.into_iter().flat_map(conjuncts).for_each(|part| predicate(report, part, clause));
        } else {
            predicate(report, condition, clause);
        }
    }
}

fn is_equality(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => column(left).is_some() || column(right).is_some(),
        Expr::InList { expr, negated: false, .. } => column(expr).is_some(),
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, .. } => column(left).is_some(),
        _ => false,
    }
}

/// Whether the branches have no column in common: then no index serves them all.
fn across_columns(branches: &[&Expr]) -> bool {
    let mut shared = None;
    for branch in branches {
        let Columns { names, subquery } = Columns::of(branch);
        if subquery || names.is_empty() {
            return false;
        }
        shared = match shared {
            None => Some(names),
            Some(before) => Some(before.intersection(&names).cloned().collect()),
        };
    }
    shared.is_some_and(|shared| shared.is_empty())
}

/// `… OR 1=1`, `… OR 'a'='a'`: what an injection looks like.
fn tautology(report: &mut Report<'_>, branches: &[&Expr]) {
    for branch in branches {
        if let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = branch
            && let (Some(left), Some(right)) = (value(left), value(right))
            && left == right
            && !matches!(left, Value::Placeholder(_) | Value::Null)
        {
            report.add(Rule::ConcatenatedLiterals, report.source.place(*branch));
        }
    }
}

/// Looks at one condition.
fn predicate(report: &mut Report<'_>, condition: &Expr, clause: Clause) {
    match condition {
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => predicate(report, strip(expr), clause),
        Expr::BinaryOp { left, op, right } if is_comparison(op) => {
            if [left, right].into_iter().any(|side| matches!(value(side), Some(Value::Null))) {
                return;
            }
            for (this, other) in [(left, right), (right, left)] {
                if clause == Clause::On || Columns::none(other) {
                    if let Some(rule) = hidden(this) {
                        let fix = if rule == Rule::CastOnColumn { whole_day(report, this, op, other) } else { None };
                        let place = report.source.place(condition);
                        let fix = fix.filter(|_| report.source.ends_at(place.end));
                        report.add_with(rule, place, fix);
                    }
                    implicit_cast(report, this, other);
                }
            }
        }
        Expr::Between { expr, low, high, .. } if Columns::none(low) && Columns::none(high) => {
            if let Some(rule) = hidden(expr) {
                report.add(rule, report.source.place(condition));
            }
            implicit_cast(report, expr, low);
        }
        Expr::InList { expr, list, .. } if list.iter().all(Columns::none) => {
            if let Some(rule) = hidden(expr) {
                report.add(rule, report.source.place(condition));
            }
            list.iter().take(1).for_each(|item| implicit_cast(report, expr, item));
        }
        Expr::Like { negated: false, expr, pattern, .. } | Expr::ILike { negated: false, expr, pattern, .. } => {
            if starts_with_wildcard(pattern) {
                report.add(Rule::LeadingWildcard, report.source.place(condition));
            } else if let Some(rule) = hidden(expr)
                && Columns::none(pattern)
            {
                report.add(rule, report.source.place(condition));
            }
        }
        _ => {}
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Divide, Minus, Modulo, Multiply, Plus, StringConcat};
    matches!(op, Plus | Minus | Multiply | Divide | Modulo | StringConcat)
}

/// The rule that an expression breaks by hiding the one column in it from the column's index.
fn hidden(expr: &Expr) -> Option<Rule> {
    let rule = match strip(expr) {
        Expr::Cast { expr: inner, .. } | Expr::Convert { expr: inner, .. } => match column(inner) {
            Some(_) => Rule::CastOnColumn,
            None => return hidden(inner),
        },
        Expr::Function(function) => {
            let plain = function.over.is_none() && function.filter.is_none() && function.within_group.is_empty();
            if !plain || !matches!(function.args, FunctionArguments::List(_)) {
                return None;
            }
            Rule::FunctionOnColumn
        }
        Expr::BinaryOp { op, .. } if is_arithmetic(op) => {
            let known = |leaf: &Expr| column(leaf).is_some() || Columns::none(leaf) || hidden(leaf).is_some();
            if !operands(expr, is_arithmetic).into_iter().all(known) {
                return None;
            }
            Rule::FunctionOnColumn
        }
        Expr::Extract { .. }
        | Expr::Ceil { .. }
        | Expr::Floor { .. }
        | Expr::Trim { .. }
        | Expr::Substring { .. }
        | Expr::Position { .. }
        | Expr::Overlay { .. }
        | Expr::AtTimeZone { .. } => Rule::FunctionOnColumn,
        _ => return None,
    };
    let columns = Columns::of(expr);
    (columns.names.len() == 1 && !columns.subquery).then_some(rule)
}

/// `day::date = '2026-01-31'` is a range of `day` that an index serves.
fn whole_day(report: &Report<'_>, cast: &Expr, op: &BinaryOperator, day: &Expr) -> Option<String> {
    let (Expr::Cast { expr, data_type: DataType::Date, .. }, BinaryOperator::Eq) = (strip(cast), op) else {
        return None;
    };
    let (column, day) = (report.source.slice(report.source.cover(expr.span())), string(day)?);
    let plain = day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    plain.then(|| format!("({column} >= DATE '{day}' AND {column} < DATE '{day}' + 1)"))
}

/// A constant of a type that the column, by its name, does not have.
fn implicit_cast(report: &mut Report<'_>, this: &Expr, constant: &Expr) {
    let Some(name) = column(this) else { return };
    let key = name == KEYS[0] || name.ends_with(KEYS[1]);
    let text =
        TEXTS.iter().any(|word| name.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')));
    let fix = match strip(constant) {
        Expr::Value(found) => match &found.value {
            Value::Number(digits, _) if key && !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let whole = digits.split_once('.').filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0'));
                whole.map(|(whole, _)| whole.into())
            }
            Value::Number(digits, _) if text => Some(format!("'{digits}'")),
            _ => return,
        },
        Expr::Cast { expr, data_type, .. } if key && value(expr).is_some() && is_fractional(data_type) => None,
        _ => return,
    };
    report.add_with(Rule::ImplicitCast, report.source.place(constant), fix);
}

fn is_fractional(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Numeric(_)
            | DataType::Decimal(_)
            | DataType::Real
            | DataType::Float(_)
            | DataType::Float4
            | DataType::Float8
            | DataType::Double(_)
            | DataType::DoublePrecision
    )
}

/// Whether a pattern's first character, as far as the text tells, stands for any.
fn starts_with_wildcard(pattern: &Expr) -> bool {
    match strip(pattern) {
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, .. } => starts_with_wildcard(left),
        Expr::Cast { expr, .. } => starts_with_wildcard(expr),
        other => string(other).is_some_and(|text| text.starts_with(['%', '_'])),
    }
}
