//! What a number that something is compared with is of: a column, an age, a year, a count.

use crate::parse::chunks::What;
use crate::parse::form::{At, Filter, Literal, Op, Test, is_year};
use crate::parse::lexicon::{Measure, Role};
use crate::parse::link::Link;
use crate::parse::read::comparing::numbers;
use crate::parse::read::{Counted, Reader, price};

impl Reader<'_> {
    /// A number that something is compared with.
    pub(super) fn number(&mut self, op: Op, number: f64, given: Option<At>) {
        let (mut op, mut to) = (op, None);
        // "after 2013 or before 2008".
        let other = match (self.role(), self.ahead(1)) {
            (Some(Role::After(after)), Some(What::Number(other))) => Some((after, *other)),
            _ => None,
        };
        if let Some((after, second)) = other {
            self.step();
            self.step();
            let strict = if after == Op::AtLeast {
                Op::More
            } else {
                Op::Less
            };
            self.number(op, number, given);
            if let Some(at) = self.compared {
                self.or = true;
                self.filter(vec![compare(at, strict, second)]);
            }
            return;
        }
        if let Some(Role::After(after)) = self.role() {
            op = after;
            self.step();
        }
        if let Some(at) = given.or_else(|| self.pending_column(numbers)) {
            self.years_old();
            let mut any = vec![compare(at, op, number)];
            while self.role() == Some(Role::Or) || self.role() == Some(Role::And) && self.wants_both
            {
                let Some(What::Number(other)) = self.ahead(1) else {
                    break;
                };
                if self.role() == Some(Role::And) {
                    self.filter(std::mem::take(&mut any));
                }
                any.push(compare(at, op, *other));
                self.step();
                self.step();
            }
            if !any.is_empty() {
                self.filter(any);
            }
            return;
        }
        if self.years_old() {
            match self.measured(Measure::Age, self.focus) {
                Some((at, turned)) => {
                    let op = if turned { op.turned() } else { op };
                    self.filter(vec![compare(at, op, number)]);
                }
                None => self.doubt(price::ODD, "nothing here has an age".to_owned()),
            }
            return;
        }
        // "3 to 5", "1 or 2".
        if self.role() == Some(Role::In)
            && self.text() == "to"
            && let Some(What::Number(end)) = self.ahead(1)
        {
            to = Some(*end);
            self.step();
            self.step();
        }
        let mut others = Vec::new();
        while self.role() == Some(Role::Or) {
            let Some(What::Number(other)) = self.ahead(1) else {
                break;
            };
            others.push(*other);
            self.step();
            self.step();
        }
        let by = self.past_small(0);
        if let Some(What::Mention(link)) = self.ahead(by) {
            let mut link = link.clone();
            self.at = self.at.saturating_add(by);
            let mut text = self.text();
            self.step();
            self.compound(&mut link, &mut text);
            if let Some(column) = self.numeric(&link) {
                self.note(&text, "what is compared");
                match to {
                    Some(to) => self.filter(vec![Filter {
                        at: column,
                        not: false,
                        test: Test::Between(number, to),
                    }]),
                    None => {
                        let mut any = vec![compare(column, op, number)];
                        any.extend(others.iter().map(|other| compare(column, op, *other)));
                        self.filter(any);
                    }
                }
                return;
            }
            // "the names of the 3 books with": as many as are shown.
            let shown = op == Op::Equal
                && to.is_none()
                && matches!(self.preposition, Some(Role::Of | Role::For));
            if shown && !self.told && link.table_score() > 0.3 && others.is_empty() {
                self.limited(number);
                if let Some(table) = self.table_of(&link) {
                    self.enter(table);
                }
                return;
            }
            if link.table_score() > 0.3
                && let Some(table) = self.table_of(&link)
            {
                self.count_compared(
                    Counted {
                        table: Some(table),
                        column: None,
                    },
                    op,
                    number,
                    to,
                );
                return;
            }
            self.doubt(price::ODD, format!("“{text}” is not compared with numbers"));
            return;
        }
        if self.items.is_empty()
            && self.subject().is_none()
            && self.focus.is_none()
            && to.is_none()
            && others.is_empty()
        {
            self.early.push((op, number));
            return;
        }
        if is_year(number)
            && let Some((at, _)) = self.measured(Measure::Time, self.focus.or(self.subject()))
        {
            let mut any = vec![compare(at, op, number)];
            any.extend(others.iter().map(|other| compare(at, op, *other)));
            while self.role() == Some(Role::And) && self.wants_both {
                let Some(What::Number(other)) = self.ahead(1) else {
                    break;
                };
                self.filter(std::mem::take(&mut any));
                any.push(compare(at, op, *other));
                self.step();
                self.step();
            }
            self.note(&number.to_string(), "a year");
            self.filter(any);
            return;
        }
        if self.higher
            && let Some((at, _)) = self.measured(Measure::Height, self.focus)
        {
            self.filter(vec![compare(at, op, number)]);
            return;
        }
        // "no less than 3 and no more than 4": of the same column.
        if let Some(at) = self.compared.filter(|at| {
            self.facts
                .column(*at)
                .is_some_and(|column| column.holds.numeric())
        }) {
            self.tape.pay(price::BESIDE);
            self.filter(vec![compare(at, op, number)]);
            return;
        }
        self.doubt(
            price::ODD * 1.5,
            format!("it is not clear what {number} is"),
        );
    }

    /// A column of numbers that words mean, where they mean one rather than a table.
    pub(super) fn numeric(&mut self, link: &Link) -> Option<At> {
        let mut numeric = link.clone();
        numeric.columns.retain(|(at, _)| {
            self.facts
                .column(*at)
                .is_some_and(|column| column.holds.numeric() && !column.key && !column.foreign)
        });
        let near = numeric
            .columns
            .iter()
            .any(|(at, score)| *score > link.table_score() - 0.1 && self.distance(at.table) <= 0.7);
        (near || link.tables.is_empty())
            .then(|| self.column(&numeric, numbers))
            .flatten()
    }

    pub(super) fn count_compared(
        &mut self,
        counted: Counted,
        op: Op,
        number: f64,
        to: Option<f64>,
    ) {
        if let Some(table) = counted.table {
            self.mentioned.insert(table);
            if self.subject().is_none() {
                self.read.form.subject = None;
            }
            self.focus = Some(table);
        }
        self.told = true;
        if self.having.is_some() {
            self.doubt(price::BEYOND, "there are two counts".to_owned());
        }
        self.having = Some((counted, op, number, to));
    }

    fn years_old(&mut self) -> bool {
        if self.role() == Some(Role::Aged) {
            self.step();
            return true;
        }
        false
    }
}

fn compare(at: At, op: Op, number: f64) -> Filter {
    Filter {
        at,
        not: false,
        test: Test::Is(op, Literal::Number(number)),
    }
}
