//! What is shown: items as columns, counts and aggregates.

use crate::parse::form::{At, Shown};
use crate::parse::link::Link;
use crate::parse::read::{Item, ItemKind, Reader, price};
use crate::schema::Holds;

impl Reader<'_> {
    pub(super) fn shown(&mut self, item: &Item) -> Option<Shown> {
        let numbers = |holds: Holds| if holds.neither() { 1.5 } else { 0.0 };
        match &item.kind {
            ItemKind::Plain => {
                let at = self.shown_column(&item.link, &item.text)?;
                Some(Shown::Column(at))
            }
            ItemKind::Functions(functions) => {
                let mut link = item.link.clone();
                // Nobody asks for the average of keys.
                link.columns.retain(|(at, _)| {
                    self.facts
                        .column(*at)
                        .is_some_and(|column| !column.key && !column.foreign)
                });
                let at = self.column(&link, numbers)?;
                let name = self.column_name(at);
                let last = functions.last()?;
                self.note(&item.text, &format!("{} of {name}", last.sql()));
                Some(Shown::Aggregate(*last, at))
            }
            ItemKind::Measured(measure) => {
                let (at, turned) = self.measured(*measure, self.subject())?;
                if turned {
                    self.doubt(price::ODD, "an age is not kept".to_owned());
                }
                Some(Shown::Column(at))
            }
            ItemKind::Everything => None,
            ItemKind::Count { distinct } => self.counted(&item.link, *distinct, &item.text),
        }
    }

    pub(super) fn counted(&mut self, link: &Link, distinct: bool, text: &str) -> Option<Shown> {
        if link.is_empty() {
            return Some(Shown::Count(self.subject()));
        }
        // Rows of a table, or different values of a column.
        let of_table = link.tables.iter().map(|(table, score)| {
            let own = if distinct && Some(*table) == self.subject() {
                0.3
            } else {
                0.0
            };
            (
                false,
                (1.0 - score) * 2.0 + self.distance(*table) * 0.5 + own,
            )
        });
        let of_column = link.columns.iter().map(|(at, score)| {
            let plain = if distinct { 0.0 } else { 1.0 };
            (true, (1.0 - score) * 3.0 + self.distance(at.table) + plain)
        });
        let least =
            |ways: Vec<(bool, f32)>| ways.into_iter().min_by(|one, two| one.1.total_cmp(&two.1));
        let kinds = [least(of_table.collect()), least(of_column.collect())];
        let column = self.choose(kinds.into_iter().flatten().collect())?;
        if column {
            let at = self.column(link, |_| 0.0)?;
            let name = self.column_name(at);
            self.note(text, &format!("how many different {name}"));
            let numeric = self.facts.column(at)?.holds == Holds::Number;
            if numeric
                && !distinct
                && self
                    .facts
                    .column(at)
                    .is_some_and(|column| !column.key && !column.foreign)
            {
                // "the number of tickets" may be added up, counted or shown.
                self.doubt(price::ODD, format!("“{text}”: counted, or added up"));
            }
            return Some(Shown::Different(at));
        }
        let table = self.table_of(link)?;
        self.mentioned.insert(table);
        if self.counts_itself(table) {
            self.doubt(price::ODD, format!("“{text}”: rows, or what they count"));
        }
        let name = self.table_name(table);
        self.note(text, &format!("how many rows of {name}"));
        if distinct
            && self.subject() != Some(table)
            && let Some(key) = self.facts.key(table)
        {
            return Some(Shown::Different(key));
        }
        Some(Shown::Count(Some(table)))
    }

    /// Whether rows of a table say of how many things each is.
    fn counts_itself(&self, table: usize) -> bool {
        let columns = self
            .facts
            .table(table)
            .map(|table| (&table.columns, &table.stems));
        columns.is_some_and(|(columns, stems)| {
            columns.iter().any(|column| {
                let mut own = column.stems.iter().filter(|stem| !stems.contains(stem));
                let counts = own
                    .next()
                    .is_some_and(|stem| stem == "count" || stem == "quantiti");
                counts
                    && own.next().is_none()
                    && column.holds.numeric()
                    && !column.key
                    && !column.foreign
            })
        })
    }

    /// A column that is shown: what is named, or what people call a row of a table that is named.
    pub(super) fn shown_column(&mut self, link: &Link, text: &str) -> Option<At> {
        let mut ways: Vec<(At, f32)> = Vec::new();
        // "name" and "id" are said of whatever the rows are called by.
        let generic = match crate::words::stem(&text.to_lowercase()).as_str() {
            "name" | "titl" => {
                let display = self.owner().and_then(|table| self.facts.display(table));
                display.filter(|at| self.facts.column(*at).is_some_and(|column| !column.key))
            }
            "id" | "identifi" => self.owner().and_then(|table| self.facts.key(table)),
            _ => None,
        };
        let named = |at: &At| self.facts.column(*at).is_some_and(|column| !column.key);
        if let Some(at) = generic.filter(|at| text.to_lowercase().starts_with('i') || named(at)) {
            ways.push((at, 0.15));
        }
        let whole = link.table_score() >= 0.95;
        for (at, score) in &link.columns {
            if ways.iter().any(|(own, _)| own == at) {
                for (_, cost) in ways.iter_mut().filter(|(own, _)| own == at) {
                    *cost = cost.min((1.0 - score) * 3.0 + self.distance(at.table));
                }
                continue;
            }
            let column = self.facts.column(*at)?;
            let lower = text.to_lowercase();
            let said = ["id", "code", "number", "key"]
                .iter()
                .any(|word| lower.contains(word));
            let key = column.foreign && !said;
            let other = generic.is_some_and(|generic| generic != *at);
            let cost = (1.0 - score) * 3.0
                + self.distance(at.table)
                + if key { 0.6 } else { 0.0 }
                + if key && whole { 0.8 } else { 0.0 }
                + if other { 0.7 } else { 0.0 };
            ways.push((*at, cost));
        }
        for (table, score) in &link.tables {
            let Some(at) = self.facts.display(*table) else {
                continue;
            };
            let named = self.facts.column(at).is_some_and(|column| !column.key);
            let cost = (1.0 - score) * 3.0 + self.distance(*table) + if named { 0.1 } else { 0.7 };
            match ways.iter_mut().find(|(own, _)| *own == at) {
                Some((_, least)) => *least = least.min(cost),
                None => ways.push((at, cost)),
            }
        }
        let at = self.choose(ways)?;
        let name = self.column_name(at);
        self.note(text, &name);
        Some(at)
    }

    /// What rows are shown of: of what they are put together by, else the subject.
    pub(super) fn owner(&self) -> Option<usize> {
        if self.of_item.is_some() {
            return self.of_item;
        }
        let each = self.each.iter().find(|(link, _)| {
            link.table_score() > 0.75 && link.table_score() >= link.column_score() - 0.05
        });
        let each = each
            .and_then(|(link, _)| link.tables.first())
            .map(|(table, _)| *table);
        each.or(self.subject())
    }
}
