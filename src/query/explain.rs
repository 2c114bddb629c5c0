//! What the server would do with a statement, and which index would spare it work.
//!
//! This file says what to send and what the answers mean; the face sends it. Nothing is run unless that is asked for,
//! and then inside a transaction that is rolled back.

use super::analyze::tree::on_deep_stack;
use super::config::switch;
use super::error::QueryError;
use super::fingerprint;
use super::index::{self, Cast, Proposal};
use super::plan::{Plan, Scan};
use super::table::Table;
use crate::options::{self, OptionError, Options};
use serde::Serialize;
use serde_json::{Value, json};

/// Proposals of one plan.
const MOST_PROPOSALS: usize = 5;

/// How a statement is explained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplainConfig {
    /// Whether it runs, inside a transaction that is rolled back. Default false.
    pub analyze: bool,
    /// From this many rows on a table is large. Default 10,000.
    pub large_table_rows: f64,
    /// Whether proposals are tried where the server has the extension `hypopg`. Default true.
    pub hypothetical: bool,
}

impl ExplainConfig {
    /// Reads `{ analyze, largeTableRows, hypothetical }`.
    pub fn read(raw: &(impl Options + ?Sized)) -> Result<Self, OptionError> {
        Ok(Self {
            analyze: switch(raw, "analyze", false)?,
            large_table_rows: options::number(raw, "largeTableRows", 10_000.0, 1.0, f64::INFINITY)?,
            hypothetical: switch(raw, "hypothetical", true)?,
        })
    }
}

/// The statement that explains a text. A text with several statements is refused: all after the first would run.
pub fn statement(text: &str, config: ExplainConfig) -> Result<String, QueryError> {
    if !fingerprint::is_single(text) {
        return Err(QueryError::ManyStatements);
    }
    let analyze = if config.analyze { "ANALYZE, BUFFERS, " } else { "" };
    Ok(format!("EXPLAIN ({analyze}VERBOSE, FORMAT JSON) {text}"))
}

/// The tables of a plan's scans, as the catalog query takes them.
pub fn tables(plan: &Plan) -> String {
    let mut names: Vec<(&str, &str)> =
        plan.scans.iter().map(|scan| (scan.schema.as_str(), scan.table.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    Value::from_iter(names.into_iter().map(|(schema, name)| json!({ "schema": schema, "name": name }))).to_string()
}

/// The scan of a large table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LargeScan {
    table: String,
    /// Of the table.
    table_rows: f64,
    /// Left by the filter.
    rows: f64,
    cost: f64,
    filter: Option<String>,
}

/// What explaining gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    fingerprint: String,
    total_cost: f64,
    rows: f64,
    execution_ms: Option<f64>,
    sequential_scans: Vec<LargeScan>,
    index_proposals: Vec<Proposal>,
    casts: Vec<Cast>,
    plan: Value,
}

/// What a plan and the catalog's answer say together.
pub fn explained(text: &str, plan: Plan, catalog: &str, config: ExplainConfig) -> Explained {
    let tables = Table::read(catalog);
    let (mut scans, mut proposals, mut casts) = (Vec::new(), Vec::new(), Vec::new());
    for scan in &plan.scans {
        let Some(table) = tables.iter().find(|table| table.is(&scan.schema, &scan.table)) else { continue };
        if table.rows() < config.large_table_rows {
            continue;
        }
        let Scan { schema, table: name, rows, cost, filter, .. } = scan.clone();
        let name = format!("{schema}.{name}");
        scans.push(LargeScan { table: name, table_rows: table.rows(), rows, cost, filter });
        if let Some((proposal, found)) = on_deep_stack(|| index::look(scan, table)) {
            proposals.extend(proposal.filter(|new| !proposals.contains(new)));
            casts.extend(found);
        }
    }
    proposals.truncate(MOST_PROPOSALS);
    Explained {
        fingerprint: fingerprint::short(&fingerprint::without_literals(text)),
        total_cost: plan.total_cost,
        rows: plan.rows,
        execution_ms: plan.execution_ms,
        sequential_scans: scans,
        index_proposals: proposals,
        casts,
        plan: plan.root,
    }
}

/// What a proposal gains: the cost with it, the share of the cost that it spares, and whether the plan uses it.
pub fn gain(before: f64, after: &Plan, index: &str) -> (f64, f64, bool) {
    let used = after.uses(index);
    let share = if used && before > 0.0 { (1.0 - after.total_cost / before).max(0.0) } else { 0.0 };
    (after.total_cost, share, used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Scalar;

    #[test]
    fn nothing_runs_unless_it_is_asked_for() {
        let config = ExplainConfig::read(&[][..]).unwrap();
        assert_eq!(statement("SELECT 1;", config).unwrap(), "EXPLAIN (VERBOSE, FORMAT JSON) SELECT 1;");
        let config = ExplainConfig::read(&[("analyze", Scalar::Bool(true))][..]).unwrap();
        assert!(statement("SELECT 1", config).unwrap().starts_with("EXPLAIN (ANALYZE, "));
        for value in [Scalar::Number(1.0), Scalar::Text("yes".into())] {
            assert!(ExplainConfig::read(&[("analyze", value)][..]).unwrap_err().to_string().contains("\"analyze\""));
        }
    }

    #[test]
    fn a_text_with_several_statements_is_refused() {
        let config = ExplainConfig::read(&[][..]).unwrap();
        for text in
            ["SELECT 1; DELETE FROM t", "SELECT 1 ` 2; DELETE FROM t; SELECT 3 ` 4", ";;SELECT 1", "SELECT 1; x"]
        {
            assert_eq!(statement(text, config), Err(QueryError::ManyStatements), "{text}");
        }
        for text in ["SELECT 1", "SELECT 1 ; -- a; b\n", "SELECT ';', \";\", $$;$$ /* ; */", ""] {
            assert!(statement(text, config).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_gain_is_a_share_of_the_cost() {
        let plan = |name: &str, cost: f64| {
            let node = json!({ "Node Type": "Index Scan", "Index Name": name, "Total Cost": cost, "Plan Rows": 1 });
            Plan::read(&json!([{ "Plan": node }]).to_string()).unwrap()
        };
        assert_eq!(gain(100.0, &plan("new", 25.0), "new"), (25.0, 0.75, true));
        assert_eq!(gain(100.0, &plan("other", 25.0), "new"), (25.0, 0.0, false));
        assert_eq!(gain(0.0, &plan("new", 25.0), "new"), (25.0, 0.0, true));
    }
}
