//! What a name is where rows are told apart: a table, a column of which something is said, a value.

use crate::parse::chunks::{What, participle};
use crate::parse::form::Absent;
use crate::parse::lexicon::Role;
use crate::parse::link::Link;
use crate::parse::read::{Reader, price};

impl Reader<'_> {
    /// A table, a column or a value.
    pub(super) fn mention(&mut self, mut link: Link, mut text: String) {
        // A value right before a table: "cat pets".
        let schema = link.column_score().max(link.table_score());
        if link.value_score() > schema || schema < 0.3 && !link.values.is_empty() {
            self.named_value(&link, &text);
            return;
        }
        if self.pending.is_some() && !link.values.is_empty() && link.value_score() > 0.85 {
            self.value_filter(&link, &text);
            return;
        }
        if let Some(What::Mention(next)) = self.peek() {
            let next_schema = next.column_score().max(next.table_score());
            if next.value_score() <= next_schema {
                self.compound(&mut link, &mut text);
            }
        }
        let called = self.ahead(self.past_small(0)) == Some(&What::Role(Role::Called));
        let table = link.table_score();
        let column = link.column_score();
        let own_column = !called
            && link.columns.iter().any(|(at, score)| {
                *score > 0.85 && (self.focus == Some(at.table) || self.subject() == Some(at.table))
            });
        let by = usize::from(self.role() == Some(Role::By));
        let value_after = |by: usize| match self.ahead(by) {
            Some(What::Quoted(_)) => true,
            Some(What::Mention(next)) => next.value_score() > 0.85,
            _ => false,
        };
        let value_next = by == 1 && value_after(self.past_small(1))
            || matches!(
                self.ahead(self.past_small(0)),
                Some(What::Quoted(_) | What::Number(_))
            )
            || matches!(self.ahead(self.past_small(0)), Some(What::Mention(next)) if next.value_score() > 0.85)
            || matches!(
                self.ahead(self.past_small(0)),
                Some(What::Role(
                    Role::Compare(_)
                        | Role::Between
                        | Role::Called
                        | Role::Contains
                        | Role::Starts
                        | Role::Ends
                ))
            );
        let whole = table > 0.6
            && !value_next
            && matches!(self.preposition, Some(Role::Of | Role::For))
            && self.pending.is_none();
        if table > 0.3 && (table >= column - 0.05 || whole) && !(own_column && value_next) {
            self.named_table(&link, &text, value_next);
        } else if let Some(table) = self.told_by(&link).filter(|_| !value_next && !called) {
            // A key that is told stands for the row that it is of.
            let of = Link {
                tables: vec![(table, 0.9)],
                ..Link::default()
            };
            self.named_table(&of, &text, false);
        } else if self.names_what(&link, value_next || called) {
            if let Some(item) = self.items.last_mut() {
                item.link = link;
                item.text = text;
            }
        } else if column > 0.3
            && self.verb_before()
            && participle(&text)
            && !value_next
            && !self.ends_clause()
        {
            self.tape.pay(price::VERB * 2.0);
            self.read
                .hints
                .push(crate::words::stem(&text.to_lowercase()));
        } else if self.participle_compared(&link, &text) {
            self.tape.pay(price::VERB * 2.0);
        } else if column > 0.3 && column < 0.6 && !value_next && !called && self.verb_before() {
            // "that lost any ship": a verb, which says how things belong together.
            self.tape.pay(price::VERB * 2.0);
            self.read
                .hints
                .push(crate::words::stem(&text.to_lowercase()));
        } else if column > 0.3 {
            self.dangling();
            let the = self.at.checked_sub(2).and_then(|at| self.chunks.get(at));
            let the = the.is_some_and(|chunk| chunk.text.eq_ignore_ascii_case("the"));
            if self.preposition == Some(Role::By) && self.items_aggregate() && !value_next && !the {
                self.each.push((link, text));
                return;
            }
            let known = link.columns.first().filter(|(_, score)| *score > 0.9);
            let alone = link
                .columns
                .iter()
                .filter(|(_, score)| *score > 0.9)
                .count()
                == 1;
            if let Some((at, _)) = known.filter(|_| alone).copied()
                && self.subject().is_none()
                && self.items.iter().all(|item| item.link.tables.is_empty())
            {
                self.mentioned.insert(at.table);
            }
            self.pending = Some((link, text));
        } else {
            self.doubt(price::ODD, format!("“{text}” is not clear"));
        }
    }

    /// The table whose key a column tells.
    pub(super) fn told_by(&self, link: &Link) -> Option<usize> {
        let (at, score) = link.columns.first()?;
        let edges = self.facts.edges_of(at.table);
        let edge = edges.iter().find(|edge| edge.from == *at)?;
        // Said of the subject itself, it says more than that.
        let other = self.subject() != Some(edge.to.table);
        (other && *score > 0.85 && link.tables.is_empty()).then_some(edge.to.table)
    }

    /// "the names of the states": the states are what is shown.
    pub(super) fn names_what(&self, link: &Link, tested: bool) -> bool {
        let only = matches!(self.items.as_slice(), [item] if item.kind == super::ItemKind::Plain
            && crate::words::stem(&item.text.to_lowercase()) == "name");
        only && !tested
            && !self.told
            && self.preposition == Some(Role::Of)
            && self.subject().is_none()
            && link.tables.is_empty()
            && link.column_score() > 0.55
    }

    /// "that have hosted more than one": a verb, though a column is called alike.
    pub(super) fn participle_compared(&self, link: &Link, text: &str) -> bool {
        let texts = link
            .columns
            .first()
            .and_then(|(at, _)| self.facts.column(*at));
        let texts = texts.is_some_and(|column| !column.holds.numeric());
        texts
            && participle(text)
            && self.verb_before()
            && matches!(
                self.peek(),
                Some(What::Role(
                    Role::Compare(_) | Role::Most(_) | Role::Some | Role::Filler | Role::In
                ))
            )
    }

    /// Whether nothing follows that a verb could lead to.
    fn ends_clause(&self) -> bool {
        let by = self.past_small(0);
        matches!(
            self.ahead(by),
            None | Some(What::Role(Role::Stop | Role::And | Role::Comma))
        )
    }

    pub(super) fn verb_before(&self) -> bool {
        let before = self.at.checked_sub(2).and_then(|at| self.chunks.get(at));
        before.is_some_and(|chunk| {
            matches!(
                chunk.what,
                What::Role(
                    Role::Relative | Role::Have | Role::Do | Role::Not | Role::Be | Role::It
                ) | What::Mention(_)
            )
        })
    }

    pub(super) fn items_aggregate(&self) -> bool {
        self.items
            .iter()
            .any(|item| item.kind != super::ItemKind::Plain)
    }

    pub(super) fn named_table(&mut self, link: &Link, text: &str, value_next: bool) {
        if self.negated
            && !self.subject().is_some_and(|subject| {
                link.tables
                    .iter()
                    .any(|(table, score)| *table == subject && *score > 0.9)
            })
        {
            if self.subject().is_none() && self.items.is_empty() {
                self.doubt(price::ODD, format!("“{text}”: without what is not clear"));
            }
            self.negated = false;
            if let Some(table) = self.table_of(link) {
                let name = self.table_name(table);
                self.note(text, &format!("there must be no row of {name}"));
                self.read.form.absent.push(Absent {
                    table,
                    filters: Vec::new(),
                });
                self.absent = true;
                self.focus = Some(table);
                self.mentioned.insert(table);
            }
            return;
        }
        self.dangling();
        let Some(table) = self.table_of(link) else {
            return;
        };
        let name = self.table_name(table);
        self.note(text, &format!("the table {name}"));
        if !self.told && matches!(self.preposition, Some(Role::Of | Role::For)) {
            for item in self
                .items
                .iter_mut()
                .rev()
                .take_while(|item| item.owner.is_none())
            {
                item.owner = Some(table);
            }
        }
        if self.absent {
            self.focus = Some(table);
            self.mentioned.insert(table);
        } else {
            self.enter(table);
        }
        if value_next {
            self.pending = Some((link.clone(), text.to_owned()));
            // A table is no column of which something must be said.
            if !matches!(
                self.ahead(self.past_small(0)),
                Some(What::Quoted(_) | What::Mention(_))
            ) {
                self.pending = None;
            }
        }
    }

    pub(super) fn named_value(&mut self, link: &Link, text: &str) {
        self.told = true;
        let after = self.peek();
        if self.negated && self.pending.is_none() {
            // "do not have a cat": what must be absent is what the value is of.
            let subject = self.subject();
            let own = link
                .values
                .iter()
                .any(|(at, _, _)| Some(at.table) == subject);
            let of = match after {
                Some(What::Mention(next)) => next.tables.first().map(|(table, _)| *table),
                _ => None,
            };
            let table = of.or_else(|| link.values.first().map(|(at, _, _)| at.table));
            if let Some(table) = table.filter(|table| !own && Some(*table) != subject) {
                self.negated = false;
                self.read.form.absent.push(Absent {
                    table,
                    filters: Vec::new(),
                });
                self.absent = true;
                self.focus = Some(table);
                self.mentioned.insert(table);
                if of.is_some() {
                    self.step();
                }
                self.value_filter(link, text);
                return;
            }
        }
        if let Some(What::Mention(next)) = self.peek()
            && next.table_score() > 0.3
            && next.value_score() <= next.table_score()
            && self.pending.is_none()
        {
            let next = next.clone();
            let words = self.text();
            self.step();
            self.named_table(&next, &words, false);
        }
        self.value_filter(link, text);
    }
}
