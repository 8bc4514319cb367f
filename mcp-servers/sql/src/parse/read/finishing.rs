//! What the parts of a question mean together.

use crate::parse::facts::Holds;
use crate::parse::form::{At, Filter, Function, Having, Literal, Op, Shown, Test, Top};
use crate::parse::link::Link;
use crate::parse::read::{Counted, First, Item, ItemKind, OrderKey, Read, Reader, price};

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
        self.group(&items)?;
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
        let is = |filter: &Filter| {
            !filter.not && matches!(filter.test, Test::Is(_, _))
        };
        let filters = &mut self.read.form.filters;
        let single: Vec<Filter> = filters
            .iter()
            .filter_map(|any| match any.as_slice() {
                [only] if is(only) => Some(only.clone()),
                _ => None,
            })
            .collect();
        let apart = |one: &Filter, other: &Filter| match (&one.test, &other.test) {
            (Test::Is(Op::More | Op::AtLeast, Literal::Number(least)), Test::Is(Op::Less | Op::AtMost, Literal::Number(most)))
            | (Test::Is(Op::Less | Op::AtMost, Literal::Number(most)), Test::Is(Op::More | Op::AtLeast, Literal::Number(least))) => least >= most,
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

    fn shown(&mut self, item: &Item) -> Option<Shown> {
        let numbers = |holds: Holds| if holds == Holds::Text { 1.5 } else { 0.0 };
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

    fn counted(&mut self, link: &Link, distinct: bool, text: &str) -> Option<Shown> {
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
        let name = self.table_name(table);
        self.note(text, &format!("how many rows of {name}"));
        if distinct && self.subject() != Some(table) {
            if let Some(key) = self.facts.key(table) {
                return Some(Shown::Different(key));
            }
        }
        Some(Shown::Count(Some(table)))
    }

    /// A column that is shown: what is named, or what people call a row of a table that is named.
    fn shown_column(&mut self, link: &Link, text: &str) -> Option<At> {
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
    fn owner(&self) -> Option<usize> {
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

    /// What rows are put together by.
    fn group(&mut self, items: &[Item]) -> Option<()> {
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
        if no_plain {
            // What rows are put together by is shown before what they come to.
            shown.append(&mut self.read.form.select);
            self.read.form.select = shown;
        } else {
            self.read.form.select.append(&mut shown);
        }
        if !each.is_empty() && !aggregates && self.having.is_none() && self.first.is_none() {
            // "the name of each singer" is of all singers.
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
            self.group_by_shown(&plain, items);
        }
        Some(())
    }

    fn plain(&self) -> Vec<At> {
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
    fn group_by_shown(&mut self, plain: &[At], _items: &[Item]) {
        let counted = self.read.form.select.iter().find_map(|shown| match shown {
            Shown::Count(table) => *table,
            Shown::Different(at) | Shown::Aggregate(_, at) => Some(at.table),
            Shown::Column(_) => None,
        });
        self.put_together(plain, counted);
    }

    fn put_together(&mut self, plain: &[At], counted: Option<usize>) {
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
            one_table && (calls || asked) && counted.is_some_and(|counted| counted != first.table)
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

    fn having(&mut self) -> Option<()> {
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
        self.put_together(&plain, counted.table);
        self.read.form.having = Some(Having {
            of: Shown::Count(counted.table),
            op,
            number,
            to,
        });
        Some(())
    }

    fn first(&mut self) -> Option<()> {
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
                if self.limit.is_some() {
                    self.doubt(price::ODD, "it is not said which come first".to_owned());
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
                        let numbers = |holds: Holds| if holds == Holds::Text { 0.8 } else { 0.0 };
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

    fn first_by_count(&mut self, counted: &Counted, down: bool) {
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

    fn first_by_column(&mut self, at: At, down: bool) -> Option<()> {
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

    fn sort(&mut self) -> Option<()> {
        let orders = std::mem::take(&mut self.orders);
        if !orders.is_empty() && self.read.form.limit.is_some() {
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
                    Shown::Aggregate(function, self.column(&link, |_| 0.0)?)
                }
                OrderKey::Count(table) => {
                    let plain = self.plain();
                    self.put_together(&plain, table);
                    Shown::Count(table)
                }
                OrderKey::Shown(alphabetical) => {
                    // "the cities and how many there are, in descending order".
                    let last = self.read.form.select.last().filter(|last| last.aggregates() && !alphabetical);
                    *last.or(self.read.form.select.first())?
                }
            };
            self.read.form.order.push((shown, down));
        }
        Some(())
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
        form.group.is_empty()
            && form.limit.is_none()
            && form.both.is_none()
            && !form.select.iter().any(Shown::aggregates)
    }
}
