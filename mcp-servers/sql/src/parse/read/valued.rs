//! Values that tell rows apart: "from France", "named 'X'", "containing 'x'".

use crate::parse::chunks::What;
use crate::parse::form::{At, Filter, Like, Literal, Op, Test};
use crate::parse::lexicon::Role;
use crate::parse::link::Link;
use crate::parse::read::{ItemKind, Reader, price};
use crate::schema::Holds;

impl Reader<'_> {
    /// A value that was named, with those that follow after "or".
    pub(super) fn value_filter(&mut self, link: &Link, text: &str) {
        let not = std::mem::take(&mut self.negated);
        let pending = self.pending.take();
        let mut ways: Vec<((At, String), f32)> = Vec::new();
        for (at, value, score) in &link.values {
            let mut cost = (1.0 - score) * 3.0;
            match &pending {
                Some((column, _)) => {
                    let named = column.columns.iter().find(|(named, _)| named == at);
                    let table = column.tables.iter().find(|(table, _)| *table == at.table);
                    cost += match (named, table) {
                        (Some((_, score)), _) => (1.0 - score) * 3.0 + self.distance(at.table),
                        (None, Some((_, score))) if self.facts.display(at.table) == Some(*at) => {
                            (1.0 - score) * 3.0 + 0.3
                        }
                        (None, Some((_, score))) => (1.0 - score) * 3.0 + 0.6,
                        _ => 2.5,
                    };
                }
                None => {
                    cost += self.distance(at.table);
                    // "arriving in X": the column of the destination.
                    let hinted = self.hinted(*at);
                    cost += if hinted { 0.0 } else { 0.2 };
                }
            }
            ways.push(((*at, value.clone()), cost));
        }
        if let Some((_, words)) = &pending {
            let words = words.clone();
            self.note(&words, "which column");
        }
        let Some((at, value)) = self.choose(ways) else {
            return;
        };
        let name = self.column_name(at);
        self.note(text, &format!("{name} is {value}"));
        let is = |value: &str| Filter {
            at,
            not,
            test: Test::Is(Op::Equal, Literal::Text(value.to_owned())),
        };
        let mut any = vec![is(&value)];
        loop {
            let joined = match self.role() {
                Some(Role::Or) => Role::Or,
                Some(Role::And | Role::Comma) => Role::And,
                _ => break,
            };
            let by = self.past_small(1);
            let other = match self.ahead(by) {
                Some(What::Mention(other)) => {
                    other.values.iter().find(|(other, _, _)| *other == at)
                }
                _ => None,
            };
            let other = other
                .map(|(_, value, _)| value.clone())
                .or_else(|| match self.ahead(by) {
                    Some(What::Quoted(text)) => {
                        let values = self.linker.values(text);
                        values
                            .into_iter()
                            .find(|(other, _, _)| *other == at)
                            .map(|(_, value, _)| value)
                    }
                    _ => None,
                });
            let Some(other) = other else {
                break;
            };
            self.at = self.at.saturating_add(by).saturating_add(1);
            if joined == Role::And && self.wants_both {
                self.filter(vec![is(&value)]);
                any = vec![is(&other)];
            } else {
                if joined == Role::And && self.role() != Some(Role::Or) {
                    // "A and B" without "both" may mean either, or both at once.
                    self.doubt(0.7, format!("“{text} and {other}”: both, or one of them"));
                }
                any.push(is(&other));
            }
        }
        self.filter(any);
        if !self.absent
            && (self.focus.is_none() || Some(at.table) != self.subject() && pending.is_none())
        {
            self.focus = Some(at.table);
        }
    }

    /// Whether a word just said is in a column's name, or means a word of it.
    pub(super) fn hinted(&self, at: At) -> bool {
        let stems = self
            .facts
            .column(at)
            .map_or(&[][..], |column| &column.stems);
        self.read.hints.iter().rev().take(2).any(|hint| {
            stems.contains(hint)
                || crate::parse::lexicon::same(hint)
                    .iter()
                    .any(|same| stems.iter().any(|stem| stem == same))
        })
    }

    /// A text in quotes.
    pub(super) fn quoted(&mut self, text: &str) {
        let link = Link {
            values: self.linker.values(text),
            ..Link::default()
        };
        if matches!(self.preposition, Some(Role::With)) && self.role() == Some(Role::In) {
            let by = self.past_small(1);
            if let Some(What::Mention(column)) = self.ahead(by)
                && column.column_score() > 0.3
            {
                self.at = self.at.saturating_sub(1);
                self.like(true, true);
                return;
            }
        }
        let fits = link.values.iter().any(|(at, _, _)| match &self.pending {
            Some((column, _)) => {
                column
                    .columns
                    .iter()
                    .any(|(named, score)| named == at && *score > 0.5)
                    || column.tables.iter().any(|(table, _)| *table == at.table)
            }
            None => true,
        });
        if !fits && !link.values.is_empty() && self.pending.is_some() {
            // Another column holds it.
            self.pending = None;
            self.tape.pay(price::DANGLING * 0.3);
            self.value_filter(&link, text);
            return;
        }
        if fits {
            self.value_filter(&link, text);
            return;
        }
        let texts = |holds: Holds| if holds == Holds::Number { 1.0 } else { 0.0 };
        let at = self.pending_column(texts);
        let not = std::mem::take(&mut self.negated);
        match at {
            Some(at) => {
                if self.linker.complete(self.facts, at) {
                    self.doubt(
                        price::NO_VALUE,
                        format!("“{text}” is no value of {}", self.column_name(at)),
                    );
                }
                let test = Test::Is(Op::Equal, Literal::Text(text.to_owned()));
                self.filter(vec![Filter { at, not, test }]);
            }
            None => self.doubt(price::NO_VALUE * 1.5, format!("no column holds “{text}”")),
        }
    }

    /// Whether it was said that a word or a part of one comes now: "has the word".
    fn names_a_word(&self) -> bool {
        let before = self.chunks.get(..self.at).unwrap_or_default().iter().rev();
        let mut before = before.skip_while(|chunk| chunk.what == What::Role(Role::Filler));
        before.next().is_some_and(|chunk| {
            let text = chunk.text.to_lowercase();
            ["word", "substring", "letter", "text"]
                .iter()
                .any(|end| text.ends_with(end))
        })
    }

    /// "containing 'x'", "starts with 'x'".
    pub(super) fn like(&mut self, before: bool, after: bool) {
        self.skip_small();
        let text = match self.peek() {
            Some(What::Quoted(text)) => text.clone(),
            Some(What::Mention(_) | What::Unknown)
                if self.text().chars().count() <= 2 || self.names_a_word() =>
            {
                self.text()
            }
            _ => {
                self.doubt(price::ODD, "it is not said what is contained".to_owned());
                return;
            }
        };
        self.step();
        // "in its name": the column comes after.
        if self.role() == Some(Role::In) {
            let by = self.past_small(1);
            if let Some(What::Mention(link)) = self.ahead(by)
                && link.column_score() > 0.3
            {
                self.pending = Some((link.clone(), text.clone()));
                self.at = self.at.saturating_add(by).saturating_add(1);
            }
        }
        let texts = |holds: Holds| if holds == Holds::Number { 1.0 } else { 0.0 };
        let column = self.pending_column(texts);
        let focus = self.focus.or(self.subject());
        // "the full names that contain": what is shown.
        let shown = self.items.last().filter(|item| {
            item.kind == ItemKind::Plain
                && item.link.column_score() > 0.9
                && item.link.table_score() < 0.6
        });
        let shown = shown
            .map(|item| item.link.clone())
            .filter(|_| column.is_none() && focus.is_none());
        let shown = shown.and_then(|link| self.column(&link, texts));
        let at = column
            .or(shown)
            .or_else(|| focus.and_then(|table| self.facts.display(table)));
        let not = std::mem::take(&mut self.negated);
        match at {
            Some(at) => {
                let test = Test::Like(Like {
                    before,
                    text,
                    after,
                });
                self.filter(vec![Filter { at, not, test }]);
            }
            None => self.doubt(price::ODD, format!("it is not said what contains “{text}”")),
        }
    }
}
