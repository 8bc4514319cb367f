//! What the server says of how it would go about a statement, and how many rows it would look at.
//!
//! PostgreSQL tells how many rows come out of a step, which for one that reads a table from end to
//! end to find a single row is one. What such a step looks at is what the table holds.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio_postgres::{Error, Transaction};

use crate::database::Plan;

/// How many rows tables have, as far as the planner knows.
const SIZES: &str = "
    SELECT n.nspname::text, c.relname::text, c.reltuples::float8
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = ANY ($1::text[]) AND c.reltuples >= 0";

/// Rows by schema and table.
type Sizes = BTreeMap<(String, String), f64>;

pub(super) async fn plan(transaction: &Transaction<'_>, sql: &str) -> Result<Plan, Error> {
    let explain = format!("EXPLAIN (FORMAT JSON, VERBOSE) {sql}");
    let told = transaction.query_one(&explain, &[]).await?;
    let told: Value = told.try_get(0)?;
    let mut names = Vec::new();
    scanned(&told, &mut names);
    let mut sizes = Sizes::new();
    if !names.is_empty() {
        for row in transaction.query(SIZES, &[&names]).await? {
            sizes.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
        }
    }
    Ok(read(&told, &sizes))
}

/// The tables that are read from end to end.
fn scanned(told: &Value, into: &mut Vec<String>) {
    for node in nodes(told) {
        if let (Some("Seq Scan"), Some(table)) =
            (word(node, "Node Type"), word(node, "Relation Name"))
        {
            into.push(table.to_owned());
        }
        scanned(node, into);
    }
}

/// The steps as one line each, and the rows that would have to be looked at.
fn read(told: &Value, sizes: &Sizes) -> Plan {
    let mut steps = Vec::new();
    let looked: f64 = nodes(told)
        .map(|node| looked(node, sizes, &mut steps))
        .sum();
    Plan {
        steps,
        rows: Some(looked),
    }
}

/// The steps right below one, and those of a whole plan.
fn nodes(told: &Value) -> impl Iterator<Item = &Value> {
    let list = told.as_array().or_else(|| told.get("Plans")?.as_array());
    let below = list.into_iter().flatten();
    below.map(|node| node.get("Plan").unwrap_or(node))
}

/// How many rows are looked at for a step and all below it.
fn looked(node: &Value, sizes: &Sizes, steps: &mut Vec<String>) -> f64 {
    let kind = word(node, "Node Type").unwrap_or("step");
    let rows = number(node, "Plan Rows");
    let table = word(node, "Relation Name");
    let on = table.map_or(String::new(), |table| format!(" on {table}"));
    steps.push(format!("{kind}{on}, {rows} rows"));
    let place = word(node, "Schema").unwrap_or_default().to_owned();
    let size = table.and_then(|table| sizes.get(&(place, table.to_owned())));
    let own = match kind {
        "Seq Scan" => size.copied().unwrap_or(rows).max(rows),
        // Told by what is below.
        "Bitmap Heap Scan" | "Subquery Scan" => 0.0,
        _ if word(node, "Alias").is_some() => rows,
        _ => 0.0,
    };
    let outer = nodes(node).find(|below| word(below, "Parent Relationship") == Some("Outer"));
    let outer_rows = outer
        .map_or(own, |outer| number(outer, "Plan Rows"))
        .max(1.0);
    let mut all = own;
    for below in nodes(node) {
        let once = looked(below, sizes, steps);
        all += match word(below, "Parent Relationship") {
            Some("Inner") if kind == "Nested Loop" => inner(below, once, outer_rows),
            Some("SubPlan") if !is_hashed(node, below) => once * outer_rows.max(own),
            Some("Outer") if kind == "Limit" => once * share(node, below),
            _ => once,
        };
    }
    all.max(rows)
}

/// What is looked at on the inner side of a loop, which is read for every row of the outer side.
fn inner(node: &Value, once: f64, times: f64) -> f64 {
    match word(node, "Node Type") {
        // Kept from the first time on.
        Some("Materialize") => once + times * number(node, "Plan Rows"),
        _ => once * times,
    }
}

/// How much of what is below a limit is done until there are enough rows, by what the planner
/// thinks that both of them cost.
fn share(limit: &Value, below: &Value) -> f64 {
    let (part, whole) = (number(limit, "Total Cost"), number(below, "Total Cost"));
    if whole > 0.0 {
        (part / whole).clamp(0.0, 1.0)
    } else {
        1.0
    }
}

/// Whether the rows of a statement inside of another are made once and looked up after that.
fn is_hashed(node: &Value, below: &Value) -> bool {
    let name = word(below, "Subplan Name").unwrap_or_default();
    let hashed = format!("hashed {name}");
    let Some(node) = node.as_object() else {
        return false;
    };
    let own = node.iter().filter(|(about, _)| *about != "Plans");
    let mut own = own.map(|(_, value)| value.to_string());
    own.any(|text| text.contains(&hashed))
}

fn word<'v>(node: &'v Value, name: &str) -> Option<&'v str> {
    node.get(name)?.as_str()
}

fn number(node: &Value, name: &str) -> f64 {
    let number = node.get(name).and_then(Value::as_f64);
    number.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(plan: Value) -> f64 {
        let sizes = [("big", 1e6), ("small", 1_000.0)];
        let sizes = sizes.map(|(name, size)| (("public".to_owned(), name.to_owned()), size));
        read(&json!([{ "Plan": plan }]), &Sizes::from(sizes))
            .rows
            .unwrap()
    }

    fn scan(table: &str, rows: f64, side: &str) -> Value {
        json!({"Node Type": "Seq Scan", "Parent Relationship": side, "Relation Name": table,
            "Schema": "public", "Alias": "t", "Total Cost": 20_000.0, "Plan Rows": rows})
    }

    fn over(kind: &str, rows: f64, plans: Value) -> Value {
        json!({"Node Type": kind, "Plan Rows": rows, "Total Cost": 20.0, "Plans": plans})
    }

    #[test]
    fn what_is_filtered_away_was_looked_at() {
        assert_eq!(rows(scan("big", 1.0, "")), 1e6);
        assert_eq!(
            rows(over("Aggregate", 1.0, json!([scan("big", 1.0, "Outer")]))),
            1e6
        );
        // Nothing is known of it.
        assert_eq!(rows(scan("new", 7.0, "")), 7.0);
    }

    #[test]
    fn loops_inside_of_loops_are_multiplied() {
        let both = json!([scan("big", 1e6, "Outer"), scan("small", 1_000.0, "Inner")]);
        assert_eq!(rows(over("Nested Loop", 5.0, both)), 1e6 + 1e9);
        let kept = json!({"Node Type": "Materialize", "Parent Relationship": "Inner",
            "Plan Rows": 10.0, "Plans": [scan("small", 10.0, "Outer")]});
        let both = json!([scan("big", 1e6, "Outer"), kept]);
        assert_eq!(rows(over("Nested Loop", 5.0, both)), 1e6 + 1_000.0 + 1e7);
        let both = json!([scan("big", 1e6, "Outer"), scan("small", 1_000.0, "Inner")]);
        assert_eq!(rows(over("Hash Join", 5.0, both)), 1e6 + 1_000.0);
    }

    #[test]
    fn statements_inside_are_read_for_every_row_unless_they_are_kept() {
        let mut inner = scan("small", 1.0, "SubPlan");
        inner["Subplan Name"] = "SubPlan 1".into();
        let mut outer = scan("big", 1e6, "");
        outer["Plans"] = json!([inner]);
        assert_eq!(rows(outer.clone()), 1e6 + 1e9);
        outer["Filter"] = "(hashed SubPlan 1)".into();
        assert_eq!(rows(outer), 1e6 + 1_000.0);
    }

    #[test]
    fn a_limit_ends_it_early() {
        assert_eq!(
            rows(over("Limit", 10.0, json!([scan("big", 1e6, "Outer")]))),
            1_000.0
        );
        // All of it is sorted before the first row comes.
        let mut sort = over("Sort", 1e6, json!([scan("big", 1e6, "Outer")]));
        sort["Parent Relationship"] = "Outer".into();
        assert_eq!(rows(over("Limit", 10.0, json!([sort]))), 1e6);
    }
}
