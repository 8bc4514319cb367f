//! Each sign is seen where it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{SIGNALS, View, weigh};
use crate::asked::parsed;
use crate::choose::question::Asking;
use crate::choose::reading::Reading;
use crate::choose::tests::schema;
use crate::database::{Head, Rows};
use crate::dialect::Dialect;
use crate::parse::links;

fn rows(rows: &Value) -> Rows {
    let rows: Vec<Vec<Value>> = serde_json::from_value(rows.clone()).unwrap();
    let head = Head {
        name: String::new(),
        kind: String::new(),
    };
    Rows {
        columns: vec![head; rows.first().map_or(1, Vec::len)],
        rows,
        truncated: None,
    }
}

/// The signs of the first of some candidates.
fn signs(question: &str, candidates: &[(&str, Value)]) -> BTreeMap<&'static str, f64> {
    let schema = schema();
    let links = links(&schema);
    let read = |sql: &str| Reading::of(&parsed(sql, Dialect::Sqlite).unwrap(), &schema, &links);
    let read: Vec<(Reading, Rows)> = candidates
        .iter()
        .map(|(sql, given)| (read(sql), rows(given)))
        .collect();
    let peers: Vec<(&Reading, &Rows)> =
        read.iter().map(|(reading, rows)| (reading, rows)).collect();
    let (reading, rows) = peers[0];
    let view = View {
        asking: &Asking::new(question),
        reading,
        rows,
        links: &links,
        peers: &peers,
        candidates: candidates.len(),
        mended: false,
    };
    let counts = SIGNALS.iter().map(|sign| (sign.name, (sign.count)(&view)));
    let counts: BTreeMap<_, _> = counts.filter(|(_, count)| *count != 0.0).collect();
    let weights = SIGNALS
        .iter()
        .filter_map(|sign| Some(sign.weight * counts.get(sign.name)?));
    assert!((weights.sum::<f64>() - weigh(&view)).abs() < 1e-9);
    counts
}

#[test]
fn each_sign_is_seen_where_it_is_and_not_where_it_is_not() {
    let one = json!([["a"]]);
    let two = json!([["a"], ["b"]]);
    let names = "SELECT name FROM singer";
    let count = "SELECT count(*) FROM singer";
    let joined = "SELECT name FROM singer JOIN concert ON singer.id = singer_id";
    for (sign, question, with, given, without, given_without) in [
        ("nothing", "", names, json!([]), names, one.clone()),
        ("nothing", "", count, json!([[0]]), count, json!([[1]])),
        (
            "gaps",
            "",
            names,
            json!([["a"], [null]]),
            names,
            two.clone(),
        ),
        (
            "repeats",
            "",
            names,
            json!([["a"], ["a"]]),
            names,
            two.clone(),
        ),
        (
            "many_for_one",
            "the youngest singer",
            names,
            two.clone(),
            names,
            one.clone(),
        ),
        (
            "not_one_number",
            "How many singers are there?",
            names,
            two.clone(),
            count,
            json!([[2]]),
        ),
        (
            "everything",
            "the names",
            "SELECT * FROM singer",
            one.clone(),
            names,
            one.clone(),
        ),
        (
            "unasked_column",
            "their names",
            "SELECT country FROM singer",
            one.clone(),
            names,
            one.clone(),
        ),
        (
            "unasked_key",
            "the names of singers",
            "SELECT id FROM singer",
            one.clone(),
            names,
            one.clone(),
        ),
        (
            "unasked_count",
            "the names",
            count,
            one.clone(),
            names,
            one.clone(),
        ),
        (
            "unasked_aggregate",
            "the ages",
            "SELECT sum(age) FROM singer",
            one.clone(),
            "SELECT age FROM singer",
            one.clone(),
        ),
        (
            "missing_average",
            "the average age",
            "SELECT age FROM singer",
            one.clone(),
            "SELECT avg(age) FROM singer",
            one.clone(),
        ),
        (
            "missing_distinct",
            "the different countries",
            "SELECT country FROM singer",
            one.clone(),
            "SELECT DISTINCT country FROM singer",
            one.clone(),
        ),
        (
            "unasked_distinct_count",
            "How many?",
            "SELECT count(DISTINCT name) FROM singer",
            one.clone(),
            count,
            one.clone(),
        ),
        (
            "outer_join",
            "",
            "SELECT name FROM singer LEFT JOIN concert ON singer.id = singer_id",
            one.clone(),
            joined,
            one.clone(),
        ),
        (
            "keys_joined",
            "",
            "SELECT name FROM singer JOIN concert ON singer.id = concert.id",
            one.clone(),
            joined,
            one.clone(),
        ),
        (
            "no_condition",
            "",
            "SELECT name FROM singer JOIN concert",
            one.clone(),
            joined,
            one.clone(),
        ),
        (
            "either_for_both",
            "the names from France and from Spain",
            "SELECT name FROM singer WHERE country = 'France' OR country = 'Spain'",
            one.clone(),
            "SELECT name FROM singer WHERE country = 'France' INTERSECT SELECT name FROM singer WHERE country = 'Spain'",
            one.clone(),
        ),
        (
            "missing_denial",
            "who does not sing",
            names,
            one.clone(),
            "SELECT name FROM singer WHERE NOT age > 3",
            one.clone(),
        ),
        (
            "unasked_denial",
            "who sings",
            "SELECT name FROM singer EXCEPT SELECT name FROM singer",
            one.clone(),
            names,
            one.clone(),
        ),
        (
            "missing_pattern",
            "names that contain the letter a",
            names,
            one.clone(),
            "SELECT name FROM singer WHERE name LIKE '%a%'",
            one.clone(),
        ),
        (
            "unasked_pattern",
            "singers from France",
            "SELECT name FROM singer WHERE country LIKE '%France%'",
            one.clone(),
            names,
            one.clone(),
        ),
        (
            "wrong_comparison",
            "older than 30",
            "SELECT name FROM singer WHERE age >= 30",
            one.clone(),
            "SELECT name FROM singer WHERE age > 30",
            one.clone(),
        ),
        (
            "unasked_text",
            "from France",
            "SELECT name FROM singer WHERE country = 'Spain'",
            one.clone(),
            "SELECT name FROM singer WHERE country = 'France'",
            one.clone(),
        ),
        (
            "unasked_number",
            "older than thirty, or 40",
            "SELECT name FROM singer WHERE age > 50",
            one.clone(),
            "SELECT name FROM singer WHERE age > 40",
            one.clone(),
        ),
        (
            "unasked_order",
            "the names",
            "SELECT name FROM singer ORDER BY age",
            one.clone(),
            names,
            one.clone(),
        ),
        (
            "missing_order",
            "the names in alphabetical order",
            names,
            one.clone(),
            "SELECT name FROM singer ORDER BY name",
            one.clone(),
        ),
        (
            "wrong_direction",
            "the names in descending order",
            "SELECT name FROM singer ORDER BY name",
            one.clone(),
            "SELECT name FROM singer ORDER BY name DESC",
            one.clone(),
        ),
        (
            "wrong_direction",
            "the one with the highest age",
            "SELECT name FROM singer ORDER BY age LIMIT 1",
            one.clone(),
            "SELECT name FROM singer ORDER BY age DESC LIMIT 1",
            one.clone(),
        ),
    ] {
        assert!(
            signs(question, &[(with, given)]).contains_key(sign),
            "{sign}: {with}"
        );
        let without_it = signs(question, &[(without, given_without)]);
        assert!(!without_it.contains_key(sign), "{sign}: {without}");
    }
}

#[test]
fn a_key_of_another_table_is_none_of_its_names() {
    let link = "SELECT singer_id FROM concert";
    // Called a key, it is one that is not asked for.
    let signs = signs("Which singer sings most?", &[(link, json!([[1]]))]);
    assert!(signs.contains_key("unasked_key") && !signs.contains_key("key_for_name"));
}

#[test]
fn others_count_by_what_they_share() {
    let names = ("SELECT name FROM singer", json!([["a"], ["b"]]));
    let more = ("SELECT name, age FROM singer", json!([["a", 1], ["b", 2]]));
    let signs = signs("", &[names.clone(), names, more]);
    assert!((signs["as_many_columns"] - 2.0 / 3.0).abs() < 1e-9);
    assert!((signs["same_columns"] - 2.0 / 3.0).abs() < 1e-9);
    assert!((signs["same_tables"] - 1.0).abs() < 1e-9);
}

#[test]
fn no_sign_has_the_name_of_another() {
    let names: std::collections::BTreeSet<_> = SIGNALS.iter().map(|signal| signal.name).collect();
    assert_eq!(names.len(), SIGNALS.len());
}
