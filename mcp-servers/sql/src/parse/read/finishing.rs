//! What the parts of a question mean together.

use crate::parse::form::{At, Filter, Literal, Op, Shown, Test};
use crate::parse::read::{Item, ItemKind, Read, Reader, price};

impl Reader<'_> {
    /// The reading, where it makes sense.
    pub(super) fn finish(mut self) -> Option<Read> {
        self.leftovers();
        if self.items.is_empty() && self.each.is_empty() {
            return None;
        }
        let mut items = std::mem::take(&mut self.items);
        self.explicit = self.subject().is_some();
        // "List the name and the number.": of what has been said already.
        let before = std::mem::take(&mut self.replaced);
        let counted = |item: &&Item| matches!(item.kind, ItemKind::Count { .. });
        if let Some(count) = before.iter().find(counted) {
            for item in items
                .iter_mut()
                .filter(|item| counted(&&**item) && item.link.is_empty())
            {
                *item = count.clone();
            }
        }
        self.find_subject(&items);
        for (op, number) in std::mem::take(&mut self.early) {
            self.number(op, number, None);
        }
        self.focus = self.subject();
        let mut select = Vec::new();
        for item in &items {
            if item.kind == ItemKind::Everything {
                let table = self.subject()?;
                let columns = self.facts.table(table)?.columns.len();
                select.extend((0..columns).map(|column| Shown::Column(At { table, column })));
                continue;
            }
            let owner = item.owner.filter(|_| item.kind == ItemKind::Plain);
            self.of_item = owner;
            self.focus = owner.or(self.subject());
            let last = self.shown(item)?;
            if select.contains(&last) {
                self.doubt(1.0, format!("“{}” is shown already", item.text));
            }
            if let (ItemKind::Functions(functions), Some(at)) = (&item.kind, last.column()) {
                let others = functions.split_last().map_or(&[][..], |(_, others)| others);
                select.extend(
                    others
                        .iter()
                        .map(|function| Shown::Aggregate(*function, at)),
                );
            }
            select.push(last);
        }
        self.of_item = None;
        self.focus = self.subject();
        self.read.form.select = select;
        self.read.form.distinct = self.distinct;
        self.group()?;
        self.having()?;
        self.first()?;
        self.sort()?;
        self.repetition();
        (!self.read.form.select.is_empty()).then_some(self.read)
    }

    fn leftovers(&mut self) {
        if self.negated {
            self.doubt(
                price::ODD * 2.0,
                "it is not clear what is denied".to_owned(),
            );
        }
        self.impossible();
        match std::mem::take(&mut self.both).as_slice() {
            [one, two] if self.wants_both => self.read.form.both = Some((one.clone(), two.clone())),
            [one] => {
                self.doubt(price::ODD, "of “both” there is only one".to_owned());
                self.read.form.filters.push(vec![one.clone()]);
            }
            _ if self.wants_both && self.told => {
                self.doubt(price::ODD, "“both” is not understood".to_owned());
            }
            _ => {}
        }
    }

    /// No row is called by two names: each of them is for some row.
    fn impossible(&mut self) {
        let is = |filter: &Filter| !filter.not && matches!(filter.test, Test::Is(_, _));
        let filters = &mut self.read.form.filters;
        let single: Vec<Filter> = filters
            .iter()
            .filter_map(|any| match any.as_slice() {
                [only] if is(only) => Some(only.clone()),
                _ => None,
            })
            .collect();
        let apart = |one: &Filter, other: &Filter| match (&one.test, &other.test) {
            (
                Test::Is(Op::More | Op::AtLeast, Literal::Number(least)),
                Test::Is(Op::Less | Op::AtMost, Literal::Number(most)),
            )
            | (
                Test::Is(Op::Less | Op::AtMost, Literal::Number(most)),
                Test::Is(Op::More | Op::AtLeast, Literal::Number(least)),
            ) => least >= most,
            (Test::Is(Op::Equal, one), Test::Is(Op::Equal, other)) => one != other,
            _ => false,
        };
        for (place, one) in single.iter().enumerate() {
            let other = single
                .iter()
                .skip(place.saturating_add(1))
                .find(|other| other.at == one.at && apart(one, other));
            if let Some(other) = other
                && self.both.is_empty()
                && !self.wants_both
            {
                filters.retain(|any| {
                    any.as_slice() != [one.clone()] && any.as_slice() != [other.clone()]
                });
                self.both = vec![one.clone(), other.clone()];
                self.wants_both = true;
                self.tape.pay(price::BESIDE);
                return;
            }
        }
    }

    /// What is asked about: what was named as a whole, else what most columns are of.
    fn find_subject(&mut self, items: &[Item]) {
        if self.subject().is_some() {
            self.focus = self.subject();
            return;
        }
        let first = items
            .first()
            .map(|item| &item.link)
            .filter(|link| !link.is_empty())
            .or(self.each.first().map(|(link, _)| link));
        let counted = matches!(
            items.first(),
            Some(Item {
                kind: ItemKind::Count { .. },
                ..
            })
        );
        let Some(link) = first else {
            return;
        };
        let mut ways: Vec<(usize, f32)> = Vec::new();
        let mut add = |table: usize, cost: f32| match ways.iter_mut().find(|(own, _)| *own == table)
        {
            Some((_, least)) => *least = least.min(cost),
            None => ways.push((table, cost)),
        };
        for (at, score) in &link.columns {
            let told = self.read.form.filters.iter().flatten().any(|filter| {
                link.columns
                    .iter()
                    .any(|(other, score)| other.table == filter.at.table && *score > 0.9)
            });
            let named = match (self.mentioned.contains(&at.table), told) {
                (true, _) => 0.0,
                (false, true) => 0.9,
                (false, false) => 0.5,
            };
            // All that is shown is of one table, where one has it all.
            let beside: f32 = items
                .iter()
                .skip(1)
                .map(|item| {
                    let own = item
                        .link
                        .columns
                        .iter()
                        .find(|(other, _)| other.table == at.table);
                    let whole = item
                        .link
                        .tables
                        .iter()
                        .find(|(table, _)| *table == at.table);
                    let score = own
                        .map_or(0.0, |(_, score)| *score)
                        .max(whole.map_or(0.0, |(_, score)| *score));
                    if item.link.is_empty() {
                        0.0
                    } else {
                        1.0 - score
                    }
                })
                .sum();
            let key = self.facts.column(*at).is_some_and(|column| column.foreign)
                && self.facts.key(at.table) != Some(*at);
            let each = self.each.iter().any(|(link, _)| {
                link.tables
                    .iter()
                    .any(|(table, score)| *table == at.table && *score > 0.9)
            });
            let named = if each { -0.5 } else { named };
            add(
                at.table,
                (1.0 - score) * 3.0 + named + beside * 0.8 + if key { 1.0 } else { 0.0 },
            );
        }
        for (table, score) in &link.tables {
            add(
                *table,
                (1.0 - score) * 3.0 + if counted { -0.1 } else { 0.2 },
            );
        }
        let chosen = self.choose(ways);
        if let Some(table) = chosen {
            self.read.form.subject = Some(table);
            self.focus = Some(table);
        }
    }

    /// What is asked of the whole: rows that would repeat, groups that are not asked for.
    fn repetition(&mut self) {
        let form = &mut self.read.form;
        if let Some(subject) = form.subject {
            form.joined.retain(|table| *table != subject);
        }
        if form.select.iter().any(Shown::aggregates) {
            form.distinct = false;
        }
        if self.tables_besides() && !self.read.form.distinct && self.repeats() {
            // Whether a row that several others belong to is shown once or as often.
            if self.tape.choose(&[0.0, 0.8]) == 1 {
                self.read.form.distinct = true;
            }
        }
    }

    fn tables_besides(&self) -> bool {
        let form = &self.read.form;
        !form.joined.is_empty()
            || form
                .columns()
                .iter()
                .any(|at| Some(at.table) != form.subject)
    }

    fn repeats(&self) -> bool {
        let form = &self.read.form;
        let shown: Vec<usize> = form
            .select
            .iter()
            .filter_map(Shown::column)
            .map(|at| at.table)
            .collect();
        let mut all: Vec<usize> = form.columns().iter().map(|at| at.table).collect();
        all.extend(&form.joined);
        all.extend(form.subject);
        let once = shown
            .iter()
            .any(|from| all.iter().all(|to| self.facts.leads(*from, *to)));
        !once
            && form.group.is_empty()
            && form.limit.is_none()
            && form.both.is_none()
            && !form.select.iter().any(Shown::aggregates)
    }
}
