//! Orders and firsts: "by age from old to young", "the youngest", "the most concerts".

use crate::parse::chunks::What;
use crate::parse::lexicon::{Measure, Role};
use crate::parse::read::{Counted, First, Item, ItemKind, OrderKey, Reader, price};

impl Reader<'_> {
    /// "ordered by name", "in descending order of age".
    pub(super) fn order(&mut self) {
        self.dangling();
        let mut down = None;
        let mut keys: Vec<OrderKey> = Vec::new();
        let mut ways: Vec<Option<bool>> = Vec::new();
        let mut alphabetical = false;
        loop {
            let text = self.text();
            match self.peek() {
                Some(What::Role(role)) => match role {
                    Role::OrderBy | Role::Filler | Role::By | Role::In | Role::Of | Role::All => {
                        self.step()
                    }
                    Role::For if keys.is_empty() => self.step(),
                    Role::Alphabetical => {
                        alphabetical = true;
                        self.step();
                    }
                    Role::Way(way) => {
                        match ways.last_mut() {
                            Some(last) if down.is_none() => *last = Some(*way),
                            _ => down = Some(*way),
                        }
                        self.step();
                    }
                    Role::Function(function) => {
                        let by = self.past_small(1);
                        let by = if self.ahead(by) == Some(&What::Role(Role::Of)) {
                            self.past_small(by.saturating_add(1))
                        } else {
                            by
                        };
                        let Some(What::Mention(link)) = self.ahead(by) else {
                            break;
                        };
                        keys.push(OrderKey::Function(*function, link.clone()));
                        ways.push(None);
                        self.at = self.at.saturating_add(by).saturating_add(1);
                    }
                    Role::NumberOf | Role::HowMany => {
                        self.step();
                        self.skip_small();
                        let table = match self.peek() {
                            Some(What::Mention(link)) if link.table_score() > 0.3 => {
                                let link = link.clone();
                                self.step();
                                let mut compound = link;
                                let mut words = text;
                                self.compound(&mut compound, &mut words);
                                self.table_of(&compound)
                            }
                            _ => None,
                        };
                        keys.push(OrderKey::Count(table));
                        ways.push(None);
                    }
                    Role::Comma | Role::And
                        if !keys.is_empty()
                            && matches!(self.ahead(self.past_small(1)), Some(What::Mention(_))) =>
                    {
                        self.step();
                    }
                    Role::Comma | Role::And
                        if matches!(self.ahead(1), Some(What::Role(Role::Way(_)))) =>
                    {
                        self.step()
                    }
                    _ => break,
                },
                // "Sort the shops by age."
                Some(What::Mention(link))
                    if keys.is_empty()
                        && self.items.is_empty()
                        && matches!(
                            self.ahead(self.past_small(1)),
                            Some(What::Role(Role::By | Role::OrderBy))
                        ) =>
                {
                    let link = link.clone();
                    self.step();
                    if link.table_score() >= link.column_score() {
                        if let Some(table) = self.table_of(&link) {
                            self.enter(table);
                        }
                    } else {
                        self.items.push(Item {
                            kind: ItemKind::Plain,
                            link,
                            owner: None,
                            text,
                        });
                    }
                }
                Some(What::Mention(link)) if ways.len() == keys.len() => {
                    let before = self.chunks.get(..self.at).unwrap_or_default().iter().rev();
                    let mut before =
                        before.skip_while(|chunk| chunk.what == What::Role(Role::Filler));
                    let of = before.next().is_some_and(|chunk| {
                        chunk.text.eq_ignore_ascii_case("of")
                            || chunk.text.eq_ignore_ascii_case("for")
                    });
                    // "by the age of the singer": the table says whose.
                    if of && !keys.is_empty() {
                        if let (Some((table, _)), Some(OrderKey::Named(key, _))) =
                            (link.tables.first(), keys.last_mut())
                        {
                            key.columns.retain(|(at, _)| at.table == *table);
                            if key.columns.is_empty() {
                                break;
                            }
                        }
                        self.step();
                        continue;
                    }
                    let link = link.clone();
                    self.step();
                    let (mut compound, mut words) = (link, text);
                    self.compound(&mut compound, &mut words);
                    keys.push(OrderKey::Named(compound, words));
                    ways.push(None);
                }
                _ => break,
            }
        }
        if keys.is_empty() {
            if !alphabetical && down.is_none() {
                self.doubt(price::ODD, "an order is not understood".to_owned());
                return;
            }
            keys.push(OrderKey::Shown(alphabetical));
            ways.push(None);
        }
        for (key, way) in keys.into_iter().zip(ways) {
            self.orders.push((key, way.or(down).unwrap_or(false)));
        }
    }

    /// "the youngest singer", "the highest average".
    pub(super) fn extreme(&mut self, down: bool, measure: Option<Measure>, text: &str) {
        self.told = true;
        if let Some(What::Number(number)) = self.peek() {
            self.limited(*number);
            self.step();
        }
        self.skip(&[Role::Filler]);
        // "the smallest amount of horsepower".
        if self.role() == Some(Role::NumberOf)
            && matches!(self.ahead(1), Some(What::Mention(link)) if link.column_score() > link.table_score())
        {
            self.step();
        }
        let focus = self.focus.or(self.subject());
        match self.peek() {
            Some(What::Mention(link)) => {
                let mut link = link.clone();
                let mut words = self.text();
                self.step();
                self.compound(&mut link, &mut words);
                let near = link
                    .columns
                    .iter()
                    .any(|(at, score)| *score > 0.5 && self.distance(at.table) < 1.5);
                let whole = link.table_score() >= link.column_score() - 0.05 && measure.is_some();
                if link.column_score() > 0.3 && near && !whole {
                    self.set_first(First::Column {
                        link,
                        measure: None,
                        down,
                        focus,
                        text: format!("{text} {words}"),
                    });
                    return;
                }
                if link.table_score() > 0.3 || measure.is_some() && link.value_score() > 0.8 {
                    if link.table_score() > 0.3 {
                        if let Some(table) = self.table_of(&link) {
                            self.enter(table);
                            // "Who is the youngest singer?"
                            if self.items.is_empty() {
                                self.items.push(Item {
                                    kind: ItemKind::Plain,
                                    link: link.clone(),
                                    owner: None,
                                    text: words.clone(),
                                });
                            }
                        }
                    } else {
                        self.value_filter(&link, &words);
                    }
                    let focus = self.focus;
                    if measure.is_none() {
                        self.doubt(price::ODD, format!("“{text} {words}”: by what is not said"));
                        return;
                    }
                    self.set_first(First::Column {
                        link: Default::default(),
                        measure,
                        down,
                        focus,
                        text: text.to_owned(),
                    });
                    return;
                }
                if link.column_score() > 0.3 {
                    self.set_first(First::Column {
                        link,
                        measure: None,
                        down,
                        focus,
                        text: format!("{text} {words}"),
                    });
                    return;
                }
                self.doubt(price::ODD, format!("“{text} {words}” is not understood"));
            }
            _ if measure.is_some() && self.pending.is_none() => {
                self.set_first(First::Column {
                    link: Default::default(),
                    measure,
                    down,
                    focus,
                    text: text.to_owned(),
                });
            }
            Some(What::Role(Role::NumberOf)) => {
                self.step();
                self.most(down, text);
            }
            _ => match self.pending.take() {
                // "whose age is the highest".
                Some((link, words)) => {
                    self.set_first(First::Column {
                        link,
                        measure: None,
                        down,
                        focus,
                        text: format!("{words} {text}"),
                    });
                }
                None => self.doubt(price::ODD * 1.5, format!("“{text}”: by what is not said")),
            },
        }
    }

    /// "the most concerts", "the fewest staff".
    pub(super) fn most(&mut self, down: bool, text: &str) {
        self.told = true;
        self.skip(&[Role::Filler, Role::NumberOf, Role::Of, Role::Distinct]);
        let focus = self.focus.or(self.subject());
        match self.peek() {
            Some(What::Mention(link)) => {
                let mut link = link.clone();
                let mut words = self.text();
                self.step();
                self.compound(&mut link, &mut words);
                let numeric = link.columns.iter().find(|(at, score)| {
                    *score > link.table_score() - 0.05
                        && *score > 0.5
                        && self.facts.column(*at).is_some_and(|column| {
                            column.holds.numeric() && !column.key && !column.foreign
                        })
                        && self.distance(at.table) < 1.5
                });
                if numeric.is_some() {
                    self.set_first(First::Column {
                        link,
                        measure: None,
                        down,
                        focus,
                        text: format!("{text} {words}"),
                    });
                } else if link.table_score() > 0.3 {
                    let table = self.table_of(&link);
                    if let Some(table) = table {
                        self.mentioned.insert(table);
                        self.focus = Some(table);
                        self.note(&format!("{text} {words}"), "by how many there are");
                    }
                    self.set_first(First::Count {
                        counted: Counted {
                            table,
                            column: None,
                        },
                        down,
                    });
                } else if let Some((at, _)) = link.columns.first().copied() {
                    self.doubt(0.4, format!("“{words}” are counted"));
                    self.mentioned.insert(at.table);
                    self.set_first(First::Count {
                        counted: Counted {
                            table: Some(at.table),
                            column: Some(at),
                        },
                        down,
                    });
                } else {
                    self.doubt(
                        price::ODD * 1.5,
                        format!("“{text} {words}” is not understood"),
                    );
                }
            }
            _ => self.doubt(price::ODD * 1.5, format!("“{text}”: of what is not said")),
        }
    }

    /// "the top 5 countries by number of customers", "by total price": the first in that order.
    pub(super) fn top_by(&mut self) -> bool {
        if self.limit.is_none() || self.first.is_some() || !self.orders.is_empty() {
            return false;
        }
        let by = self.past_small(1);
        match self.ahead(by) {
            Some(What::Role(Role::NumberOf)) => {
                self.dangling();
                self.at = self.at.saturating_add(by).saturating_add(1);
                self.most(true, "number of");
                true
            }
            Some(What::Role(Role::Function(function))) => {
                let by = self.past_small(by.saturating_add(1));
                let Some(What::Mention(link)) = self.ahead(by) else {
                    return false;
                };
                self.dangling();
                let key = OrderKey::Function(*function, link.clone());
                self.orders.push((key, true));
                self.at = self.at.saturating_add(by).saturating_add(1);
                true
            }
            _ => false,
        }
    }

    /// "top 3".
    pub(super) fn top(&mut self) {
        if let Some(What::Number(number)) = self.peek() {
            self.limited(*number);
            self.step();
        }
    }

    pub(super) fn limited(&mut self, number: f64) {
        if (1.0..1_000_000.0).contains(&number) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is in range"
            )]
            let limit = number as u64;
            self.limit = Some(limit);
        }
    }

    fn set_first(&mut self, first: First) {
        if self.first.is_some() {
            self.doubt(price::BEYOND, "there are two firsts".to_owned());
        }
        self.first = Some(first);
    }
}
