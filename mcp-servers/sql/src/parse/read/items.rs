//! What a question shows: "the name and age of", "how many", "the average price".

use crate::parse::chunks::{What, participle};
use crate::parse::form::Function;
use crate::parse::lexicon::{self, Role};
use crate::parse::link::Link;
use crate::parse::read::{Item, ItemKind, Reader, price};

impl Reader<'_> {
    /// Reads items up to what tells their rows apart.
    pub(super) fn items(&mut self) {
        let mut functions: Vec<Function> = Vec::new();
        let mut count = false;
        let mut distinct = false;
        loop {
            let text = self.text();
            match self.peek() {
                Some(What::Role(role)) => match role {
                    Role::Ask => {
                        // A second sentence that lists what is shown says it all once more.
                        if !self.items.is_empty()
                            && !self.adds()
                            && self.starts_sentence()
                            && self.item_ahead(1)
                        {
                            self.replaced = std::mem::take(&mut self.items);
                        }
                        self.step();
                    }
                    Role::Do if self.items.is_empty() => self.step(),
                    Role::Everything => {
                        self.step();
                        self.skip(&[Role::Of, Role::For]);
                        self.items.push(Item {
                            kind: ItemKind::Everything,
                            link: Link::default(),
                            owner: None,
                            text,
                        });
                        return;
                    }
                    Role::Top => {
                        self.step();
                        self.top();
                    }
                    // "the count and the name".
                    Role::And | Role::Comma | Role::Stop if count => {
                        self.items.push(Item {
                            kind: ItemKind::Count { distinct },
                            link: Link::default(),
                            owner: None,
                            text: text.clone(),
                        });
                        count = false;
                    }
                    Role::Which
                    | Role::Filler
                    | Role::All
                    | Role::Some
                    | Role::Comma
                    | Role::And => self.step(),
                    Role::Stop => {
                        self.step();
                        if !self.item_ahead(0) && !matches!(self.role(), Some(Role::Ask)) {
                            break;
                        }
                    }
                    Role::Both if self.past_both(0) > 0 => self.step(),
                    Role::Distinct => {
                        distinct = true;
                        self.step();
                    }
                    Role::Function(function) => {
                        functions.push(*function);
                        self.step();
                        self.skip(&[Role::Of, Role::Filler]);
                    }
                    // "the total point count".
                    Role::NumberOf
                        if matches!(text.to_lowercase().as_str(), "count" | "number")
                            && self.after_mention() =>
                    {
                        self.step();
                    }
                    Role::HowMany | Role::NumberOf => {
                        count = true;
                        self.step();
                    }
                    Role::Amount(measure) => {
                        self.items.push(Item {
                            kind: ItemKind::Measured(*measure),
                            link: Link::default(),
                            owner: None,
                            text,
                        });
                        self.step();
                    }
                    Role::Extreme(down, measure) if self.items_extreme(measure.is_none()) => {
                        functions.push(if *down {
                            Function::Maximum
                        } else {
                            Function::Minimum
                        });
                        self.step();
                    }
                    Role::Commonest(down) => {
                        self.commonest = Some(*down);
                        self.step();
                    }
                    // "the most frequently used carrier".
                    Role::Verb if self.commonest.is_some() && self.items.is_empty() => self.step(),
                    Role::Each if self.items.is_empty() && self.at == 0 => return,
                    _ => break,
                },
                Some(What::Mention(link)) => {
                    if functions.is_empty() && !count && self.before_entity(link) {
                        break;
                    }
                    self.step();
                    let mut link = link.clone();
                    let mut words = text.clone();
                    self.compound(&mut link, &mut words);
                    let numeric = link.columns.first().is_some_and(|(at, score)| {
                        *score > link.table_score()
                            && self.facts.column(*at).is_some_and(|column| {
                                column.holds.numeric() && !column.key && !column.foreign
                            })
                    });
                    // "the average number of workers", where that is a column.
                    count &= functions.is_empty() || !numeric;
                    let kind = if count {
                        ItemKind::Count { distinct }
                    } else if functions.is_empty() {
                        self.distinct |= distinct;
                        ItemKind::Plain
                    } else {
                        ItemKind::Functions(std::mem::take(&mut functions))
                    };
                    self.item(kind, link, words);
                    count = false;
                    distinct = false;
                    // "name of the singer and age of the concert": each of its own.
                    if self.role() == Some(Role::Of) {
                        break;
                    }
                }
                Some(What::Unknown) if self.items.is_empty() || count || !functions.is_empty() => {
                    self.unknown(&text);
                    self.step();
                }
                _ => break,
            }
        }
        if count {
            self.items.push(Item {
                kind: ItemKind::Count { distinct },
                link: Link::default(),
                owner: None,
                text: "how many".to_owned(),
            });
        } else if !functions.is_empty() {
            self.doubt(
                price::ODD,
                "it is not said of what the average or total is".to_owned(),
            );
        } else if distinct {
            self.distinct = true;
        }
    }

    fn item(&mut self, kind: ItemKind, link: Link, text: String) {
        let table = link.table_score();
        let counted = matches!(kind, ItemKind::Count { .. });
        // What is counted or shown as a whole is what the question is about.
        if let Some((first, _)) = link.tables.first().copied()
            && (counted && table >= link.column_score() - 0.05 && !self.counts_beside()
                || !counted && table > link.column_score() - 0.02 && self.items.is_empty())
            && self.subject().is_none()
        {
            let table = self.table_of(&link).unwrap_or(first);
            self.read.form.subject = Some(table);
            self.focus = Some(table);
            self.mentioned.insert(table);
        }
        self.items.push(Item {
            kind,
            link,
            owner: None,
            text,
        });
    }

    /// Whether a count stands beside other items: then it is of what belongs to them.
    fn counts_beside(&self) -> bool {
        !self.items.is_empty() || !self.each.is_empty()
    }

    /// The table that words mean, by the tape.
    pub(super) fn table_of(&mut self, link: &Link) -> Option<usize> {
        let ways: Vec<(usize, f32)> = link
            .tables
            .iter()
            .map(|(table, score)| {
                (
                    *table,
                    (1.0 - score) * 3.0
                        + self.distance(*table)
                        + if self.facts.bridge(*table) { 0.4 } else { 0.0 },
                )
            })
            .collect();
        self.choose(ways)
    }

    /// Words one after the other that are one thing: "car models", "French singers".
    pub(super) fn compound(&mut self, link: &mut Link, words: &mut String) {
        while let Some(What::Mention(next)) = self.peek() {
            let text = self.text();
            // "students registered": what follows tells more of them.
            if participle(&text) && next.table_score() < 0.6 {
                return;
            }
            let schema = next.column_score().max(next.table_score());
            let own = link.column_score().max(link.table_score());
            if own < 0.3 && link.value_score() > 0.0 && next.table_score() > 0.3 {
                // A value before what it is of.
                let table = next.tables.first().map(|(table, _)| *table);
                if self.focus.is_none() || self.told {
                    self.focus = table;
                }
                let value = std::mem::take(link);
                self.value_filter(&value, words);
            } else if link.column_score() > 0.85
                && lexicon::ADDED.contains(&crate::words::stem(&text.to_lowercase()).as_str())
            {
                // "the founded year".
                self.tape.pay(price::BESIDE);
                self.step();
                continue;
            } else if next.value_score() > schema {
                // What comes is a value of this column or table.
                return;
            } else if link.column_score() > 0.85
                && link.table_score() < 0.6
                && next.column_score() > next.table_score()
            {
                // Two columns are no one thing.
                if participle(&text) {
                    return;
                }
                self.tape.pay(price::ODD);
            } else {
                self.tape.pay(price::BESIDE);
                if let Some((table, _)) = link.tables.first() {
                    self.mentioned.insert(*table);
                }
            }
            *link = next.clone();
            *words = format!("{words} {text}");
            self.step();
        }
    }

    /// Whether what is named now is a value: it tells rows apart and is not shown.
    fn before_entity(&self, link: &Link) -> bool {
        let schema = link.column_score().max(link.table_score());
        let next_mentions = matches!(self.ahead(1), Some(What::Mention(_)));
        link.value_score() > schema && !next_mentions
    }

    /// "the highest capacity" is a maximum where nothing follows that would have it.
    fn items_extreme(&self, unmeasured: bool) -> bool {
        let by = self.past_small(1);
        match self.ahead(by) {
            Some(What::Mention(link)) if link.column_score() > link.table_score() => {
                unmeasured || link.column_score() > 0.9
            }
            _ => false,
        }
    }

    /// "show the name as well": beside what is shown already.
    fn adds(&self) -> bool {
        let rest = self.chunks.get(self.at..).unwrap_or_default();
        rest.iter()
            .any(|chunk| ["as well", "also", "too"].contains(&chunk.text.to_lowercase().as_str()))
    }

    fn after_mention(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.chunks.get(at));
        before.is_some_and(|chunk| matches!(chunk.what, What::Mention(_)))
    }

    pub(super) fn starts_sentence(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.chunks.get(at));
        let before = before.filter(|chunk| chunk.what != What::Role(Role::Filler));
        before.is_none_or(|chunk| matches!(chunk.what, What::Role(Role::Stop | Role::Comma)))
    }

    /// The place after "both", where columns follow: "both the name and the id".
    fn past_both(&self, by: usize) -> usize {
        let after = self.past_small(by.saturating_add(1));
        match (self.ahead(by), self.ahead(after)) {
            (Some(What::Role(Role::Both)), Some(What::Mention(link)))
                if link.column_score() > link.value_score().max(link.table_score()) =>
            {
                after
            }
            _ => by,
        }
    }

    /// Whether an item begins a few places on.
    pub(super) fn item_ahead(&self, by: usize) -> bool {
        let by = self.past_both(self.past_small(by));
        match self.ahead(by) {
            Some(What::Role(
                Role::HowMany
                | Role::NumberOf
                | Role::Which
                | Role::Function(_)
                | Role::Amount(_)
                | Role::Ask,
            )) => true,
            Some(What::Mention(link)) => {
                !self.told && link.column_score().max(link.table_score()) > link.value_score()
                    || self.told && (self.starts_list(by, link) || self.ends_list(by, link))
            }
            _ => false,
        }
    }

    /// "the number of workers there and the name of the shop.": shown, though it comes late.
    fn ends_list(&self, by: usize, link: &Link) -> bool {
        let counted = self.items.iter().all(|item| item.kind != ItemKind::Plain);
        let after = by.saturating_add(1);
        let ends = |by: usize| matches!(self.ahead(by), None | Some(What::Role(Role::Stop)));
        let of_table = self.ahead(after) == Some(&What::Role(Role::Of))
            && matches!(
                self.ahead(self.past_small(after.saturating_add(1))),
                Some(What::Mention(_))
            )
            && ends(self.past_small(after.saturating_add(1)).saturating_add(1));
        !self.items.is_empty()
            && counted
            && link.column_score() > 0.9
            && link.values.is_empty()
            && (of_table || ends(after))
    }

    /// "List the names and ages." after everything else.
    fn starts_list(&self, by: usize, link: &Link) -> bool {
        let before = self.at.checked_add(by).and_then(|at| at.checked_sub(1));
        let mut before = before;
        while let Some(place) = before {
            match self.chunks.get(place).map(|chunk| &chunk.what) {
                Some(What::Role(Role::Filler | Role::All | Role::Distinct | Role::Both)) => {
                    before = place.checked_sub(1)
                }
                Some(What::Role(Role::Ask)) => {
                    return link.column_score().max(link.table_score()) > 0.5;
                }
                _ => return false,
            }
        }
        false
    }
}
