//! What is not understood, and what it costs.

use crate::parse::chunks::What;
use crate::parse::form::{Literal, Test};
use crate::parse::lexicon::{self, Role};
use crate::parse::read::{Reader, price};

impl Reader<'_> {
    /// What stands where none is expected is left out, and paid for.
    pub(super) fn odd(&mut self) {
        let text = self.text();
        match self.peek() {
            Some(What::Role(Role::Comma | Role::Stop | Role::Filler | Role::And)) => {}
            Some(What::Role(Role::Beyond)) if self.added(&text) => self.tape.pay(price::BESIDE),
            Some(What::Role(Role::Beyond)) => {
                self.doubt(price::BEYOND, format!("“{text}” is beyond this parser"));
            }
            Some(What::Unknown) => self.unknown(&text),
            _ => self.doubt(
                price::ODD,
                format!("“{text}” stands where it is not understood"),
            ),
        }
        self.step();
    }

    /// A word that nothing is known of: cheap where it looks like a verb between two things.
    pub(super) fn unknown(&mut self, text: &str) {
        if self.added(text) || self.unit(text) {
            self.tape.pay(price::BESIDE);
            return;
        }
        let lower = text.to_lowercase();
        let before = self.at.checked_sub(1).and_then(|at| self.chunks.get(at));
        let after_verb_word = matches!(
            before.map(|chunk| &chunk.what),
            Some(What::Role(
                Role::Relative | Role::It | Role::Be | Role::Filler
            ))
        );
        let capital = text.starts_with(char::is_uppercase) && self.at > 0;
        let after_do = matches!(
            before.map(|chunk| &chunk.what),
            Some(What::Role(Role::Do | Role::Not | Role::It | Role::Relative))
        );
        let noun = matches!(
            before.map(|chunk| &chunk.what),
            Some(What::Role(Role::Filler))
        );
        let verb = !capital
            && !noun
            && (lower.ends_with("ed")
                || after_do
                || lower.ends_with("ing")
                || after_verb_word && lower.ends_with('s'));
        self.read.hints.push(crate::words::stem(&lower));
        let after_table = matches!(before.map(|chunk| &chunk.what), Some(What::Mention(link)) if link.table_score() > 0.6);
        let before_more = matches!(
            self.ahead(1),
            Some(What::Role(
                Role::In
                    | Role::From
                    | Role::By
                    | Role::For
                    | Role::Each
                    | Role::Compare(_)
                    | Role::Filler
                    | Role::Some
            ))
        );
        // "that are operating and": no verb between two things, but something they are.
        let predicate = matches!(
            before.map(|chunk| &chunk.what),
            Some(What::Role(Role::Be | Role::Not))
        ) && matches!(
            self.ahead(1),
            None | Some(What::Role(Role::Stop | Role::And | Role::Comma | Role::Or))
        );
        if verb && predicate {
            self.doubt(price::ODD * 0.6, format!("“{text}” is not known here"));
        } else if verb {
            self.tape.pay(price::VERB);
        } else if !capital && after_table && before_more {
            self.tape.pay(price::VERB * 3.0);
        } else {
            self.doubt(price::UNKNOWN, format!("“{text}” is not known here"));
        }
    }

    /// Whether a word says what a number before it is measured in: "above 200 mph".
    fn unit(&self, text: &str) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.chunks.get(at));
        let number = before.is_some_and(|chunk| matches!(chunk.what, What::Number(_)));
        let last = self.read.form.filters.last().and_then(|any| any.last());
        let compared = last.is_some_and(|filter| {
            Some(filter.at) == self.compared
                && matches!(
                    filter.test,
                    Test::Is(_, Literal::Number(_)) | Test::Between(..)
                )
        });
        number && compared && text.chars().all(|c| c.is_ascii_lowercase())
    }

    /// Whether a word adds nothing to what is before or after: "arrival times", "type of status".
    pub(super) fn added(&self, text: &str) -> bool {
        let stem = crate::words::stem(&text.to_lowercase());
        let before = self.at.checked_sub(1).and_then(|at| self.chunks.get(at));
        let after = self.ahead(1) == Some(&What::Role(Role::Of));
        let mention = before.and_then(|chunk| match &chunk.what {
            What::Mention(link) => Some(link),
            _ => None,
        });
        let column = mention.is_some_and(|link| link.column_score() > 0.8);
        let table = mention.is_some_and(|link| link.table_score() > 0.8);
        column && lexicon::ADDED.contains(&stem.as_str())
            || table && lexicon::ADDED_TO_TABLES.contains(&stem.as_str())
            || after && (stem == "type" || stem == "kind")
    }
}
