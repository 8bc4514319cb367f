//! What is asked of a graph.

use std::time::Duration;

use super::{Checked, all, document, key, must};
use crate::piece::Kind;
use crate::store::{GraphStore, stems};

pub(super) fn names_are_counted(store: &dyn GraphStore) -> Checked {
    let mut one = document("1", "One", &["text"])
        .naming("New York")?
        .naming("NEW YORK")?
        .naming("New York")?
        .saying("New York", "is like", "new york")?;
    if let Some(mention) = one.mentions.last_mut() {
        mention.kind = Kind::Link;
    }
    store.put(one)?;
    store.put(
        document("2", "Two", &["text"])
            .naming("NEW YORK")?
            .naming("NEW YORK")?,
    )?;
    let city = key("new-york")?;
    let told = |store: &dyn GraphStore| {
        store.entity(&city).map(|entity| {
            entity.map(|entity| {
                let names = entity.names.into_iter();
                let names = names.map(|spelling| (spelling.name, spelling.kind, spelling.mentions));
                let counts = [entity.documents, entity.mentions, entity.statements];
                (names.collect::<Vec<_>>(), counts, entity.spellings)
            })
        })
    };
    let named = |name: &str, kind, count| (name.to_owned(), kind, count);
    let both = vec![
        named("NEW YORK", Kind::Name, 3),
        named("New York", Kind::Name, 1),
        named("New York", Kind::Link, 1),
    ];
    must(
        told(store)? == Some((both, [2, 5, 1], 3)),
        "names of an entity are not counted",
    )?;
    store.remove("1")?;
    let left = vec![named("NEW YORK", Kind::Name, 2)];
    must(
        told(store)? == Some((left, [1, 2, 0], 1)),
        "names of a document that was removed still count",
    )?;
    must(
        store.entity(&key("Boston")?)?.is_none(),
        "what nobody named is an entity",
    )
}

pub(super) fn pages_are_complete(store: &dyn GraphStore) -> Checked {
    let hub = key("hub")?;
    for number in 0..7_usize {
        let mut piece = document(&format!("d{number}"), "D", &["text"]).naming("other")?;
        for count in 0..number {
            piece = piece
                .naming("hub")?
                .saying("hub", &format!("says {count}"), "other")?
                .saying("other", "says", "else")?;
        }
        store.put(piece)?;
    }
    let whole = all(|after| store.mentions_of(&hub, after, 1_000))?;
    must(
        whole.len() == 21 && whole.iter().all(|found| found.mention.entity == hub),
        "mentions of an entity are not all of them",
    )?;
    for limit in [1, 2, 5, 21] {
        let pages = all(|after| store.mentions_of(&hub, after, limit))?;
        must(pages == whole, "mentions by pages are not those at once")?;
    }
    let page = store.mentions_of(&hub, None, 4)?;
    must(
        page.items.len() == 4,
        "a page is longer or shorter than its limit",
    )?;
    let whole = all(|after| store.statements_of(&hub, after, 1_000))?;
    let pages = all(|after| store.statements_of(&hub, after, 3))?;
    must(
        whole.len() == 21 && pages == whole,
        "statements of an entity are not all of them",
    )?;
    let whole = all(|after| store.statements_in("d6", after, 1_000))?;
    let pages = all(|after| store.statements_in("d6", after, 5))?;
    must(
        whole.len() == 12 && pages == whole,
        "statements of a document are not all of them",
    )?;
    must(
        store.statements_in("d", None, 5)?.items.is_empty()
            && store
                .mentions_of(&key("nothing")?, None, 5)?
                .items
                .is_empty(),
        "something is known of nothing",
    )?;
    let mut keys = Vec::new();
    while let Some(key) = store.entities(keys.last(), 1)?.pop() {
        keys.push(key);
    }
    must(
        keys.len() == 3 && keys == store.entities(None, 10)?,
        "pages of entities are not all of them",
    )
}

pub(super) fn statements_are_kept_side_by_side(store: &dyn GraphStore) -> Checked {
    let first = document("old", "Old", &["text"])
        .saying("rule", "allows", "dogs")?
        .saying("rule", "allows", "cats")?;
    store.put(first)?;
    store.put(document("new", "New", &["text"]).saying("rule", "forbids", "dogs")?)?;
    let rule = key("rule")?;
    let found = store.statements_of(&rule, None, 10)?.items;
    must(
        found.len() == 3,
        "a statement that contradicts others is not beside them",
    )?;
    let learned = |source: &str, object: &str| {
        store.statements_in(source, None, 10).map(|page| {
            let mut items = page.items.into_iter();
            items
                .find(|found| found.statement.object.as_str() == object)
                .map(|found| found.learned_ms)
        })
    };
    let before = learned("old", "dogs")?;
    let document_before = store.document("old")?.map(|info| info.learned_ms);
    std::thread::sleep(Duration::from_millis(5));
    let mut next = document("old", "Old", &["", "another text"])
        .saying("rule", "allows", "birds")?
        .saying("rule", "allows", "dogs")?;
    for statement in &mut next.statements {
        statement.passage = 1;
    }
    store.put(next)?;
    must(
        before.is_some() && learned("old", "dogs")? == before,
        "what was known before is learned anew",
    )?;
    must(
        learned("old", "birds")? > before && learned("old", "cats")?.is_none(),
        "what is new was known before, or what is gone is still said",
    )?;
    let info = store.document("old")?;
    must(
        info.is_some_and(|info| {
            Some(info.learned_ms) == document_before && info.changed_ms > info.learned_ms
        }),
        "a document that changed is learned anew",
    )
}

pub(super) fn words_are_found(store: &dyn GraphStore) -> Checked {
    let rivers = document(
        "r",
        "Rivers",
        &["The Nile runs north.", "The Rhine runs, runs, runs."],
    );
    store.put(rivers)?;
    store.put(document("t", "Trains", &["A train is running late."]))?;
    let sources = |question: &str, limit| {
        store.search_text(&stems(question), limit).map(|found| {
            let found = found.into_iter();
            let found = found.map(|found| (found.at.source, found.at.number));
            found.collect::<Vec<_>>()
        })
    };
    let at = |source: &str, number| (source.to_owned(), number);
    must(
        sources("run", 9)?.first() == Some(&at("r", 1)) && sources("run", 9)?.len() == 3,
        "a word is not found in all its forms, the most of it first",
    )?;
    must(
        sources("river", 9)?.len() == 2,
        "passages are not found by their title",
    )?;
    must(
        sources("trains nile", 9)?.len() == 2,
        "one of two words is not enough",
    )?;
    must(
        sources("run", 1)? == [at("r", 1)],
        "more is found than was asked for",
    )?;
    must(
        sources("the", 9)?.is_empty(),
        "a word that says nothing is found",
    )?;
    must(
        store
            .search_text(&["\"NEAR(\u{0} OR *".to_owned()], 9)?
            .is_empty(),
        "a word is taken for a question",
    )?;
    store.put(document("r", "Rivers", &["The Rhine is wide."]))?;
    must(
        sources("run", 9)? == [at("t", 0)],
        "words that are gone are found",
    )?;
    // Equal ones are told in the order of their places, whichever came first.
    for source in ["z", "y", "x"] {
        store.put(document(source, "Same", &["equal"]))?;
    }
    must(
        sources("equal", 2)? == [at("x", 0), at("y", 0)],
        "passages that are equally good stand in the order they came in",
    )
}

pub(super) fn unknown_names_have_near_ones(store: &dyn GraphStore) -> Checked {
    let piece = document("a", "A", &["text"])
        .naming("Johann Sebastian Bach")?
        .naming("Johann Christian Bach")?
        .naming("Ludwig van Beethoven")?;
    store.put(piece)?;
    let near = |name: &str, limit| {
        store.near(name, limit).map(|found| {
            let found = found.into_iter();
            found
                .map(|near| near.key.as_str().to_owned())
                .collect::<Vec<_>>()
        })
    };
    must(
        near("Johan Sebastien Bach", 1)? == ["johann sebastian bach"],
        "a name with two mistakes is not found",
    )?;
    must(
        near("Bach, Johann", 9)?.len() == 2,
        "a part of a name is not found",
    )?;
    must(
        near("Beethoven", 9)?.first().map(String::as_str) == Some("ludwig van beethoven"),
        "a last name is not found",
    )?;
    must(
        near("—", 9)?.is_empty() && near("xyz", 9)?.is_empty(),
        "nothing is near something",
    )?;
    must(
        near("Bach", 0)?.is_empty(),
        "more is found than was asked for",
    )
}
