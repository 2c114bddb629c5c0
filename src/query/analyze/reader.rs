//! Walks a syntax tree and sends its parts to the rules.

use super::column::{number, strip};
use super::filter::{self, Clause};
use super::relation::{self, Relations, cartesian, constraint, last};
use super::report::Report;
use super::rule::Rule;
use super::{expression, limit};
use sqlparser::ast::{
    Delete, Expr, FromTable, Insert, JoinConstraint, LimitClause, ObjectName, OrderBy, OrderByKind, Query, Select,
    SelectItem, SetExpr, Spanned, Statement, TableFactor, TableWithJoins, Update, UpdateTableFromKind, Visitor,
};
use sqlparser::tokenizer::{Location, Span};
use std::ops::ControlFlow;

/// From this many joins on, a query is worth a second look.
pub const MANY_JOINS: usize = 3;
/// From this many rows on, an OFFSET is deep.
pub const DEEP_OFFSET: u64 = 1_000;

/// A WITH query.
#[derive(Debug)]
struct Cte {
    name: String,
    place: Span,
    whole: Span,
    /// It changes rows, whether it is read or not.
    writes: bool,
}

/// A name that stands for rows, as it is written.
#[derive(Debug)]
struct Mention {
    object: ObjectName,
    at: Location,
}

/// Walks a syntax tree.
pub struct Reader<'r, 'q> {
    report: &'r mut Report<'q>,
    /// Whether the statement returns the rows of its queries to the caller.
    reads: bool,
    /// For each query around the current place: does it, or one around it, limit its rows?
    limited: Vec<bool>,
    /// A WHERE of a query that nothing limits.
    pub unlimited_where: bool,
    /// Any WHERE.
    pub has_where: bool,
    joins: Vec<Span>,
    ctes: Vec<Cte>,
    mentions: Vec<Mention>,
    /// The names in `mentions` that are functions.
    functions: Vec<Location>,
    /// The selects of EXISTS, where the select list does not count.
    tested: Vec<Location>,
}

impl<'r, 'q> Reader<'r, 'q> {
    /// Writes into a report.
    pub fn new(report: &'r mut Report<'q>) -> Self {
        Self {
            report,
            reads: false,
            limited: Vec::new(),
            unlimited_where: false,
            has_where: false,
            joins: Vec::new(),
            ctes: Vec::new(),
            mentions: Vec::new(),
            functions: Vec::new(),
            tested: Vec::new(),
        }
    }

    /// What can only be said at the end, and the tables in the order of the text.
    pub fn finish(self) -> Vec<String> {
        if self.joins.len() >= MANY_JOINS {
            let all = self.joins.iter().fold(Span::empty(), |all, join| all.union(join));
            let place = self.report.source.cover(all);
            self.report.add(Rule::ManyJoins, self.report.source.back_to(place, &["join"]));
        }
        for cte in self.ctes.iter().filter(|cte| !cte.writes) {
            let read = |mention: &Mention| {
                mention.object.0.len() == 1
                    && last(&mention.object).as_ref() == Some(&cte.name)
                    && !(cte.whole.start..=cte.whole.end).contains(&mention.at)
            };
            if !self.mentions.iter().any(read) {
                self.report.add(Rule::UnusedCte, self.report.source.cover(cte.place));
            }
        }
        let mut mentions: Vec<&Mention> =
            self.mentions.iter().filter(|mention| self.is_table(&mention.object)).collect();
        mentions.sort_by_key(|mention| mention.at);
        let mut tables: Vec<String> = Vec::new();
        for Mention { object, at } in mentions {
            let parts = object.0.iter().map(|part| part.as_ident().map(super::column::name));
            let name = parts.collect::<Option<Vec<_>>>().map(|parts| parts.join("."));
            match name {
                Some(name) if !self.functions.contains(at) && !tables.contains(&name) => tables.push(name),
                _ => {}
            }
        }
        tables
    }

    /// Whether a name is that of a table, not of a WITH query.
    fn is_table(&self, object: &ObjectName) -> bool {
        let name = last(object);
        object.0.len() > 1 || !self.ctes.iter().any(|cte| Some(&cte.name) == name.as_ref())
    }

    fn joined(&mut self, from: &TableWithJoins) {
        for join in &from.joins {
            self.joins.push(join.relation.span());
            if let Some(JoinConstraint::On(filter)) = constraint(&join.join_operator) {
                filter::check(self.report, filter, Clause::On);
            }
        }
    }

    fn update(&mut self, update: &Update) {
        self.has_where |= update.selection.is_some();
        self.joined(&update.table);
        let mut relations = Relations::of(std::slice::from_ref(&update.table));
        if let Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = &update.from {
            from.iter().for_each(|item| {
                relations.item(item);
                self.joined(item);
            });
        }
        match &update.selection {
            Some(filter) => filter::check(self.report, filter, Clause::Where),
            None if update.limit.is_none() => {
                let place = self.report.source.cover(update.update_token.0.span.union(&update.table.span()));
                self.report.add(Rule::UpdateWithoutWhere, place);
                return;
            }
            None => {}
        }
        self.cartesian(relations, update.selection.as_ref());
    }

    fn delete(&mut self, delete: &Delete) {
        self.has_where |= delete.selection.is_some();
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let mut relations = Relations::of(from);
        for item in delete.using.iter().flatten() {
            relations.item(item);
            self.joined(item);
        }
        match &delete.selection {
            Some(filter) => filter::check(self.report, filter, Clause::Where),
            None if delete.limit.is_none() => {
                let tables = from.iter().fold(delete.delete_token.0.span, |span, table| span.union(&table.span()));
                self.report.add(Rule::DeleteWithoutWhere, self.report.source.cover(tables));
                return;
            }
            None => {}
        }
        self.cartesian(relations, delete.selection.as_ref());
    }

    fn insert(&mut self, insert: &Insert) {
        if insert.columns.is_empty() && insert.assignments.is_empty() && insert.source.is_some() {
            let place = self.report.source.cover(insert.insert_token.0.span.union(&insert.table.span()));
            self.report.add(Rule::InsertWithoutColumns, place);
        }
    }

    fn cartesian(&mut self, relations: Relations, filter: Option<&Expr>) {
        let ctes: Vec<String> = self.ctes.iter().map(|cte| cte.name.clone()).collect();
        cartesian(self.report, relations, filter, |object| {
            object.0.len() > 1 || last(object).is_some_and(|name| !ctes.contains(&name))
        });
    }

    fn select_star(&mut self, select: &Select, relations: &Relations) {
        if self.tested.contains(&select.select_token.0.span.start) {
            return;
        }
        for item in &select.projection {
            let qualifier = match item {
                SelectItem::Wildcard(_) => None,
                SelectItem::QualifiedWildcard(kind, _) => {
                    Some(kind.to_string().trim_end_matches(".*").rsplit('.').next().unwrap_or("").to_lowercase())
                }
                _ => continue,
            };
            // A subquery or a WITH query has named its columns already.
            let mut meant = relations.all.iter().filter(|relation| qualifier.is_none() || relation.alias == qualifier);
            let named =
                |relation: &relation::Relation| !relation.table.as_ref().is_some_and(|name| self.is_table(name));
            if relations.all.is_empty() || !meant.clone().all(named) || meant.next().is_none() {
                self.report.add(Rule::SelectStar, self.report.source.place(item));
            }
        }
    }
}

impl Visitor for Reader<'_, '_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.reads = matches!(statement, Statement::Query(_) | Statement::Explain { .. });
        match statement {
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Insert(insert) => self.insert(insert),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let around = self.limited.last().copied().unwrap_or(false);
        // A data-modifying body returns what it changed, not what a LIMIT would bound.
        let writes = matches!(&*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_));
        let limited = query.limit_clause.is_some() || query.fetch.is_some();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let writes =
                !matches!(&*cte.query.body, SetExpr::Select(_) | SetExpr::SetOperation { .. } | SetExpr::Values(_));
            let (name, place) = (super::column::name(&cte.alias.name), cte.alias.name.span);
            self.ctes.push(Cte { name, place, whole: cte.span(), writes });
        }
        if self.reads && self.limited.is_empty() && !limited {
            let unbounded = limit::unbounded(&query.body, query, |object| self.is_table(object));
            if let Some(select) = unbounded {
                let place = self.report.source.cover(select.span());
                self.report.add(Rule::MissingLimit, place);
            }
        }
        if let Some(LimitClause::LimitOffset { offset: Some(offset), .. }) = &query.limit_clause {
            self.offset(&offset.value);
        } else if let Some(LimitClause::OffsetCommaLimit { offset, .. }) = &query.limit_clause {
            self.offset(offset);
        }
        self.limited.push(around || writes || limited);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.limited.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let relations = Relations::of(&select.from);
        self.select_star(select, &relations);
        relation::distinct_over_join(self.report, select, &relations);
        expression::counts_only(self.report, select);
        select.from.iter().for_each(|from| self.joined(from));
        if let Some(filter) = &select.selection {
            self.has_where = true;
            self.unlimited_where |= self.reads && !self.limited.last().copied().unwrap_or(false);
            filter::check(self.report, filter, Clause::Where);
        }
        self.cartesian(relations, select.selection.as_ref());
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => self.joined(table_with_joins),
            TableFactor::Table { name, args: Some(_), .. } => self.functions.push(name.span().start),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, object: &ObjectName) -> ControlFlow<()> {
        self.mentions.push(Mention { object: object.clone(), at: object.span().start });
        ControlFlow::Continue(())
    }

    fn pre_visit_order_by(&mut self, order: &OrderBy) -> ControlFlow<()> {
        if let OrderByKind::Expressions(by) = &order.kind {
            for item in by {
                if let Expr::Function(function) = strip(&item.expr)
                    && ["random", "rand", "newid", "gen_random_uuid"]
                        .iter()
                        .any(|name| function.name.to_string().eq_ignore_ascii_case(name))
                {
                    let place = self.report.source.place(&item.expr);
                    self.report.add(Rule::OrderByRandom, place);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Exists { subquery, .. } = expr
            && let SetExpr::Select(select) = &*subquery.body
        {
            self.tested.push(select.select_token.0.span.start);
        }
        if !self.report.is_full() {
            expression::check(self.report, expr);
        }
        ControlFlow::Continue(())
    }
}

impl Reader<'_, '_> {
    fn offset(&mut self, offset: &Expr) {
        if number(offset).is_some_and(|rows| rows >= DEEP_OFFSET) {
            let place = self.report.source.place(offset);
            self.report.add(Rule::DeepOffset, self.report.source.back_to(place, &["offset", "limit"]));
        }
    }
}
