use std::sync::Arc;

use ropewalk_embed::Embedder;

use super::{Linker, Meanings};
use crate::schema::Schema;
use crate::schema::made::table;

fn zoo() -> Arc<Schema> {
    Arc::new(Schema {
        tables: vec![
            table(
                "animal",
                &["id", "name", "species", "keeper_id"],
                &["keeper"],
            ),
            table("feeding", &["animal_id", "at", "kilograms"], &["animal"]),
            table("keeper", &["id", "first_name", "last_name"], &[]),
        ],
    })
}

fn shop() -> Arc<Schema> {
    Arc::new(Schema {
        tables: vec![
            table("article", &["id", "name", "price"], &[]),
            table("invoice", &["id", "customerName", "total"], &[]),
        ],
    })
}

fn names(linker: &Linker, question: &str, limit: usize) -> Vec<String> {
    let linked = linker.tables(question, limit).unwrap();
    linked.into_iter().map(|linked| linked.table).collect()
}

#[test]
fn words_find_tables_by_names_columns_and_what_points_to_them() {
    let linker = Linker::new(
        [("zoo".to_owned(), zoo()), ("shop".to_owned(), shop())],
        None,
    );
    assert_eq!(names(&linker, "the total of each invoice", 1), ["invoice"]);
    assert_eq!(
        names(&linker, "kilograms at a feeding", 2),
        ["feeding", "animal"]
    );
    assert_eq!(names(&linker, "", 9).len(), 5);
}

#[test]
fn tables_hang_together_by_keys_that_nobody_declared() {
    let mut zoo = zoo().as_ref().clone();
    for table in &mut zoo.tables {
        table.foreign_keys.clear();
    }
    // Of those that fit equally the first one comes first.
    zoo.tables.reverse();
    let linker = Linker::new([("zoo".to_owned(), Arc::new(zoo))], None);
    assert_eq!(
        names(&linker, "kilograms at a feeding", 2),
        ["feeding", "animal"]
    );
}

#[test]
fn meanings_find_what_no_word_says() {
    let meanings = Arc::new(Meanings::new(Embedder::shipped().unwrap()));
    let linker = Linker::new(
        [("zoo".to_owned(), zoo()), ("shop".to_owned(), shop())],
        Some(meanings),
    );
    assert_eq!(
        names(&linker, "What does the cheapest product cost?", 1),
        ["article"]
    );
    assert_eq!(names(&linker, "Which lions are there?", 1), ["animal"]);
    let keeper = zoo().table("keeper").unwrap().clone();
    let columns = linker.columns("What is her surname?", &keeper, 1).unwrap();
    assert_eq!(columns[0].0, "last_name");
}

#[test]
fn meanings_are_kept_and_what_is_damaged_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("meanings.db");
    let embedder = Embedder::shipped().unwrap();
    let texts = ["animal: name".to_owned(), "keeper: name".to_owned()];
    let first = Meanings::new(embedder.clone()).kept_in(&file);
    let made = first.all(&texts).unwrap();
    drop(first);
    let again = Meanings::new(embedder.clone()).kept_in(&file);
    let mut vectors = vec![None, None];
    again.read(&texts, &mut vectors);
    assert_eq!(vectors, [Some(made[0].clone()), Some(made[1].clone())]);
    drop(again);
    std::fs::write(
        &file,
        "no database at all, but quite long enough to be taken for one",
    )
    .unwrap();
    let anew = Meanings::new(embedder).kept_in(&file);
    assert_eq!(anew.all(&texts).unwrap(), made);
}
