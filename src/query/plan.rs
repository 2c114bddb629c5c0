//! A plan of the server's, as EXPLAIN (FORMAT JSON, VERBOSE) gives it: its cost, and the scans that read whole tables.

use serde_json::{Map, Value};

/// A condition of a join above a scan, and the rows that the join's other side brings.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinCondition {
    /// As the server writes it.
    pub text: String,
    /// Rows expected from the other side.
    pub other_rows: f64,
}

/// A scan that reads a whole table.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub table: String,
    /// What the plan calls it.
    pub alias: String,
    /// Rows expected to be left by the filter.
    pub rows: f64,
    /// The whole scan.
    pub cost: f64,
    /// The filter, as the server writes it.
    pub filter: Option<String>,
    /// The joins above it.
    pub joins: Vec<JoinCondition>,
    /// The sort keys, where the scan's rows are sorted for the first few of them.
    pub order: Vec<String>,
}

/// What a plan says.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the server's units.
    pub total_cost: f64,
    /// Rows expected.
    pub rows: f64,
    /// Milliseconds, where the statement ran.
    pub execution_ms: Option<f64>,
    /// The scans of whole tables, in the plan's order.
    pub scans: Vec<Scan>,
    /// The plan itself.
    pub root: Value,
}

impl Plan {
    /// Reads the server's answer; `None` when it is no plan.
    pub fn read(json: &str) -> Option<Self> {
        let answer: Value = serde_json::from_str(json).ok()?;
        let top = answer.as_array().and_then(|plans| plans.first()).unwrap_or(&answer);
        let root = top.get("Plan")?.clone();
        let node = root.as_object()?;
        let mut scans = Vec::new();
        walk(node, &Above::default(), &mut scans);
        Some(Self {
            total_cost: number(node, "Total Cost")?,
            rows: number(node, "Plan Rows")?,
            execution_ms: top.get("Execution Time").and_then(Value::as_f64),
            scans,
            root,
        })
    }

    /// Whether the plan uses an index of this name.
    pub fn uses(&self, index: &str) -> bool {
        fn found(value: &Value, index: &str) -> bool {
            match value {
                Value::Object(node) => {
                    node.get("Index Name").and_then(Value::as_str) == Some(index)
                        || node.get("Plans").is_some_and(|plans| found(plans, index))
                }
                Value::Array(plans) => plans.iter().any(|plan| found(plan, index)),
                _ => false,
            }
        }
        found(&self.root, index)
    }
}

/// What the nodes above say about the rows of a node.
#[derive(Debug, Clone, Default)]
struct Above {
    joins: Vec<JoinCondition>,
    limited: bool,
    order: Vec<String>,
}

fn number(node: &Map<String, Value>, name: &str) -> Option<f64> {
    node.get(name).and_then(Value::as_f64)
}

fn text<'n>(node: &'n Map<String, Value>, name: &str) -> Option<&'n str> {
    node.get(name).and_then(Value::as_str)
}

fn walk(node: &Map<String, Value>, above: &Above, scans: &mut Vec<Scan>) {
    let kind = text(node, "Node Type").unwrap_or("");
    if kind == "Seq Scan" {
        let named = |name| text(node, name).map(str::to_owned);
        if let (Some(table), Some(rows), Some(cost)) =
            (named("Relation Name"), number(node, "Plan Rows"), number(node, "Total Cost"))
        {
            scans.push(Scan {
                schema: named("Schema").unwrap_or_else(|| "public".into()),
                alias: named("Alias").unwrap_or_else(|| table.clone()),
                table,
                rows,
                cost,
                filter: named("Filter"),
                joins: above.joins.clone(),
                order: above.order.clone(),
            });
        }
    }
    let children: Vec<&Map<String, Value>> =
        node.get("Plans").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect();
    let conditions: Vec<&str> =
        ["Hash Cond", "Merge Cond", "Join Filter"].into_iter().filter_map(|name| text(node, name)).collect();
    for (at, child) in children.iter().enumerate() {
        let mut next = match kind {
            "Limit" => Above { limited: true, joins: above.joins.clone(), order: Vec::new() },
            "Sort" | "Incremental Sort" if above.limited => {
                let keys = node.get("Sort Key").and_then(Value::as_array).into_iter().flatten();
                Above { order: keys.filter_map(Value::as_str).map(str::to_owned).collect(), ..above.clone() }
            }
            // They hand on what they get.
            "Gather" | "Gather Merge" | "Result" => above.clone(),
            _ => Above { joins: above.joins.clone(), ..Above::default() },
        };
        // Where a plan has two inputs, each is the other's other side.
        let other = children.iter().enumerate().find(|(index, _)| *index != at).map(|(_, other)| other);
        let other_rows = other.and_then(|other| number(other, "Plan Rows")).unwrap_or(f64::INFINITY);
        next.joins.extend(conditions.iter().map(|text| JoinCondition { text: (*text).into(), other_rows }));
        walk(child, &next, scans);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_know_what_is_asked_of_their_rows() {
        let json = r#"[{"Plan": {"Node Type": "Limit", "Total Cost": 10.5, "Plan Rows": 5, "Plans": [
            {"Node Type": "Sort", "Sort Key": ["o.at DESC"], "Plan Rows": 900, "Plans": [
              {"Node Type": "Seq Scan", "Schema": "shop", "Relation Name": "orders", "Alias": "o", "Plan Rows": 900,
               "Total Cost": 8, "Filter": "(o.open)"}]}]}, "Execution Time": 1.5}]"#;
        let plan = Plan::read(json).unwrap();
        assert_eq!((plan.total_cost, plan.rows, plan.execution_ms), (10.5, 5.0, Some(1.5)));
        let scan = &plan.scans[0];
        assert_eq!((scan.schema.as_str(), scan.table.as_str(), scan.alias.as_str()), ("shop", "orders", "o"));
        assert_eq!((scan.order.as_slice(), scan.filter.as_deref()), (&["o.at DESC".to_owned()][..], Some("(o.open)")));
    }

    #[test]
    fn a_join_tells_each_side_of_the_other() {
        let scan = |name: &str, rows: f64| serde_json::json!({"Node Type": "Seq Scan", "Relation Name": name, "Plan Rows": rows, "Total Cost": 1.0});
        let hash = serde_json::json!({"Node Type": "Hash", "Plan Rows": 7, "Plans": [scan("b", 7.0)]});
        let root = serde_json::json!({"Node Type": "Hash Join", "Hash Cond": "(a.x = b.x)", "Total Cost": 2.0,
            "Plan Rows": 1, "Plans": [scan("a", 90.0), hash]});
        let plan = Plan::read(&serde_json::json!([{ "Plan": root }]).to_string()).unwrap();
        let seen: Vec<_> = plan.scans.iter().map(|scan| (scan.table.as_str(), scan.joins[0].other_rows)).collect();
        assert_eq!(seen, [("a", 7.0), ("b", 90.0)]);
    }

    #[test]
    fn what_is_no_plan_is_none() {
        for json in ["", "[]", "{}", "[1]", "[{\"Plan\": 5}]", "[{\"Plan\": {}}]", &"[".repeat(1000)] {
            assert_eq!(Plan::read(json), None);
        }
    }
}
