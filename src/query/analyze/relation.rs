//! What stands in FROM, and whether it hangs together.

use super::column::{Columns, name};
use super::filter::conjuncts;
use super::report::Report;
use super::rule::Rule;
use sqlparser::ast::{Distinct, Select, SelectItem, Spanned};
use sqlparser::ast::{
    Expr, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, TableAlias, TableFactor, TableWithJoins,
};
use sqlparser::tokenizer::Span;
use std::collections::BTreeSet;

/// The last part of a name.
pub fn last(object: &ObjectName) -> Option<String> {
    match object.0.last()? {
        ObjectNamePart::Identifier(ident) => Some(name(ident)),
        ObjectNamePart::Function(_) => None,
    }
}

/// Something that gives rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// What columns are qualified with.
    pub alias: Option<String>,
    /// The table's own name, with its schema; `None` for subqueries and functions.
    pub table: Option<ObjectName>,
    span: Span,
    /// The relations that are joined to it belong to one group.
    group: usize,
}

/// All relations of a FROM.
#[derive(Debug, Default)]
pub struct Relations {
    /// In the order of the text.
    pub all: Vec<Relation>,
    /// Two columns without qualifiers were compared: they may join any two.
    uncertain: bool,
}

impl Relations {
    /// Those of a FROM, and of what is joined to it.
    pub fn of(from: &[TableWithJoins]) -> Self {
        let mut relations = Self::default();
        from.iter().for_each(|item| relations.item(item));
        relations
    }

    /// Adds one item of a FROM.
    pub fn item(&mut self, item: &TableWithJoins) {
        let first = self.all.len();
        self.factor(&item.relation);
        item.joins.iter().for_each(|join| self.join(join, first));
    }

    fn join(&mut self, join: &Join, first: usize) {
        let new = self.all.len();
        self.factor(&join.relation);
        match constraint(&join.join_operator) {
            Some(JoinConstraint::On(filter)) => self.connect(filter),
            Some(JoinConstraint::None) if !matches!(join.join_operator, JoinOperator::CrossJoin(_)) => {}
            // USING and NATURAL join; CROSS JOIN is what its author wants.
            _ => self.unite(first, new),
        }
    }

    fn factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table { name: object, alias, args, .. } => {
                let alias = alias.as_ref().map(|alias| name(&alias.name)).or_else(|| last(object));
                self.push(alias, args.is_none().then(|| object.clone()), factor.span());
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.item(table_with_joins),
            TableFactor::Derived { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::TableFunction { alias, .. } => self.push(alias_of(alias), None, factor.span()),
            _ => self.push(None, None, factor.span()),
        }
    }

    fn push(&mut self, alias: Option<String>, table: Option<ObjectName>, span: Span) {
        let group = self.all.len();
        self.all.push(Relation { alias, table, span, group });
    }

    /// Joins what the conditions of a filter compare.
    pub fn connect(&mut self, filter: &Expr) {
        for condition in conjuncts(filter) {
            let Columns { names, .. } = Columns::of(condition);
            let bare = names.iter().filter(|parts| parts.len() == 1).count();
            self.uncertain |= bare > 0 && names.len() > 1;
            let qualifiers: BTreeSet<&String> =
                names.iter().filter_map(|parts| parts.len().checked_sub(2).and_then(|at| parts.get(at))).collect();
            let touched: Vec<usize> = (0..self.all.len())
                .filter(|&index| {
                    let alias = self.all.get(index).and_then(|relation| relation.alias.as_ref());
                    alias.is_some_and(|alias| qualifiers.contains(alias))
                })
                .collect();
            for pair in touched.windows(2) {
                if let [one, other] = pair {
                    self.unite(*one, *other);
                }
            }
        }
    }

    fn unite(&mut self, one: usize, other: usize) {
        let group = |index: usize| self.all.get(index).map(|relation| relation.group);
        let (Some(keep), Some(drop)) = (group(one), group(other)) else { return };
        self.all.iter_mut().filter(|relation| relation.group == drop).for_each(|relation| relation.group = keep);
    }

    /// The first table that nothing joins with the tables before it. What `is_table` denies is none: a WITH query may
    /// give one row.
    fn loose(&self, is_table: impl Fn(&ObjectName) -> bool) -> Option<&Relation> {
        let mut tables = self.all.iter().filter(|relation| relation.table.as_ref().is_some_and(&is_table));
        let first = tables.next()?;
        tables.find(|relation| relation.group != first.group).filter(|_| !self.uncertain)
    }
}

fn alias_of(alias: &Option<TableAlias>) -> Option<String> {
    alias.as_ref().map(|alias| name(&alias.name))
}

/// What a join compares.
pub fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    use JoinOperator::{
        Anti, CrossJoin, FullOuter, Inner, Join, Left, LeftAnti, LeftOuter, LeftSemi, Right, RightAnti, RightOuter,
        RightSemi, Semi, StraightJoin,
    };
    match operator {
        Join(on) | Inner(on) | Left(on) | LeftOuter(on) | Right(on) | RightOuter(on) | FullOuter(on)
        | CrossJoin(on) | Semi(on) | LeftSemi(on) | RightSemi(on) | Anti(on) | LeftAnti(on) | RightAnti(on)
        | StraightJoin(on) => Some(on),
        _ => None,
    }
}

/// Looks for tables that nothing joins.
pub fn cartesian(
    report: &mut Report<'_>,
    mut relations: Relations,
    filter: Option<&Expr>,
    is_table: impl Fn(&ObjectName) -> bool,
) {
    if relations.all.len() < 2 {
        return;
    }
    if let Some(filter) = filter {
        relations.connect(filter);
    }
    if let Some(relation) = relations.loose(is_table) {
        report.add(Rule::CartesianJoin, report.source.cover(relation.span));
    }
}

/// Looks for DISTINCT over a join of which the columns of one relation are read.
pub fn distinct_over_join(report: &mut Report<'_>, select: &Select, relations: &Relations) {
    let joined = relations.all.iter().filter(|relation| relation.table.is_some()).count();
    if !matches!(select.distinct, Some(Distinct::Distinct)) || joined < 2 {
        return;
    }
    let mut qualifiers = BTreeSet::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                let Columns { names, subquery } = Columns::of(expr);
                // Something that is computed may well be the same in many rows.
                if subquery || super::column::column(expr).is_none() {
                    return;
                }
                qualifiers.extend(names.into_iter().map(|mut parts| {
                    parts.pop();
                    parts
                }));
            }
            SelectItem::QualifiedWildcard(kind, _) => {
                qualifiers.insert(vec![kind.to_string().trim_end_matches(".*").to_lowercase()]);
            }
            _ => return,
        }
    }
    if qualifiers.len() == 1 {
        let items = select.projection.iter().fold(select.select_token.0.span, |span, item| span.union(&item.span()));
        report.add(Rule::DistinctOverJoin, report.source.cover(items));
    }
}
