//! Whatever is repaired, nothing is sent that the guard has not written.

use proptest::prelude::*;
use proptest::sample::select;
use ropewalk_sql::choose::choice;

use super::Library;

use crate::corpus::statements;

/// Statements of all kinds, mixed from pieces of attacks, honest statements and this library's.
fn anything() -> impl Strategy<Value = String> {
    let texts = [
        include_str!("../attacks/sqlite.txt"),
        include_str!("../honest/sqlite.txt"),
    ];
    let mut pieces: Vec<String> = texts
        .into_iter()
        .flat_map(statements)
        .flat_map(|statement| {
            let pieces = statement.split_inclusive([' ', '(', ')', ',', ';', '\'', '"', '\n']);
            pieces.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let own = "SELECT |DISTINCT |title |, |count(*) |FROM |book |books |authors |JOIN |ON |loans.author = |books.book_id |WHERE |country = 'france' |a.name |AND |GROUP BY |year |HAVING |max(count(*)) |ORDER BY |DESC |LIMIT |1 |UNION |IN (|) |NOT |``` |YEAR(day) ";
    for _ in 0..40 {
        pieces.extend(own.split('|').map(str::to_owned));
    }
    let mixed = prop::collection::vec(select(pieces), 0..24).prop_map(|pieces| pieces.concat());
    prop_oneof![mixed, any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_sent_that_the_guard_has_not_written(
        question in any::<String>(),
        candidates in prop::collection::vec(anything(), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let library = Library::open().await;
            let _ = choice(&question, &candidates, &library.asked().await).await;
            for sent in library.engine.sent.lock().unwrap().iter() {
                let again = library.source.guard().check(sent).map(|approved| approved.sql);
                assert_eq!(again.as_ref(), Ok(sent));
            }
        });
    }
}
