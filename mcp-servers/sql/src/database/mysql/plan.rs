//! What the server says of how it would go about a statement. MariaDB, MySQL and newer versions of
//! MySQL say it in three different ways.

use serde_json::{Map, Value};

use crate::database::Plan;

/// The steps as one line each, and the most rows that would have to be looked at.
pub(super) fn read(told: &Value) -> Plan {
    let mut plan = Plan {
        steps: Vec::new(),
        rows: Some(0.0),
    };
    walk(told, &mut plan);
    plan
}

/// Adds what is found to the plan; how many rows come of it.
fn walk(told: &Value, into: &mut Plan) -> f64 {
    match told {
        Value::Object(node) => {
            let below = step(node, into);
            let (inside, beside): (Vec<_>, Vec<_>) = node
                .iter()
                .partition(|(name, _)| name.ends_with("subqueries"));
            let mut rows: f64 = 1.0;
            for (name, value) in beside {
                rows = rows.max(match (name.as_str(), value) {
                    ("nested_loop", Value::Array(loops)) => nested(loops, into),
                    _ => walk(value, into),
                });
            }
            let rows = below.unwrap_or(rows);
            let inside = inside.iter().filter_map(|(_, value)| value.as_array());
            for statement in inside.flatten() {
                let once = walk(statement, into);
                if is_dependent(statement) {
                    into.rows = into.rows.map(|most| most.max(once * rows));
                }
            }
            rows
        }
        Value::Array(list) => list
            .iter()
            .map(|value| walk(value, into))
            .fold(1.0, f64::max),
        _ => 1.0,
    }
}

/// Whether a statement inside of another is read for each row of that. MariaDB says so by what it
/// keeps of the answers.
fn is_dependent(statement: &Value) -> bool {
    let told = statement.get("dependent").and_then(Value::as_bool);
    told == Some(true) || statement.get("expression_cache").is_some()
}

/// Tables that are read one inside the other: each of them as often as those before it give rows.
fn nested(loops: &[Value], into: &mut Plan) -> f64 {
    let rows = loops
        .iter()
        .fold(1.0, |rows, inner| rows * walk(inner, into));
    into.rows = into.rows.map(|most| most.max(rows));
    rows
}

/// A table that is read or a thing that is done; how many rows it gives where that is said.
fn step(node: &Map<String, Value>, into: &mut Plan) -> Option<f64> {
    let word = |name: &str| node.get(name).and_then(Value::as_str);
    let number = |name: &str| node.get(name).and_then(number);
    let looked_at = number("rows")
        .or_else(|| number("rows_examined_per_scan"))
        .or_else(|| number("estimated_rows"));
    let line = if let Some(table) = word("table_name") {
        let how = word("access_type").unwrap_or("read");
        let key = word("key").map_or(String::new(), |key| format!(" by {key}"));
        format!("{how} on {table}{key}")
    } else {
        word("message").or_else(|| word("operation"))?.to_owned()
    };
    let Some(rows) = looked_at else {
        // A union names what it is made of and itself; only the first are read.
        if word("table_name").is_none() && word("message").is_some() {
            into.steps.push(line);
        }
        return None;
    };
    into.steps.push(format!("{line}, {rows} rows"));
    into.rows = into.rows.map(|most| most.max(rows));
    let kept = number("filtered").unwrap_or(100.0) / 100.0;
    Some(rows * kept)
}

/// A number, which some versions write as a text.
fn number(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As MySQL 8.0 says it.
    #[test]
    fn loops_inside_of_loops_are_multiplied() {
        let told = json!({"query_block": {
            "select_id": 1,
            "cost_info": {"query_cost": "101.05"},
            "ordering_operation": {"using_filesort": true, "nested_loop": [
                {"table": {"table_name": "a", "access_type": "ALL",
                    "rows_examined_per_scan": 1000, "rows_produced_per_join": 1000,
                    "filtered": "100.00", "cost_info": {"read_cost": "0.25"}}},
                {"table": {"table_name": "b", "access_type": "ref", "key": "b_a",
                    "rows_examined_per_scan": 50, "rows_produced_per_join": 5000,
                    "filtered": "10.00"}},
                {"table": {"table_name": "c", "access_type": "ALL",
                    "rows_examined_per_scan": 200, "filtered": "100.00"}}
            ]}
        }});
        let plan = read(&told);
        assert_eq!(
            plan.steps,
            [
                "ALL on a, 1000 rows",
                "ref on b by b_a, 50 rows",
                "ALL on c, 200 rows"
            ]
        );
        assert_eq!(plan.rows, Some(1_000_000.0));
    }

    #[test]
    fn statements_inside_that_depend_on_rows_are_multiplied() {
        let told = |about: Value| {
            let table = |name: &str, rows: f64| json!({"table_name": name, "rows": rows});
            let mut inside = json!({"query_block": {"table": table("b", 1_000.0)}});
            if let (Some(inside), Some(about)) = (inside.as_object_mut(), about.as_object()) {
                inside.extend(about.clone());
            }
            json!({"query_block": {"subqueries": [inside], "table": table("a", 500.0)}})
        };
        assert_eq!(read(&told(json!({}))).rows, Some(1_000.0));
        assert_eq!(
            read(&told(json!({"dependent": true}))).rows,
            Some(500_000.0)
        );
        let cached = json!({"query_block": {
            "nested_loop": [{"table": {"table_name": "a", "rows": 500}}],
            "subqueries": [{"expression_cache": {"state": "uninitialized", "query_block":
                {"nested_loop": [{"table": {"table_name": "b", "rows": 1_000}}]}}}]
        }});
        assert_eq!(read(&cached).rows, Some(500_000.0));
    }

    /// As newer versions of MySQL say it.
    #[test]
    fn operations_are_steps() {
        let told = json!({
            "query": "/* select#1 */ select …",
            "operation": "Inner hash join (no condition)",
            "estimated_rows": 9.0,
            "inputs": [
                {"operation": "Table scan on a", "table_name": "a", "access_type": "table",
                    "estimated_rows": 3.0},
                {"operation": "Hash", "inputs": [
                    {"operation": "Table scan on b", "table_name": "b", "access_type": "table",
                        "estimated_rows": 3.0}
                ]}
            ]
        });
        let plan = read(&told);
        assert_eq!(
            plan.steps,
            [
                "Inner hash join (no condition), 9 rows",
                "table on a, 3 rows",
                "table on b, 3 rows"
            ]
        );
        assert_eq!(plan.rows, Some(9.0));
    }

    #[test]
    fn what_reads_nothing_says_so() {
        let told = json!({"query_block": {"select_id": 1, "table": {"message": "No tables used"}}});
        let plan = read(&told);
        assert_eq!(
            (plan.steps, plan.rows),
            (vec!["No tables used".to_owned()], Some(0.0))
        );
    }
}
