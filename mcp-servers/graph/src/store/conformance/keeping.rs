//! What is put is there, whole and as it was; what is taken out leaves nothing.

use super::{Checked, Nonconforming, document, key, must};
use crate::piece::{Extractor, Kind, Passage, Piece};
use crate::store::{Change, GraphStore, StoreError};

/// Documents that are hard to keep.
fn strange() -> Result<Vec<Piece>, Nonconforming> {
    let mut full = document(
        "b/full.md",
        "Full — Ünï\u{0}cödé",
        &["One. Two.", "", "Zwölf 🦀"],
    )
    .naming("Zwölf")?
    .naming("Zwölf")?
    .naming(&"Huge name ".repeat(5_000))?
    .saying("Zwölf", "is\u{0} after", "Elf")?
    .saying("Zwölf", "is\u{0} after", "Elf")?;
    full.document.date = Some("2026-11-29".to_owned());
    for (number, passage) in full.document.passages.iter_mut().enumerate() {
        passage.headings = vec!["A \"b\"".to_owned(); number];
    }
    full.document.passages.push(Passage {
        headings: vec![String::new()],
        text: "\u{0}".to_owned(),
        span: u64::MAX - 1..u64::MAX,
    });
    if let Some(mention) = full.mentions.first_mut() {
        mention.kind = Kind::Acronym;
        mention.span = 3..u32::MAX;
        mention.passage = 3;
    }
    if let Some(statement) = full.statements.first_mut() {
        statement.confidence = 0.1;
        statement.extractor = Extractor::Pattern;
        statement.span = 7..9;
        statement.valid_from = Some("1999-01-01".to_owned());
        statement.valid_to = Some("not a date".to_owned());
    }
    Ok(vec![
        document("", "", &[]),
        document("a", "no passages", &[]),
        document("a ", "only empty ones", &["", ""]),
        full,
        document("c\u{0}d", "x", &["y"]).naming("y")?,
    ])
}

pub(super) fn pieces_come_back_as_they_were(store: &dyn GraphStore) -> Checked {
    let pieces = strange()?;
    for piece in &pieces {
        let receipt = store.put(piece.clone())?;
        must(
            receipt.change == Change::Added && receipt.source == piece.document.source,
            "a new document is not said to be added",
        )?;
    }
    for piece in &pieces {
        let source = &piece.document.source;
        let found = store.piece(source)?;
        must(
            found.as_ref() == Some(piece),
            &format!("the piece of `{source}` is not as it was put"),
        )?;
        for (number, passage) in (0..).zip(&piece.document.passages) {
            let found = store.passage(source, number)?;
            must(
                found.is_some_and(|found| {
                    &found.passage == passage && found.title == piece.document.title
                }),
                "a passage is not as it was put",
            )?;
        }
        let info = store.document(source)?;
        must(
            info.is_some_and(|info| {
                info.passages == piece.document.passages.len() as u64
                    && info.mentions == piece.mentions.len() as u64
                    && info.statements == piece.statements.len() as u64
            }),
            "a document is not described as it is",
        )?;
    }
    must(
        store.passage("b/full.md", 4)?.is_none() && store.piece("b/full")?.is_none(),
        "what is not there is found",
    )?;
    let mut paged = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let found = store.pieces(after.as_deref(), 2)?;
        let Some(last) = found.last() else { break };
        after = Some(last.document.source.clone());
        paged.extend(found);
    }
    must(
        paged == pieces,
        "pages of pieces are not all of them in order",
    )
}

pub(super) fn what_is_there_is_not_put_again(store: &dyn GraphStore) -> Checked {
    let piece = document("a", "A", &["text"]).naming("text")?;
    let first = store.put(piece.clone())?;
    let hash = store.hash()?;
    let again = store.put(piece.clone())?;
    must(
        again.change == Change::Unchanged && again.sequence == first.sequence,
        "the same piece counts as a change",
    )?;
    let batch = store.put_all(vec![piece.clone(), piece.clone()])?;
    must(
        batch.len() == 2
            && batch
                .iter()
                .all(|receipt| receipt.change == Change::Unchanged),
        "the same piece in a batch counts as a change",
    )?;
    must(
        store.sequence()? == first.sequence && store.hash()? == hash,
        "the same piece changes the graph",
    )?;
    let other = store.put(document("a", "A", &["other"]))?;
    must(
        other.change == Change::Replaced && other.sequence > first.sequence,
        "another piece of a source does not replace the first",
    )?;
    must(store.hash()? != hash, "another piece has the same hash")?;
    must(
        store.entity(&key("text")?)?.is_none(),
        "an entity outlives its document",
    )?;
    store.put(piece)?;
    must(store.hash()? == hash, "the way back changes the graph")
}

pub(super) fn what_is_submitted_is_put_in_order(store: &dyn GraphStore) -> Checked {
    let versions = |text: &str| document("a", "A", &[text]);
    store.put(versions("first"))?;
    let mut tickets = vec![
        store.submit(versions("second")),
        store.submit(versions("first")),
    ];
    for number in 0..50 {
        tickets.push(store.submit(document(&format!("d{number}"), "D", &["text"])));
    }
    let mut wrong = versions("wrong").naming("wrong")?;
    wrong.document.passages.clear();
    must(
        store.submit(wrong).wait().is_err(),
        "what cannot be is submitted",
    )?;
    let mut changes = Vec::new();
    for ticket in tickets {
        changes.push(ticket.wait()?.change);
    }
    must(
        changes
            .iter()
            .take(2)
            .all(|change| *change == Change::Replaced),
        "what was submitted is not put in order",
    )?;
    let last = store.passage("a", 0)?;
    must(
        last.is_some_and(|found| found.passage.text == "first") && store.status()?.documents == 51,
        "what was submitted is not there",
    )
}

pub(super) fn a_batch_is_put_whole_or_not_at_all(store: &dyn GraphStore) -> Checked {
    let mut wrong = document("b", "B", &["text"]).naming("text")?;
    if let Some(mention) = wrong.mentions.first_mut() {
        mention.passage = 1;
    }
    let empty = store.hash()?;
    let refused = store.put_all(vec![document("a", "A", &["text"]), wrong]);
    must(
        matches!(refused, Err(StoreError::Refused { document, .. }) if document == "b"),
        "a batch with a piece that cannot be kept is not refused",
    )?;
    must(
        store.hash()? == empty,
        "a batch that was refused is there in part",
    )?;
    must(
        store.put_all(Vec::new())?.is_empty(),
        "an empty batch is something",
    )?;
    let pieces = vec![
        document("a", "A", &["one"]),
        document("b", "B", &["two"]),
        document("a", "A", &["three"]),
    ];
    store.put_all(pieces)?;
    let twice = document("c", "C", &["text"])
        .naming("thing")?
        .naming("thing")?;
    let once = document("c", "C", &["text"]).naming("thing")?;
    store.put_all(vec![twice, once])?;
    let named = store.entity(&key("thing")?)?;
    must(
        named.is_some_and(|named| named.mentions == 1),
        "a piece that is replaced in its batch still counts",
    )?;
    store.remove("c")?;
    let status = store.status()?;
    must(
        status.documents == 2 && status.passages == 2,
        "a batch is not what it adds up to",
    )?;
    let last = store.passage("a", 0)?;
    must(
        last.is_some_and(|found| found.passage.text == "three"),
        "the last piece of a source is not the one that stays",
    )
}

pub(super) fn what_cannot_be_is_refused(store: &dyn GraphStore) -> Checked {
    for confidence in [f32::NAN, -0.5, 1.5, f32::INFINITY] {
        let mut piece = document("a", "A", &["text"]).saying("a", "is", "b")?;
        for statement in &mut piece.statements {
            statement.confidence = confidence;
        }
        must(
            matches!(store.put(piece), Err(StoreError::Refused { .. })),
            "a confidence that is none is kept",
        )?;
    }
    let nothing = document("a", "A", &[]).saying("a", "is", "b")?;
    must(
        matches!(store.put(nothing), Err(StoreError::Refused { .. })),
        "a statement without a passage is kept",
    )?;
    must(store.status()?.documents == 0, "what was refused is there")
}

pub(super) fn what_is_taken_out_leaves_nothing(store: &dyn GraphStore) -> Checked {
    let empty = store.hash()?;
    let pieces = strange()?;
    store.put_all(pieces.clone())?;
    for piece in &pieces {
        must(
            store.remove(&piece.document.source)?,
            "what is there is not removed",
        )?;
        must(
            !store.remove(&piece.document.source)?,
            "what is not there is removed",
        )?;
    }
    let status = store.status()?;
    let left = [
        status.documents,
        status.passages,
        status.entities,
        status.mentions,
        status.statements,
    ];
    must(
        left == [0; 5],
        &format!("of what was taken out, {left:?} is left"),
    )?;
    must(store.hash()? == empty, "an empty graph has a past")?;
    must(
        store.entities(None, 10)?.is_empty() && store.documents(None, 10)?.is_empty(),
        "what was taken out is listed",
    )
}

pub(super) fn order_does_not_matter(one: &dyn GraphStore, other: &dyn GraphStore) -> Checked {
    let mut pieces = strange()?;
    for piece in &pieces {
        one.put(piece.clone())?;
    }
    pieces.reverse();
    other.put(document("gone", "Gone", &["gone"]).naming("Zwölf")?)?;
    other.put_all(pieces)?;
    other.remove("gone")?;
    must(
        one.hash()? == other.hash()?,
        "the order of documents changes the hash",
    )?;
    must(
        one.entities(None, 100)? == other.entities(None, 100)?,
        "the order of documents changes the order of entities",
    )?;
    let named = key("Zwölf")?;
    must(
        one.mentions_of(&named, None, 1)? == other.mentions_of(&named, None, 1)?
            && one.entity(&named)? == other.entity(&named)?,
        "the order of documents changes an entity",
    )
}
