//! What rows are put together by, and how many there must be of each.

use crate::parse::form::{At, Function, Having, Shown};
use crate::parse::link::Link;
use crate::parse::read::{Reader, price};

impl Reader<'_> {
    /// What rows are put together by.
    pub(super) fn group(&mut self) -> Option<()> {
        let each = std::mem::take(&mut self.each);
        let plain: Vec<At> = self.plain();
        let aggregates = self.read.form.select.iter().any(Shown::aggregates);
        let no_plain = plain.is_empty();
        let mut shown = Vec::new();
        for (link, text) in &each {
            // What is shown already, or of what is shown.
            let own = plain.iter().find(|at| {
                link.columns
                    .iter()
                    .any(|(named, score)| named == *at && *score > 0.85)
            });
            let whole = link
                .tables
                .iter()
                .find(|(table, score)| *score > 0.6 && plain.iter().any(|at| at.table == *table));
            if let Some((table, _)) = whole.filter(|_| own.is_none()) {
                match self.facts.key(*table) {
                    Some(key) => self.read.form.group.push(key),
                    None => self
                        .read
                        .form
                        .group
                        .extend(plain.iter().filter(|at| at.table == *table)),
                }
                continue;
            }
            let at = match own {
                Some(at) => *at,
                None => self.shown_column(link, text)?,
            };
            let whole = link.table_score() >= link.column_score() - 0.05
                && self.facts.display(at.table) == Some(at);
            let key = self
                .facts
                .key(at.table)
                .filter(|_| whole && link.tables.iter().any(|(table, _)| *table == at.table));
            self.read.form.group.push(key.unwrap_or(at));
            if aggregates && !plain.contains(&at) {
                shown.push(Shown::Column(at));
            }
        }
        let mut counted: Vec<usize> = Vec::new();
        for shown in &self.read.form.select {
            if let Shown::Count(Some(table)) = shown
                && !counted.contains(table)
            {
                counted.push(*table);
            }
        }
        if counted.len() > 1 {
            self.doubt(
                price::BEYOND,
                "two counts of different things are beyond this parser".to_owned(),
            );
        }
        if no_plain {
            // What rows are put together by is shown before what they come to.
            shown.append(&mut self.read.form.select);
            self.read.form.select = shown;
        } else {
            self.read.form.select.append(&mut shown);
        }
        if !each.is_empty() && !aggregates && self.having.is_none() && self.first.is_none() {
            // "the name of each singer" is of all singers; of each of something else it is more.
            let subject = self.subject();
            let own = |(link, _): &(Link, String)| {
                link.tables
                    .iter()
                    .any(|(table, score)| Some(*table) == subject && *score > 0.6)
            };
            let shown = |(link, _): &(Link, String)| {
                link.columns
                    .iter()
                    .any(|(at, score)| plain.contains(at) && *score > 0.85)
            };
            if !each.iter().all(|each| own(each) || shown(each)) {
                self.doubt(
                    price::ODD,
                    "it is not clear what is asked of each".to_owned(),
                );
            }
            self.read.form.group.clear();
        }
        if each.is_empty() && aggregates && !plain.is_empty()
            || self.each_shown && !plain.is_empty()
        {
            let counts = self
                .read
                .form
                .select
                .iter()
                .any(|shown| matches!(shown, Shown::Count(_) | Shown::Different(_)));
            if !self.each_shown && !counts {
                let measures = self.read.form.select.iter().all(|shown| {
                    !matches!(
                        shown,
                        Shown::Aggregate(Function::Minimum | Function::Maximum, _)
                    )
                });
                self.doubt(
                    if measures { 0.4 } else { price::ODD },
                    "what is shown of all rows stands beside what is shown of one".to_owned(),
                );
            }
            self.group_by_shown(&plain);
        }
        Some(())
    }

    pub(super) fn plain(&self) -> Vec<At> {
        let plain = self
            .read
            .form
            .select
            .iter()
            .filter_map(|shown| match shown {
                Shown::Column(at) => Some(*at),
                _ => None,
            });
        plain.collect()
    }

    /// By the rows of which columns are shown, or by the columns where rows of their own table are
    /// put together.
    fn group_by_shown(&mut self, plain: &[At]) {
        let counted = self.read.form.select.iter().find_map(|shown| match shown {
            Shown::Count(table) => *table,
            Shown::Different(at) | Shown::Aggregate(_, at) => Some(at.table),
            Shown::Column(_) => None,
        });
        self.put_together(plain, counted);
    }

    pub(super) fn put_together(&mut self, plain: &[At], counted: Option<usize>) {
        if !self.read.form.group.is_empty() {
            return;
        }
        let Some(first) = plain.first().copied() else {
            return;
        };
        let one_table = plain.iter().all(|at| at.table == first.table);
        let key = self.facts.key(first.table);
        // Rows are told apart by their key where they are what is asked about, else only by what
        // is shown of them.
        let calls = plain
            .iter()
            .any(|at| Some(*at) == self.facts.display(at.table) || Some(*at) == key);
        let asked =
            self.explicit && self.subject() == Some(first.table) && counted != self.subject();
        match key.filter(|_| {
            let several = counted.is_some_and(|counted| {
                counted != first.table && !self.facts.leads(first.table, counted)
            });
            one_table && (calls || asked) && several
        }) {
            Some(key) => {
                self.read.form.group.push(key);
                if self.subject() != Some(first.table) {
                    let before = self.read.form.subject.replace(first.table);
                    self.read.form.joined.extend(before);
                }
            }
            None => self.read.form.group.extend(plain),
        }
    }

    pub(super) fn having(&mut self) -> Option<()> {
        let Some((counted, op, number, to)) = self.having.take() else {
            return Some(());
        };
        if self.read.form.select.iter().any(Shown::aggregates) && self.read.form.group.is_empty() {
            let count = matches!(self.read.form.select.as_slice(), [Shown::Count(_)]);
            match self.subject().and_then(|subject| self.facts.key(subject)) {
                Some(key) if count && counted.table != self.subject() => {
                    self.read.form.group.push(key);
                    self.read.form.wrapped = true;
                }
                _ => self.doubt(
                    price::BEYOND,
                    "a count of counted rows is beyond this parser".to_owned(),
                ),
            }
        }
        let plain = self.plain();
        let beside = plain.iter().any(|at| Some(at.table) == counted.table);
        if beside && self.explicit && counted.table != self.subject() {
            self.doubt(price::ODD, "what is counted is shown one by one".to_owned());
        }
        self.put_together(&plain, counted.table);
        self.read.form.having = Some(Having {
            of: Shown::Count(counted.table),
            op,
            number,
            to,
        });
        Some(())
    }
}
