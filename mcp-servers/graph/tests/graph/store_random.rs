//! Whatever is put and removed in whichever order: what stays is what would be there without the
//! rest.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ropewalk_graph::piece::Piece;
use ropewalk_graph::store::{GraphStore, SqliteStore};

use crate::store_pieces::{dump, piece};

/// More where there is time for it.
fn cases() -> u32 {
    match std::env::var_os("ROPEWALK_HEAVY") {
        Some(_) => 1_000,
        None => 256,
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put(Piece),
    PutAll(Vec<Piece>),
    Remove(u8),
    /// The process ends, and another one goes on.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => piece().prop_map(Step::Put),
        2 => proptest::collection::vec(piece(), 0..4).prop_map(Step::PutAll),
        4 => (0..6_u8).prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_graph_is_what_its_documents_make_of_it(steps in proptest::collection::vec(step(), 1..14)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("graph.db");
        let mut store = SqliteStore::open(&file).unwrap();
        let mut stays: BTreeMap<String, Piece> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(piece) => {
                    store.put(piece.clone()).unwrap();
                    stays.insert(piece.document.source.clone(), piece);
                }
                Step::PutAll(pieces) => {
                    store.put_all(pieces.clone()).unwrap();
                    for piece in pieces {
                        stays.insert(piece.document.source.clone(), piece);
                    }
                }
                Step::Remove(number) => {
                    let source = format!("s{number}");
                    let was = store.remove(&source).unwrap();
                    prop_assert_eq!(was, stays.remove(&source).is_some());
                }
                Step::Reopen => {
                    drop(store);
                    store = SqliteStore::open(&file).unwrap();
                }
            }
        }
        let audit = store.audit().unwrap();
        prop_assert_eq!(&audit.differences, &Vec::<String>::new());
        prop_assert_eq!(audit.documents, stays.len() as u64);
        let scratch = SqliteStore::open(&folder.path().join("scratch.db")).unwrap();
        for piece in stays.into_values().rev() {
            scratch.put(piece).unwrap();
        }
        prop_assert_eq!(dump(&store), dump(&scratch));
    }
}
