//! A piece made ready to be written: what can be made of it alone is made before the one thread
//! that writes has it.

use std::collections::BTreeMap;

use super::super::{digest, stems};
use super::fault::Fault;
use crate::piece::Piece;

/// A piece made ready to be written.
pub(super) struct Prepared {
    pub(super) id: i64,
    pub(super) digest: [u8; 32],
    pub(super) piece: Piece,
    /// Of each passage, in order.
    pub(super) passages: Vec<Words>,
    /// Keys of what is named or spoken of.
    pub(super) entities: BTreeMap<i64, String>,
    pub(super) print: Footprint,
}

/// A passage for the full-text index.
pub(super) struct Words {
    /// Alike where title, headings and text are.
    pub(super) mark: [u8; 16],
    pub(super) headings: Option<String>,
    pub(super) head: String,
    pub(super) body: String,
}

/// Where a document would have a kind of mention: statements speak of an entity, by no name.
pub(super) const SPOKEN_OF: u8 = 100;

/// What a document adds to the places of its entities: how often it names one, by kind and name,
/// and how many statements speak of one.
#[derive(Default)]
pub(super) struct Footprint(pub(super) BTreeMap<(i64, u8, String), i64>);

impl Footprint {
    /// One more.
    pub(super) fn add(&mut self, entity: i64, kind: u8, name: &str) {
        let count = self.0.entry((entity, kind, name.to_owned())).or_default();
        *count = count.saturating_add(1);
    }

    /// A statement more.
    pub(super) fn speak(&mut self, subject: i64, object: i64) {
        self.add(subject, SPOKEN_OF, "");
        if object != subject {
            self.add(object, SPOKEN_OF, "");
        }
    }

    /// Whether there is an entity in it.
    pub(super) fn has(&self, entity: i64) -> bool {
        let first = (entity, u8::MIN, String::new());
        let mut from = self.0.range(first..);
        from.next().is_some_and(|(at, _)| at.0 == entity)
    }
}

impl Prepared {
    pub(super) fn new(piece: Piece, digest: [u8; 32]) -> Result<Self, Fault> {
        check(&piece)?;
        let document = &piece.document;
        let title = stems::line(&document.title);
        let passages = document.passages.iter().map(|passage| {
            let mut head = title.clone();
            for heading in &passage.headings {
                stems::append(&mut head, heading);
            }
            let headings = (!passage.headings.is_empty())
                .then(|| serde_json::to_string(&passage.headings).unwrap_or_default());
            Words {
                mark: digest::of_words(&document.title, passage),
                headings,
                head,
                body: stems::line(&passage.text),
            }
        });
        let passages = passages.collect();
        let mut entities = BTreeMap::new();
        let mut print = Footprint::default();
        for mention in &piece.mentions {
            let entity = enter(&mut entities, mention.entity.as_str())?;
            let kind = digest::code_of_kind(mention.kind);
            print.add(entity, kind, &mention.name);
        }
        for statement in &piece.statements {
            let subject = enter(&mut entities, statement.subject.as_str())?;
            let object = enter(&mut entities, statement.object.as_str())?;
            print.speak(subject, object);
        }
        Ok(Self {
            id: digest::number_of(&document.source),
            digest,
            passages,
            entities,
            print,
            piece,
        })
    }
}

/// The number of an entity, with its key noted.
fn enter(entities: &mut BTreeMap<i64, String>, key: &str) -> Result<i64, Fault> {
    let id = digest::number_of(key);
    let known = entities.entry(id).or_insert_with(|| key.to_owned());
    same(id, known, key)
}

/// That a number belongs to one name: it is possible to search for two names with the same number,
/// and whoever does so must not make one thing of two.
pub(super) fn same(id: i64, known: &str, name: &str) -> Result<i64, Fault> {
    if known == name {
        return Ok(id);
    }
    Err(Fault::Refused {
        document: name.to_owned(),
        why: format!("its number is the one of `{known}`; write it differently"),
    })
}

/// Refuses what could not be read back.
fn check(piece: &Piece) -> Result<(), Fault> {
    let refused = |why: String| Fault::Refused {
        document: piece.document.source.clone(),
        why,
    };
    let passages = piece.document.passages.len() as u64;
    let mentioned = piece.mentions.iter().map(|mention| mention.passage);
    let stated = piece.statements.iter().map(|statement| statement.passage);
    if let Some(passage) = mentioned
        .chain(stated)
        .find(|passage| u64::from(*passage) >= passages)
    {
        return Err(refused(format!(
            "it has {passages} passages, and something is said to be in passage {passage}, counted \
             from 0"
        )));
    }
    let wrong = piece
        .statements
        .iter()
        .find(|statement| !(0.0..=1.0).contains(&statement.confidence));
    if let Some(statement) = wrong {
        return Err(refused(format!(
            "the confidence of `{} {} {}` is {}, and must be from 0 to 1",
            statement.subject, statement.predicate, statement.object, statement.confidence
        )));
    }
    Ok(())
}
