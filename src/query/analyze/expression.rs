//! Rules about an expression, wherever it stands.

use super::column::{number, string, strip, value};
use super::report::Report;
use super::rule::Rule;
use sqlparser::ast::{BinaryOperator, Expr, Function, FunctionArguments, GroupByExpr, Query, Select, SelectItem};
use sqlparser::ast::{SetExpr, Spanned, Value};
use sqlparser::tokenizer::Span;

/// Longer lists are huge.
pub const HUGE_LIST: usize = 100;
/// What JavaScript makes of values that were not meant to be pasted.
const PASTED: [&str; 2] = ["[object Object]", "undefined"];

/// Looks at one expression; the reader comes to those inside by itself.
pub fn check(report: &mut Report<'_>, expr: &Expr) {
    match expr {
        Expr::BinaryOp { left, op, right } => {
            null_comparison(report, expr, left, op, right);
            count_for_existence(report, left, op, right);
            if *op == BinaryOperator::StringConcat {
                joined_literals(report, left, right);
            }
        }
        Expr::InSubquery { expr: tested, subquery, negated: true } => {
            let place = report.source.place(&**tested).start..report.source.parenthesized(subquery.span()).end;
            report.add(Rule::NotInSubquery, place);
        }
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } if matches!(strip(right), Expr::Subquery(_)) => {
            let end = report.source.parenthesized(right.span()).end;
            report.add(Rule::NotInSubquery, report.source.place(&**left).start..end);
        }
        Expr::InList { list, negated, .. } => {
            if list.len() > HUGE_LIST {
                report.add(Rule::HugeInList, report.source.place(expr));
            }
            let null = |item: &Expr| matches!(value(item), Some(Value::Null));
            if *negated && list.iter().any(null) {
                report.add(Rule::NullComparison, report.source.place(expr));
            }
        }
        Expr::AnyOp { right, .. } => {
            if let Expr::Array(array) = strip(right)
                && array.elem.len() > HUGE_LIST
            {
                report.add(Rule::HugeInList, report.source.place(expr));
            }
        }
        Expr::Value(found) => {
            let pasted = string(expr).is_some_and(|text| PASTED.contains(&text) || text.contains("${"));
            if pasted {
                report.add(Rule::ConcatenatedLiterals, report.source.cover(found.span));
            }
        }
        _ => {}
    }
}

fn null_comparison(report: &mut Report<'_>, whole: &Expr, left: &Expr, op: &BinaryOperator, right: &Expr) {
    let word = match op {
        BinaryOperator::Eq => "IS NULL",
        BinaryOperator::NotEq => "IS NOT NULL",
        _ => return,
    };
    let is_null = |side: &Expr| matches!(value(side), Some(Value::Null));
    let tested = match (is_null(left), is_null(right)) {
        (false, true) => left,
        (true, false) => right,
        _ => return,
    };
    let place = report.source.place(whole);
    let tested = report.source.slice(report.source.place(tested));
    // What the parser's spans leave out, a cast for one, would be lost in the fix.
    let fix = is_bare_test(report.source.slice(place.clone()), tested).then(|| format!("{tested} {word}"));
    report.add_with(Rule::NullComparison, place, fix);
}

/// Whether a comparison is the tested side, the sign and NULL, and nothing else.
fn is_bare_test(whole: &str, tested: &str) -> bool {
    let rest = whole.strip_prefix(tested).or_else(|| whole.strip_suffix(tested)).unwrap_or("");
    let bare: String = rest.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    matches!(bare.as_str(), "=null" | "null=" | "<>null" | "null<>" | "!=null" | "null!=") && !tested.is_empty()
}

fn joined_literals(report: &mut Report<'_>, left: &Expr, right: &Expr) {
    let before = match strip(left) {
        Expr::BinaryOp { op: BinaryOperator::StringConcat, right, .. } => right,
        other => other,
    };
    if string(before).is_some() && string(right).is_some() {
        let place = report.source.place(before).start..report.source.place(right).end;
        report.add(Rule::ConcatenatedLiterals, place);
    }
}

/// Whether a function counts rows.
fn counts(function: &Function) -> bool {
    let name = function.name.to_string();
    let distinct = match &function.args {
        FunctionArguments::List(list) => list.duplicate_treatment.is_some(),
        _ => true,
    };
    name.eq_ignore_ascii_case("count") && !distinct && function.over.is_none() && function.filter.is_none()
}

/// Whether nothing groups the rows of a select.
pub fn ungrouped(select: &Select) -> bool {
    matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
}

/// `SELECT count(*) FROM …` and nothing else.
fn counting(query: &Query) -> Option<&Select> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let [SelectItem::UnnamedExpr(Expr::Function(function))] = select.projection.as_slice() else { return None };
    let plain = query.with.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    (plain && counts(function) && ungrouped(select) && select.having.is_none() && !select.from.is_empty())
        .then_some(select)
}

/// What a comparison of a count asks: whether there is a row, or whether there is none.
fn existence(op: &BinaryOperator, bound: u64) -> Option<bool> {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    match (op, bound) {
        (Gt | NotEq, 0) | (GtEq, 1) => Some(true),
        (Eq | LtEq, 0) | (Lt, 1) => Some(false),
        _ => None,
    }
}

fn mirrored(op: &BinaryOperator) -> BinaryOperator {
    match op {
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::GtEq => BinaryOperator::LtEq,
        BinaryOperator::Lt => BinaryOperator::Gt,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        other => other.clone(),
    }
}

fn count_for_existence(report: &mut Report<'_>, left: &Expr, op: &BinaryOperator, right: &Expr) {
    for (this, other, op) in [(left, right, op.clone()), (right, left, mirrored(op))] {
        let Some(exists) = number(other).and_then(|bound| existence(&op, bound)) else { continue };
        if let Expr::Subquery(query) = strip(this)
            && let Some(select) = counting(query)
        {
            let inner = report.source.parenthesized(query.span());
            let number = report.source.place(other);
            let place = inner.start.min(number.start)..inner.end.max(number.end);
            let list = select.projection.first().map_or(Span::empty(), Spanned::span);
            let from = report.source.next_word(report.source.cover(list).end, &["from"]);
            let fix = from.map(|from| {
                let not = if exists { "" } else { "NOT " };
                format!("{not}EXISTS (SELECT 1 {}", report.source.slice(from..inner.end))
            });
            report.add_with(Rule::CountForExistence, place, fix);
        }
    }
}

/// `SELECT count(*) > 0 FROM …`, and nothing else that would have to read all rows.
pub fn counts_only(report: &mut Report<'_>, select: &Select) {
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] = select.projection.as_slice() else {
        return;
    };
    let Expr::BinaryOp { left, op, right } = strip(expr) else { return };
    let is_count = |side: &Expr| matches!(strip(side), Expr::Function(function) if counts(function));
    let asks = (is_count(left) && number(right).and_then(|bound| existence(op, bound)).is_some())
        || (is_count(right) && number(left).and_then(|bound| existence(&mirrored(op), bound)).is_some());
    if asks && ungrouped(select) && select.having.is_none() && !select.from.is_empty() {
        report.add(Rule::CountForExistence, report.source.place(expr));
    }
}
