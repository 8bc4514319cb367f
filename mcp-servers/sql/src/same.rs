//! Whether two answers are the same: what candidates are put together by, and what execution
//! accuracy (EX) is measured with.

use std::cmp::Ordering;

use crate::asked::parsed;
use crate::database::{Cell, Rows};
use crate::dialect::Dialect;

/// Up to how many columns their order is free.
const FREE_ORDER: usize = 5;

/// Whether `answer` gives what `gold` gives: the same rows as often, floats to four places, columns
/// in any order up to five of them. The order of rows counts where `ordered`.
#[must_use]
pub fn same(gold: &Rows, answer: &Rows, ordered: bool) -> bool {
    let columns = gold.columns.len();
    if columns != answer.columns.len() || gold.rows.len() != answer.rows.len() {
        return false;
    }
    let wanted = plain(gold);
    let given = plain(answer);
    let straight: Vec<usize> = (0..columns).collect();
    if equal(&wanted, &given, &straight, ordered) {
        return true;
    }
    if columns > FREE_ORDER {
        return false;
    }
    let mut orders = Vec::new();
    permute(&wanted, &given, columns, &mut Vec::new(), &mut orders);
    orders
        .iter()
        .any(|order| equal(&wanted, &given, order, ordered))
}

/// Whether a statement says in which order its rows come.
#[must_use]
pub fn sorts(sql: &str, dialect: Dialect) -> bool {
    parsed(sql, dialect).is_some_and(|query| query.order_by.is_some())
}

/// A value as it is compared.
#[derive(Debug, Clone, PartialEq)]
enum Plain {
    None,
    Number(f64),
    Text(String),
}

impl Plain {
    fn of(cell: &Cell) -> Self {
        match cell {
            Cell::Null => Self::None,
            Cell::Bool(yes) => Self::Number(f64::from(*yes)),
            Cell::Number(number) => number.as_f64().map_or(Self::None, |number| {
                Self::Number((number * 10_000.0).round() / 10_000.0)
            }),
            other => Self::Text(
                other
                    .as_str()
                    .map_or_else(|| other.to_string(), str::to_owned),
            ),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let rank = |value: &Self| match value {
            Self::None => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        };
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => one.total_cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

fn plain(rows: &Rows) -> Vec<Vec<Plain>> {
    let row = |row: &Vec<Cell>| row.iter().map(Plain::of).collect();
    rows.rows.iter().map(row).collect()
}

/// Orders of the answer's columns in which each holds the same values as the wanted one.
fn permute(
    wanted: &[Vec<Plain>],
    given: &[Vec<Plain>],
    columns: usize,
    chosen: &mut Vec<usize>,
    orders: &mut Vec<Vec<usize>>,
) {
    let place = chosen.len();
    if place == columns {
        orders.push(chosen.clone());
        return;
    }
    for candidate in 0..columns {
        if !chosen.contains(&candidate) && column(wanted, place) == column(given, candidate) {
            chosen.push(candidate);
            permute(wanted, given, columns, chosen, orders);
            chosen.pop();
        }
    }
}

fn column(rows: &[Vec<Plain>], place: usize) -> Vec<&Plain> {
    let mut values: Vec<&Plain> = rows.iter().filter_map(|row| row.get(place)).collect();
    values.sort_by(|one, two| one.order(two));
    values
}

fn equal(wanted: &[Vec<Plain>], given: &[Vec<Plain>], order: &[usize], ordered: bool) -> bool {
    let mut wanted: Vec<Vec<&Plain>> = wanted.iter().map(|row| row.iter().collect()).collect();
    let picked = |row: &'_ [Plain]| -> Vec<usize> {
        order
            .iter()
            .copied()
            .filter(|place| *place < row.len())
            .collect()
    };
    let mut given: Vec<Vec<&Plain>> = given
        .iter()
        .map(|row| {
            picked(row)
                .into_iter()
                .filter_map(|place| row.get(place))
                .collect()
        })
        .collect();
    if !ordered {
        wanted.sort_by(|one, two| lexical(one, two));
        given.sort_by(|one, two| lexical(one, two));
    }
    wanted == given
}

fn lexical(one: &[&Plain], two: &[&Plain]) -> Ordering {
    one.iter()
        .zip(two)
        .map(|(one, two)| one.order(two))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| one.len().cmp(&two.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{same, sorts};
    use crate::database::{Head, Rows};
    use crate::dialect::Dialect;

    fn rows(rows: &serde_json::Value) -> Rows {
        let rows: Vec<Vec<_>> = serde_json::from_value(rows.clone()).unwrap();
        let head = Head {
            name: String::new(),
            kind: String::new(),
        };
        Rows {
            columns: vec![head; rows.first().map_or(0, Vec::len)],
            rows,
            truncated: None,
        }
    }

    #[test]
    fn the_order_of_columns_is_free_and_that_of_rows_only_without_sorting() {
        let gold = rows(&json!([["a", 1], ["b", 2]]));
        let turned = rows(&json!([[2.00001, "b"], [1, "a"]]));
        assert!(same(&gold, &turned, false));
        assert!(!same(&gold, &turned, true));
        assert!(!same(&gold, &rows(&json!([["a", 2], ["b", 1]])), false));
        assert!(!same(&gold, &rows(&json!([["a", 1]])), false));
        assert!(!same(&rows(&json!([["1"]])), &rows(&json!([[1]])), false));
    }

    #[test]
    fn rows_count_as_often_as_they_come() {
        let gold = rows(&json!([["a"], ["a"], ["b"]]));
        assert!(!same(&gold, &rows(&json!([["a"], ["b"], ["b"]])), false));
    }

    #[test]
    fn a_statement_sorts_where_its_rows_come_in_order() {
        assert!(sorts("SELECT a FROM t ORDER BY a", Dialect::Sqlite));
        assert!(!sorts(
            "SELECT a FROM (SELECT a FROM t ORDER BY a)",
            Dialect::Sqlite
        ));
    }
}
