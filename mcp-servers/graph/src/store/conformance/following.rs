//! What others follow: what waits, what changed, what has no vector yet.

use super::{Checked, document, key, must};
use crate::store::{GraphStore, State, StoreError, What};

pub(super) fn what_waits_and_what_failed_is_told(store: &dyn GraphStore) -> Checked {
    let state = |source: &str| {
        let found = store.ingestion(source);
        found.map(|found| found.map(|found| (found.state, found.error)))
    };
    store.enqueue(&["a".to_owned(), "b".to_owned(), "c".to_owned()])?;
    must(
        state("a")? == Some((State::Queued, None)),
        "what waits is not known to",
    )?;
    store.put(document("a", "A", &["text"]))?;
    store.fail("b", "no such file")?;
    must(
        state("a")? == Some((State::Done, None)),
        "what was put still waits",
    )?;
    must(
        state("b")? == Some((State::Failed, Some("no such file".to_owned()))),
        "it is not told why a document failed",
    )?;
    must(state("d")?.is_none(), "what nobody asked for waits")?;
    let status = store.status()?;
    must(
        (status.documents, status.queued, status.failed) == (1, 1, 1),
        "what waits and failed is not counted",
    )?;
    let listed = |wanted, after: Option<&str>| {
        store.ingestions(wanted, after, 10).map(|found| {
            let found = found.into_iter();
            found.map(|found| found.source).collect::<Vec<_>>()
        })
    };
    must(
        listed(State::Queued, None)? == ["c"]
            && listed(State::Failed, None)? == ["b"]
            && listed(State::Done, None)? == ["a"]
            && listed(State::Queued, Some("c"))?.is_empty(),
        "documents are not listed by their state",
    )?;
    // Put again as it is: it does not wait any more.
    store.enqueue(&["a".to_owned()])?;
    must(
        state("a")? == Some((State::Queued, None)),
        "what is there cannot wait again",
    )?;
    store.put(document("a", "A", &["text"]))?;
    must(
        state("a")? == Some((State::Done, None)),
        "what did not change waits for ever",
    )?;
    store.remove("b")?;
    must(state("b")?.is_none(), "what was removed failed")
}

pub(super) fn changes_are_told_in_order(store: &dyn GraphStore) -> Checked {
    must(
        store.sequence()? == 0 && store.changes(0, 10)?.is_empty(),
        "there are changes of nothing",
    )?;
    store.put(document("a", "A", &["1"]))?;
    store.put_all(vec![document("b", "B", &["1"]), document("c", "C", &["1"])])?;
    let seen = store.sequence()?;
    let told = |since, limit| {
        store.changes(since, limit).map(|found| {
            let found = found.into_iter();
            found
                .map(|change| (change.source, change.what))
                .collect::<Vec<_>>()
        })
    };
    let put = |source: &str| (source.to_owned(), What::Put);
    must(
        told(0, 10)? == [put("a"), put("b"), put("c")],
        "changes are not told in order",
    )?;
    must(
        told(0, 2)? == [put("a"), put("b")],
        "more changes are told than asked for",
    )?;
    store.put(document("a", "A", &["2"]))?;
    store.remove("b")?;
    let removed = ("b".to_owned(), What::Removed);
    must(
        told(seen, 10)? == [put("a"), removed.clone()],
        "changes since one are not told",
    )?;
    must(
        told(0, 10)? == [put("c"), put("a"), removed],
        "the last change of a document is not the one that is told",
    )?;
    let last = store.changes(0, 10)?.pop();
    must(
        last.is_some_and(|last| Some(last.sequence) == store.sequence().ok()),
        "the last change has another number",
    )?;
    let seen = store.sequence()?;
    store.put(document("b", "B", &["1"]))?;
    must(told(seen, 10)? == [put("b")], "what is back is not told")
}

pub(super) fn vectors_follow_their_passages(store: &dyn GraphStore) -> Checked {
    let piece = document("a", "A", &["one", "two"]).naming("thing")?;
    store.put(piece)?;
    let waiting = store.passages_without_vector("m", None, 10)?;
    must(
        waiting.len() == 2 && waiting.iter().all(|waiting| waiting.title == "A"),
        "passages without a vector are not told",
    )?;
    let vectors = waiting
        .iter()
        .map(|waiting| (waiting.id, vec![0.5, -0.25, 1.0]));
    must(
        store.set_passage_vectors("m", vectors.collect())? == 2,
        "vectors are not kept",
    )?;
    must(
        store.passages_without_vector("m", None, 10)?.is_empty()
            && store.passages_without_vector("n", None, 10)?.len() == 2,
        "a vector is of no embedder or of each",
    )?;
    let kept = store.passage_vectors("m", None, 10)?;
    must(
        kept.iter().all(|kept| kept.vector == [0.5, -0.25, 1.0]) && kept.len() == 2,
        "vectors do not come back",
    )?;
    // The second passage stays as it is, at another place.
    store.put(document("a", "A", &["zero", "new", "two"]))?;
    let kept = store.passage_vectors("m", None, 10)?;
    let at: Vec<u32> = kept.iter().map(|kept| kept.at.number).collect();
    must(
        at == [2],
        "a passage that did not change loses its vector, or another has it",
    )?;
    must(
        store.passages_without_vector("m", None, 10)?.len() == 2,
        "passages that changed do not wait for a vector",
    )?;
    let gone = waiting.iter().map(|waiting| (waiting.id, vec![1.0]));
    must(
        store.set_passage_vectors("n", gone.collect())? == 1,
        "a vector of a passage that is gone is kept",
    )?;
    let wrong = store.passages_without_vector("n", None, 1)?;
    let wrong = wrong.iter().map(|waiting| (waiting.id, vec![f32::NAN]));
    must(
        matches!(
            store.set_passage_vectors("n", wrong.collect()),
            Err(StoreError::Refused { .. })
        ),
        "a vector that is none is kept",
    )?;
    store.put(document("b", "B", &["text"]).naming("thing")?)?;
    let thing = key("thing")?;
    must(
        store.entities_without_vector("m", None, 10)? == [thing.clone()],
        "entities without a vector are not told",
    )?;
    let both = vec![(thing.clone(), vec![0.5]), (key("nothing")?, vec![0.5])];
    must(
        store.set_entity_vectors("m", both)? == 1,
        "a vector of nothing is kept",
    )?;
    must(
        store.entity_vectors("m", None, 10)? == [(thing, vec![0.5])]
            && store.entities_without_vector("m", None, 10)?.is_empty(),
        "vectors of entities do not come back",
    )?;
    store.remove("b")?;
    store.remove("a")?;
    must(
        store.entity_vectors("m", None, 10)?.is_empty()
            && store.passage_vectors("n", None, 10)?.is_empty(),
        "vectors outlive what they are of",
    )
}
