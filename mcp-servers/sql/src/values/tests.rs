//! What an index finds, and of which database it is.

use super::{IndexedColumn, ValueIndex};
use crate::schema::Schema;

fn index() -> ValueIndex {
    let column = |table: &str, column: &str| IndexedColumn {
        table: table.into(),
        column: column.into(),
        complete: true,
    };
    let columns = vec![column("city", "name"), column("person", "country")];
    let values = ["Karlsruhe", "Saint-Étienne", "New York"];
    let mut all: Vec<(u32, String)> = values.map(|value| (0, value.to_owned())).into();
    all.extend([(1, "France".to_owned()), (1, "New York".to_owned())]);
    ValueIndex::of(&Schema::default(), columns, all)
}

#[test]
fn a_value_is_found_as_it_is_said() {
    let index = index();
    let first = |text: &str| {
        let found = index.find(text, 3);
        found
            .first()
            .map(|found| (found.value.clone(), found.score))
    };
    assert_eq!(first("Karlsruhe"), Some(("Karlsruhe".into(), 1.0)));
    assert_eq!(first("saint etienne"), Some(("Saint-Étienne".into(), 0.98)));
    assert_eq!(first("French"), Some(("France".into(), 0.9)));
    let (value, score) = first("Karlsrueh").unwrap();
    assert_eq!(value, "Karlsruhe");
    assert!(score > 0.6 && score < 0.9, "{score}");
    assert_eq!(first("Ouagadougou"), None);
    assert_eq!(first(""), None);
    assert_eq!(index.find("new york", 9).len(), 2);
}

#[test]
fn the_longest_words_of_a_question_that_are_values_are_mentioned() {
    let question = "Who lives in new york or Karlsruhe?";
    let mentions = index().mentions(question);
    let said: Vec<&str> = mentions.iter().map(|m| &question[m.span.clone()]).collect();
    assert_eq!(said, ["new york", "Karlsruhe"]);
    assert_eq!(mentions[0].found.len(), 2);
}

#[test]
fn what_is_stored_is_read_again() {
    let index = index();
    let stored = serde_json::to_string(&index).unwrap();
    let read: ValueIndex = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, index);
    assert_eq!(read.find("french", 1), index.find("french", 1));
    assert!(read.is_of(&Schema::default()));
    assert!(read.complete("city", "name") && !read.complete("city", "mayor"));
    // What another version of this program stored is read again.
    let other = stored.replacen("\"version\":2", "\"version\":1", 1);
    assert_ne!(other, stored);
    let other: ValueIndex = serde_json::from_str(&other).unwrap();
    assert!(!other.is_of(&Schema::default()));
}

#[test]
fn an_index_is_of_columns_and_not_of_rows() {
    let table = |name: &str, columns: &[&str]| crate::schema::made::table(name, columns, &[]);
    let of = |tables| Schema { tables };
    let schema = of(vec![
        table("city", &["id", "name"]),
        table("person", &["id"]),
    ]);
    let index = ValueIndex::of(&schema, Vec::new(), Vec::new());
    let mut grown = schema.clone();
    grown.tables[0].rows = Some(7);
    grown.tables.reverse();
    assert!(index.is_of(&grown));
    for other in [
        of(vec![
            table("city", &["id"]),
            table("person", &["id", "name"]),
        ]),
        of(vec![
            table("city", &["id", "nam"]),
            table("eperson", &["id"]),
        ]),
        of(vec![table("city", &["id", "name"])]),
    ] {
        assert!(!index.is_of(&other), "{other:?}");
    }
}

#[test]
fn long_texts_are_no_hindrance() {
    let index = index();
    let began = std::time::Instant::now();
    for text in ["x".repeat(1 << 20), "Karlsruhe ".repeat(100_000)] {
        assert!(index.find(&text, 5).is_empty());
        assert!(index.mentions(&text).len() <= super::MOST_ASKED);
    }
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
