//! What tells rows apart: "who have a dog", "in France", "for each city", "without concerts".

use crate::parse::chunks::What;
use crate::parse::form::{Function, Op};
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
            Role::By if self.top_by() => {}
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
                self.like(true, true);
            }
            Role::Starts => {
                self.step();
                self.like(false, true);
            }
            Role::Ends => {
                self.step();
                self.like(true, false);
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
                if link.table_score() > 0.6
                    && link.table_score() >= link.column_score() - 0.05
                    && let Some((table, _)) = link.tables.first().copied()
                {
                    self.mentioned.insert(table);
                    self.focus = Some(table);
                }
                self.each.push((link, text));
            }
            _ => self.each_shown = true,
        }
    }
}
