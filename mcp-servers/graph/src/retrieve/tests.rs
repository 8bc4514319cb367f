//! Passages are found over others, and the same ones however they came.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::given::Given;
use crate::piece::Document;

/// Vectors in which texts with the same words are alike.
fn embed(texts: &[String]) -> Result<Vec<Vec<f32>>, Infallible> {
    let vector = |text: &String| {
        let mut vector = [0.0_f32; 32];
        for term in ropewalk_embed::terms(text) {
            let place = term
                .bytes()
                .fold(7_usize, |sum, byte| sum * 31 % 997 + byte as usize);
            vector[place % 32] += 1.0;
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter().map(|x| x / length.max(1e-6)).collect()
    };
    Ok(texts.iter().map(vector).collect())
}

fn piece(source: &str, title: &str, texts: &[&str]) -> Piece {
    let passages = texts.iter().map(|text| Passage {
        headings: Vec::new(),
        text: (*text).to_owned(),
        span: 0..text.len() as u64,
    });
    extract::piece(Document {
        source: source.to_owned(),
        title: title.to_owned(),
        date: None,
        passages: passages.collect(),
    })
}

fn put(index: &mut Index, piece: &Piece) {
    let (Ok(vectors), Ok(told)) = (embed(&Index::texts(piece)), embed(&Index::facts(piece)));
    index.put(piece, &vectors, &told);
}

fn found(index: &Index, question: &str) -> Vec<Hit> {
    let Ok(hits) = index.find(question, 10, embed);
    hits
}

fn films() -> Index {
    let mut index = Index::new();
    for (source, title, text) in [
        (
            "a",
            "Harbour Lights",
            "Harbour Lights is a film of 1951, directed by Ada Brandt.",
        ),
        (
            "b",
            "Ada Brandt",
            "Ada Brandt grew up in Bergen and studied law.",
        ),
        (
            "c",
            "Night Train",
            "Night Train is a film of 1950, directed by Otto Lind.",
        ),
        (
            "d",
            "Otto Lind",
            "Otto Lind grew up in Malmö and studied music.",
        ),
        ("e", "Ropes", "Ropes are made of hemp."),
    ] {
        put(&mut index, &piece(source, title, &[text]));
    }
    index
}

#[test]
fn the_second_passage_is_found_over_the_first() {
    let index = films();
    let hits = found(&index, "Where did the director of Harbour Lights grow up?");
    let sources: Vec<&str> = hits.iter().map(|hit| &*hit.source).collect();
    assert_eq!(sources[..2], ["a", "b"], "{hits:?}");
    let via = hits[1].via.as_ref().unwrap();
    assert_eq!((&*via.source, via.entity.as_str()), ("a", "ada brandt"));
    assert_eq!(hits[0].via, None);
}

#[test]
fn what_was_given_is_found_by_what_it_says() {
    let mut index = Index::new();
    let mut one = piece("a", "", &["It is spun there."]);
    let given = Given {
        source: "a".to_owned(),
        triples: vec![["hemp", "grows in", "Riga"].map(str::to_owned).to_vec()],
        ..Given::default()
    };
    assert_eq!(given.add(&mut one), 0);
    put(&mut index, &one);
    put(&mut index, &piece("b", "", &["It is sold here."]));
    put(&mut index, &piece("c", "", &["It is bought elsewhere."]));
    assert_eq!(&*found(&index, "Where does hemp grow?")[0].source, "a");
}

#[test]
fn nothing_is_found_in_nothing() {
    let mut index = Index::new();
    assert!(found(&index, "Who?").is_empty() && index.is_empty());
    put(&mut index, &piece("a", "", &[]));
    assert!(index.is_empty());
    put(&mut index, &piece("a", "A", &["", "One."]));
    assert_eq!(index.len(), 2);
    found(&index, "");
    index.remove("a");
    index.remove("never");
    assert!(found(&index, "One").is_empty() && index.is_empty());
}

/// A source, and its texts where it is put.
type Change = (u8, Option<Vec<String>>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let word = prop::sample::select(vec![
        "Ada", "Brandt", "Bergen", "Otto", "hemp", "rope", "film", "was", "in", "of", "1951", ".",
    ]);
    let text = prop::collection::vec(word, 0..12).prop_map(|words| words.join(" "));
    let texts = prop::option::weighted(0.7, prop::collection::vec(text, 0..3));
    prop::collection::vec((0_u8..6, texts), 0..20)
}

proptest! {
    #[test]
    fn it_does_not_matter_how_passages_came(changes in changes()) {
        let mut index = Index::new();
        let mut last: std::collections::BTreeMap<String, Option<Piece>> = Default::default();
        for (source, texts) in changes {
            let source = format!("s{source}");
            match texts {
                Some(texts) => {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    let piece = piece(&source, "Ada Brandt", &texts);
                    put(&mut index, &piece);
                    last.insert(source, Some(piece));
                }
                None => {
                    index.remove(&source);
                    last.insert(source, None);
                }
            }
        }
        let mut fresh = Index::new();
        for piece in last.values().rev().flatten() {
            put(&mut fresh, piece);
        }
        prop_assert_eq!(index.len(), fresh.len());
        for question in ["Who is Ada Brandt?", "rope of hemp in Bergen", "Otto 1951", "nothing"] {
            prop_assert_eq!(found(&index, question), found(&fresh, question), "{}", question);
        }
    }
}
