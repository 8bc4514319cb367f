//! The first rows in an order, and orders of all rows.

use crate::parse::form::{At, Shown, Top};
use crate::parse::read::{Counted, First, OrderKey, Reader, price};
use crate::schema::Holds;

impl Reader<'_> {
    pub(super) fn first(&mut self) -> Option<()> {
        if let Some(down) = self.commonest.take() {
            let plain = self.plain();
            if self.first.is_some()
                || plain.is_empty()
                || self.read.form.select.iter().any(Shown::aggregates)
            {
                self.doubt(price::BEYOND, "the commonest is not understood".to_owned());
            }
            let counted = self.subject();
            self.put_together(&plain, counted);
            self.read.form.order.push((Shown::Count(counted), down));
            self.read.form.limit = Some(self.limit.unwrap_or(1));
            return Some(());
        }
        match self.first.take() {
            None => {
                if self.limit.is_some() && self.orders.is_empty() {
                    self.doubt(price::ODD, "it is not said which come first".to_owned());
                } else {
                    // "the top 3 songs, sorted by length".
                    self.first_in_order = self.limit.is_some();
                    self.read.form.limit = self.limit;
                }
            }
            Some(First::Count { counted, down }) => self.first_by_count(&counted, down),
            Some(First::Column {
                link,
                measure,
                down,
                focus,
                text,
            }) => {
                let at = match measure {
                    Some(measure) => {
                        let (at, turned) = self.measured(measure, focus)?;
                        let name = self.column_name(at);
                        self.note(&text, &name);
                        return self.first_by_column(at, down != turned);
                    }
                    None => {
                        let before = std::mem::replace(&mut self.focus, focus);
                        let numbers = |holds: Holds| if holds.neither() { 0.8 } else { 0.0 };
                        let at = self.column(&link, numbers)?;
                        self.focus = before;
                        at
                    }
                };
                let name = self.column_name(at);
                self.note(&text, &name);
                return self.first_by_column(at, down);
            }
        }
        Some(())
    }

    pub(super) fn first_by_count(&mut self, counted: &Counted, down: bool) {
        if self.read.form.select.iter().any(Shown::aggregates)
            && self.read.form.group.is_empty()
            && self.plain().is_empty()
        {
            self.doubt(
                price::BEYOND,
                "an aggregate of the one with most is beyond this parser".to_owned(),
            );
        }
        let plain = self.plain();
        self.put_together(&plain, counted.table);
        let key = match counted.column {
            Some(at) => Shown::Different(at),
            None => Shown::Count(counted.table),
        };
        self.read.form.order.push((key, down));
        self.read.form.limit = Some(self.limit.unwrap_or(1));
    }

    pub(super) fn first_by_column(&mut self, at: At, down: bool) -> Option<()> {
        let subject = self.subject();
        let aggregates = self.read.form.select.iter().any(Shown::aggregates);
        if aggregates && Some(at.table) == subject {
            self.doubt(
                price::BEYOND,
                "an aggregate of one row is beyond this parser".to_owned(),
            );
        }
        if aggregates && Some(at.table) != subject {
            self.facts.key(at.table)?;
            self.read.form.top = Some(Top { by: at, down });
            if !self.read.form.joined.contains(&at.table) {
                self.read.form.joined.push(at.table);
            }
            return Some(());
        }
        let form = &mut self.read.form;
        form.order.push((Shown::Column(at), down));
        form.limit = Some(self.limit.unwrap_or(1));
        Some(())
    }

    pub(super) fn sort(&mut self) -> Option<()> {
        let orders = std::mem::take(&mut self.orders);
        if !orders.is_empty() && self.read.form.limit.is_some() && !self.first_in_order {
            self.doubt(
                price::ODD,
                "what is first in one order is sorted by another".to_owned(),
            );
        }
        for (key, down) in orders {
            let shown = match key {
                OrderKey::Named(link, text) => {
                    let same = self.read.form.select.iter().find(|shown| {
                        shown.column().is_some_and(|at| {
                            link.columns
                                .iter()
                                .any(|(own, score)| *own == at && *score >= 0.4)
                        }) && !shown.aggregates()
                    });
                    match same.copied() {
                        Some(shown) => shown,
                        None => Shown::Column(self.shown_column(&link, &text)?),
                    }
                }
                OrderKey::Function(function, link) => {
                    let at = self.column(&link, |_| 0.0)?;
                    let plain = self.plain();
                    self.put_together(&plain, Some(at.table));
                    Shown::Aggregate(function, at)
                }
                OrderKey::Count(table) => {
                    let plain = self.plain();
                    self.put_together(&plain, table);
                    Shown::Count(table)
                }
                OrderKey::Shown(alphabetical) => {
                    // "the cities and how many there are, in descending order".
                    let last = self
                        .read
                        .form
                        .select
                        .last()
                        .filter(|last| last.aggregates() && !alphabetical);
                    *last.or(self.read.form.select.first())?
                }
            };
            self.read.form.order.push((shown, down));
        }
        Some(())
    }
}
