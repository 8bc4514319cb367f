//! What tells rows apart: "who have a dog", "in France", "for each city", "without concerts".

use crate::parse::chunks::What;
use crate::parse::form::{Absent, Function, Op};
use crate::parse::lexicon::{Measure, Role};
use crate::parse::link::Link;
use crate::parse::read::{Reader, price};

impl Reader<'_> {
    /// Reads up to the next item, or to the end.
    pub(super) fn telling(&mut self) {
        while let Some(what) = self.peek() {
            let text = self.text();
            match what {
                What::Role(role) => {
                    if !self.telling_role(*role, &text) {
                        return;
                    }
                }
                What::Number(number) => {
                    let number = *number;
                    self.step();
                    let op = if std::mem::take(&mut self.negated) {
                        Op::Unequal
                    } else {
                        Op::Equal
                    };
                    self.number(op, number, None);
                }
                What::Quoted(quoted) => {
                    let quoted = quoted.clone();
                    self.step();
                    self.quoted(&quoted);
                }
                What::Mention(link) => {
                    let link = link.clone();
                    self.step();
                    self.mention(link, text);
                }
                What::Unknown => {
                    self.unknown(&text);
                    self.step();
                }
            }
        }
        self.dangling();
    }

    /// What a role does here; `false` where items follow.
    fn telling_role(&mut self, role: Role, text: &str) -> bool {
        match role {
            Role::And | Role::Comma | Role::But => {
                if self.item_ahead(1) && !self.wants_both {
                    self.dangling();
                    return false;
                }
                if role != Role::Comma {
                    self.absent = false;
                }
                self.step();
            }
            Role::Stop => {
                self.dangling();
                self.absent = false;
                self.step();
                if self.item_ahead(0) || self.role() == Some(Role::Ask) {
                    return false;
                }
            }
            Role::Filler | Role::All | Role::Some | Role::It | Role::Either => self.step(),
            Role::Be | Role::Do => self.step(),
            Role::Measuring(measure) => {
                self.step();
                self.told = true;
                match self.measured(measure, None) {
                    Some((at, _)) => {
                        let link = Link {
                            columns: vec![(at, 1.0)],
                            ..Link::default()
                        };
                        self.pending = Some((link, text.to_owned()));
                    }
                    None => self.doubt(price::ODD, format!("nothing here is told by “{text}”")),
                }
            }
            Role::Have | Role::Relative | Role::Whose | Role::Verb => {
                if !matches!(role, Role::Have) {
                    self.dangling();
                }
                self.told = true;
                if role == Role::Verb {
                    self.read
                        .hints
                        .push(crate::words::stem(&text.to_lowercase()));
                }
                self.preposition = None;
                self.step();
            }
            Role::With => {
                self.dangling();
                self.told = true;
                self.preposition = Some(role);
                self.step();
            }
            Role::Of | Role::For | Role::In | Role::From | Role::By => {
                if !matches!(role, Role::Of | Role::For) {
                    self.told |= !self.items.is_empty();
                }
                self.read
                    .hints
                    .push(crate::words::stem(&text.to_lowercase()));
                self.preposition = Some(role);
                self.step();
                if let (
                    Some(What::Number(_)),
                    Some(What::Role(Role::In | Role::And)),
                    Some(What::Number(_)),
                ) = (self.ahead(0), self.ahead(1), self.ahead(2))
                    && role == Role::From
                {
                    self.between();
                }
            }
            Role::Each => {
                self.step();
                self.grouped();
            }
            Role::Distinct => {
                self.step();
            }
            Role::OrderBy | Role::Way(_) | Role::Alphabetical => self.order(),
            Role::Compare(op) => {
                self.higher = text.to_lowercase().contains("higher than")
                    || text.to_lowercase().contains("lower than");
                self.step();
                self.comparison(op, None);
            }
            Role::Than(op, measure) => {
                self.step();
                match self.measured(measure, None) {
                    Some(given) => {
                        let name = self.column_name(given.0);
                        self.note(text, &name);
                        self.pending = None;
                        self.comparison(op, Some(given));
                    }
                    None => self.doubt(price::ODD * 1.5, format!("nothing here is “{text}”")),
                }
            }
            Role::After(_) => self.odd(),
            Role::Between => {
                self.step();
                self.between();
            }
            Role::Aged => {
                self.step();
                match self.measured(Measure::Age, None) {
                    Some((at, _)) => {
                        let link = Link {
                            columns: vec![(at, 1.0)],
                            ..Link::default()
                        };
                        self.pending = Some((link, text.to_owned()));
                    }
                    None => self.doubt(price::ODD, "nothing here has an age".to_owned()),
                }
            }
            Role::Extreme(down, measure) => {
                self.step();
                self.extreme(down, measure, text);
            }
            Role::Most(down) => {
                self.step();
                self.most(down, text);
            }
            Role::Commonest(down) => {
                self.step();
                self.commonest = Some(down);
            }
            Role::Top => {
                self.step();
                self.top();
            }
            Role::Not => {
                self.negated = true;
                self.told = true;
                self.step();
            }
            Role::Without => {
                self.dangling();
                self.negated = true;
                self.told = true;
                self.step();
            }
            Role::Both => {
                self.wants_both = true;
                self.told = true;
                self.step();
            }
            Role::Contains => {
                self.step();
                self.like("%", "%");
            }
            Role::Starts => {
                self.step();
                self.like("", "%");
            }
            Role::Ends => {
                self.step();
                self.like("%", "");
            }
            Role::Called => {
                self.step();
                self.told = true;
                let focus = self.focus.or(self.subject());
                if let Some(at) = focus.and_then(|table| self.facts.display(table)) {
                    let link = Link {
                        columns: vec![(at, 1.0)],
                        ..Link::default()
                    };
                    self.pending = Some((link, text.to_owned()));
                }
            }
            Role::Function(Function::Maximum) if self.told => {
                self.step();
                self.extreme(true, None, text);
            }
            Role::Function(Function::Minimum) if self.told => {
                self.step();
                self.extreme(false, None, text);
            }
            Role::HowMany
            | Role::NumberOf
            | Role::Which
            | Role::Ask
            | Role::Function(_)
            | Role::Amount(_) => return false,
            Role::Or if !self.read.form.filters.is_empty() && !self.absent && !self.wants_both => {
                self.tape.pay(0.25);
                self.or = true;
                self.step();
            }
            Role::Or | Role::Bare | Role::Beyond | Role::Everything => self.odd(),
        }
        true
    }

    /// Nothing more is said of the column that was named.
    pub(super) fn dangling(&mut self) {
        if let Some((link, text)) = self.pending.take() {
            // "in the city": a table beside a column only says where one is.
            // "serving Italian food": said after its value.
            if self.compared.is_some_and(|compared| {
                link.columns
                    .iter()
                    .any(|(at, score)| *at == compared && *score >= 0.4)
            }) {
                self.tape.pay(price::BESIDE);
                return;
            }
            let known = link
                .columns
                .iter()
                .any(|(at, _)| self.mentioned.contains(&at.table));
            let cost = if known {
                price::DANGLING
            } else {
                price::DANGLING * 1.5
            };
            self.doubt(cost, format!("“{text}”: nothing is said of it"));
        }
    }

    /// "for each" and what.
    fn grouped(&mut self) {
        self.skip(&[
            Role::Filler,
            Role::Distinct,
            Role::Of,
            Role::All,
            Role::NumberOf,
        ]);
        match self.peek() {
            Some(What::Mention(link)) if link.column_score().max(link.table_score()) > 0.3 => {
                let mut link = link.clone();
                let mut text = self.text();
                self.step();
                self.compound(&mut link, &mut text);
                if link.table_score() > 0.6 && link.table_score() >= link.column_score() - 0.05 {
                    if let Some((table, _)) = link.tables.first().copied() {
                        self.mentioned.insert(table);
                        self.focus = Some(table);
                    }
                }
                self.each.push((link, text));
            }
            _ => self.each_shown = true,
        }
    }

    /// A table, a column or a value.
    pub(super) fn mention(&mut self, mut link: Link, mut text: String) {
        // A value right before a table: "cat pets".
        let schema = link.column_score().max(link.table_score());
        if link.value_score() > schema || schema < 0.3 && !link.values.is_empty() {
            self.named_value(&link, &text);
            return;
        }
        if self.pending.is_some()
            && !link.values.is_empty()
            && link.value_score() > 0.85
            && self.tested()
        {
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
        let value_next = matches!(
            self.ahead(self.past_small(0)),
            Some(What::Quoted(_) | What::Number(_))
        ) || matches!(self.ahead(self.past_small(0)), Some(What::Mention(next)) if next.value_score() > 0.85)
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
        } else if column > 0.3 && self.verb_before() && participle(&text) && !value_next {
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
    fn told_by(&self, link: &Link) -> Option<usize> {
        let (at, score) = link.columns.first()?;
        let edges = self.facts.edges_of(at.table);
        let edge = edges.iter().find(|edge| edge.from == *at)?;
        (*score > 0.85 && link.tables.is_empty()).then_some(edge.to.table)
    }

    /// "the names of the states": the states are what is shown.
    fn names_what(&self, link: &Link, tested: bool) -> bool {
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
    fn participle_compared(&self, link: &Link, text: &str) -> bool {
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
                Some(What::Role(Role::Compare(_) | Role::Most(_) | Role::Some | Role::Filler | Role::In))
            )
    }

    fn verb_before(&self) -> bool {
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

    /// Whether what is named comes right after a test of the pending column: "is", "of".
    fn tested(&self) -> bool {
        true
    }

    fn items_aggregate(&self) -> bool {
        self.items
            .iter()
            .any(|item| item.kind != super::ItemKind::Plain)
    }

    fn named_table(&mut self, link: &Link, text: &str, value_next: bool) {
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

    fn named_value(&mut self, link: &Link, text: &str) {
        self.told = true;
        let after = self.peek();
        if self.negated && !self.pending.is_some() {
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

/// Whether a word looks like a form of a verb.
fn participle(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.ends_with("ed") || lower.ends_with("ing")
}
