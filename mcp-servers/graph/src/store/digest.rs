//! What a piece is known by. Each part is told with its length, so that no two pieces are told
//! alike; what is told, and in which order, is part of the form of a store.

use crate::piece::{Extractor, Kind, Mention, Passage, Piece, Statement};

/// Everything of a piece.
pub(super) fn of_piece(piece: &Piece) -> [u8; 32] {
    let mut told = Told::new("ropewalk graph piece 1");
    told.text(&piece.document.source);
    told.text(&piece.document.title);
    told.maybe(piece.document.date.as_deref());
    told.number(piece.document.passages.len() as u64);
    for passage in &piece.document.passages {
        told.words(passage);
        told.number(passage.span.start);
        told.number(passage.span.end);
    }
    told.number(piece.mentions.len() as u64);
    for mention in &piece.mentions {
        told.mention(mention);
    }
    told.number(piece.statements.len() as u64);
    for statement in &piece.statements {
        told.statement(statement);
    }
    *told.0.finalize().as_bytes()
}

/// What is searched of a passage: its words, and those that it stands below.
pub(super) fn of_words(title: &str, passage: &Passage) -> [u8; 16] {
    let mut told = Told::new("ropewalk graph words 1");
    told.text(title);
    told.words(passage);
    let mut short = [0; 16];
    told.0.finalize_xof().fill(&mut short);
    short
}

/// The number of a document or an entity, made of its name: the same in every store. Numbers of
/// two names in use are told apart by the store, however unlikely it is that they are the same.
pub(super) fn number_of(name: &str) -> i64 {
    let mut first = [0; 8];
    blake3::Hasher::new()
        .update(name.as_bytes())
        .finalize_xof()
        .fill(&mut first);
    i64::from_le_bytes(first) & i64::MAX
}

/// A kind as it is told and kept.
pub(super) fn code_of_kind(kind: Kind) -> u8 {
    match kind {
        Kind::Title => 0,
        Kind::Section => 1,
        Kind::Name => 2,
        Kind::Quoted => 3,
        Kind::Acronym => 4,
        Kind::Date => 5,
        Kind::Quantity => 6,
        Kind::Code => 7,
        Kind::Link => 8,
        Kind::Given => 9,
    }
}

/// The kind of a code.
pub(super) fn kind_of_code(code: u8) -> Option<Kind> {
    Some(match code {
        0 => Kind::Title,
        1 => Kind::Section,
        2 => Kind::Name,
        3 => Kind::Quoted,
        4 => Kind::Acronym,
        5 => Kind::Date,
        6 => Kind::Quantity,
        7 => Kind::Code,
        8 => Kind::Link,
        9 => Kind::Given,
        _ => return None,
    })
}

/// An extractor as it is told and kept.
pub(super) fn code_of_extractor(extractor: Extractor) -> u8 {
    match extractor {
        Extractor::Structure => 0,
        Extractor::Pattern => 1,
        Extractor::Model => 2,
        Extractor::Given => 3,
    }
}

/// The extractor of a code.
pub(super) fn extractor_of_code(code: u8) -> Option<Extractor> {
    Some(match code {
        0 => Extractor::Structure,
        1 => Extractor::Pattern,
        2 => Extractor::Model,
        3 => Extractor::Given,
        _ => return None,
    })
}

struct Told(blake3::Hasher);

impl Told {
    fn new(what: &str) -> Self {
        let mut told = Self(blake3::Hasher::new());
        told.text(what);
        told
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn words(&mut self, passage: &Passage) {
        self.number(passage.headings.len() as u64);
        for heading in &passage.headings {
            self.text(heading);
        }
        self.text(&passage.text);
    }

    fn mention(&mut self, mention: &Mention) {
        self.number(u64::from(mention.passage));
        self.text(mention.entity.as_str());
        self.text(&mention.name);
        self.number(u64::from(code_of_kind(mention.kind)));
        self.number(u64::from(mention.span.start));
        self.number(u64::from(mention.span.end));
    }

    fn statement(&mut self, statement: &Statement) {
        self.number(u64::from(statement.passage));
        self.text(statement.subject.as_str());
        self.text(&statement.predicate);
        self.text(statement.object.as_str());
        self.number(u64::from(statement.span.start));
        self.number(u64::from(statement.span.end));
        self.number(u64::from(code_of_extractor(statement.extractor)));
        self.number(u64::from(statement.confidence.to_bits()));
        self.maybe(statement.valid_from.as_deref());
        self.maybe(statement.valid_to.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_as_what_they_were() {
        for code in 0..=u8::MAX {
            assert!(kind_of_code(code).is_none_or(|kind| code_of_kind(kind) == code));
            assert!(extractor_of_code(code).is_none_or(|who| code_of_extractor(who) == code));
        }
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        let passage = |heading: &str, text: &str| Passage {
            headings: vec![heading.to_owned()],
            text: text.to_owned(),
            span: 0..0,
        };
        assert_ne!(
            of_words("t", &passage("ab", "c")),
            of_words("t", &passage("a", "bc"))
        );
        assert_ne!(number_of("a"), number_of("b"));
        assert!(number_of("a") >= 0);
    }
}
