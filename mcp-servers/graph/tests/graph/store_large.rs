//! Documents that are large in every way.

use ropewalk_graph::name::Key;
use ropewalk_graph::piece::{Kind, Mention};
use ropewalk_graph::store::{GraphStore, SqliteStore, stems};

use crate::store_pieces::made_up;

fn store() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("graph.db")).unwrap();
    (folder, store)
}

#[test]
fn a_passage_of_fifty_megabytes_is_kept_and_found() {
    let (_folder, store) = store();
    let mut piece = made_up(1, 8);
    let mut text = "x".repeat(50 << 20);
    text.push_str(" needle");
    piece.document.passages[1].text = text;
    store.put(piece.clone()).unwrap();
    let found = store.search_text(&stems("needles"), 5).unwrap();
    assert_eq!((found.len(), found[0].at.number), (1, 1));
    assert!(store.piece("made/1").unwrap() == Some(piece));
    assert!(store.remove("made/1").unwrap());
    assert!(store.search_text(&stems("needles"), 5).unwrap().is_empty());
}

#[test]
fn an_entity_that_is_named_a_hundred_thousand_times_is_read_by_pages() {
    let (_folder, store) = store();
    let mut piece = made_up(1, 0);
    let name = "Everywhere";
    piece.mentions = (0..100_000)
        .map(|at| Mention {
            passage: 0,
            entity: Key::of(name).unwrap(),
            name: name.to_owned(),
            kind: Kind::Name,
            span: at..at + 1,
        })
        .collect();
    store.put(piece).unwrap();
    let key = Key::of(name).unwrap();
    let entity = store.entity(&key).unwrap().unwrap();
    assert_eq!((entity.mentions, entity.documents), (100_000, 1));
    let mut after = None;
    let mut seen = 0_u32;
    loop {
        let page = store.mentions_of(&key, after, 1_000).unwrap();
        for found in &page.items {
            assert_eq!(found.mention.span.start, seen);
            seen += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 100_000);
    assert_eq!(store.audit().unwrap().differences, Vec::<String>::new());
}

#[test]
fn many_put_at_once_and_each_is_told_of_its_own() {
    let (_folder, store) = store();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..10 {
                    let piece = made_up(thread * 100 + number, 6);
                    let source = piece.document.source.clone();
                    assert_eq!(store.put(piece.clone()).unwrap().source, source);
                    assert_eq!(store.piece(&source).unwrap(), Some(piece.clone()));
                    // One that is refused does not take with it those that are put beside it.
                    let mut wrong = piece;
                    wrong.statements.clear();
                    wrong.mentions[0].entity = Key::of(&format!("other {number}")).unwrap();
                    wrong.mentions[0].passage = 9;
                    assert!(store.put(wrong).is_err());
                }
            });
        }
    });
    assert_eq!(store.status().unwrap().documents, 80);
    assert_eq!(store.audit().unwrap().differences, Vec::<String>::new());
}
