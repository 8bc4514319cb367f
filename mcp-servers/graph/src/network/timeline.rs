//! What is said of an entity, in the order of time.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::facts::Fact;
use super::node::PassageId;
use super::snapshot::Snapshot;
use crate::name::Key;

/// Something about an entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// A statement of it.
    Statement(Fact),
    /// A passage that names it.
    Passage(PassageId),
}

/// Something about an entity, and its day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// From when on it holds, as it says, or else as its document does; `None`: neither says, or
    /// what they say is no day.
    pub day: Option<String>,
    /// What it is.
    pub item: Item,
}

/// A page of a timeline.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// The earliest first, those without a day last; of one day by passage, a passage before what
    /// it says.
    pub events: Vec<Event>,
    /// Where the next page begins, if there is one.
    pub next: Option<usize>,
    /// How many events there are in all.
    pub total: usize,
    /// Whether the entity is part of the graph.
    pub known: bool,
}

/// A day as it is compared; `None` where it is none.
pub(super) fn day(text: Option<&str>) -> Option<Date> {
    let text = text.filter(|text| text.len() == 10)?;
    text.parse().ok()
}

impl Snapshot {
    /// What is said of an entity and what names it by day, from a position on, at most `limit`.
    pub fn timeline(&self, entity: &Key, position: usize, limit: usize) -> Timeline {
        let Some(entity) = self.find_entity(entity) else {
            return Timeline::default();
        };
        let objects = self.said_of(entity).filter(|said| said.subject != entity);
        let said = self.said_by(entity).chain(objects).map(|said| {
            let own = day(self.optional(said.valid_from));
            (
                own.or_else(|| self.day_of(said.passage)),
                said.passage,
                Some(said),
            )
        });
        let passages = self.mentioned(entity);
        let passages = passages.map(|link| (self.day_of(link.to), link.to, None));
        let mut all: Vec<_> = passages.chain(said).collect();
        all.sort_by_cached_key(|(day, passage, said)| {
            let fact = said.map(|said| self.fact(said).order());
            (day.is_none(), *day, self.stands(*passage), fact)
        });
        let total = all.len();
        let rest = all.get(position..).unwrap_or_default();
        let shown = rest.get(..limit.max(1)).unwrap_or(rest);
        let end = position.saturating_add(shown.len());
        Timeline {
            events: shown
                .iter()
                .map(|(day, passage, said)| Event {
                    day: day.map(|day| day.to_string()),
                    item: match said {
                        Some(said) => Item::Statement(self.fact(said)),
                        None => Item::Passage(self.passage(*passage)),
                    },
                })
                .collect(),
            next: (end < total).then_some(end),
            total,
            known: true,
        }
    }

    /// The day of the document that a passage stands in.
    pub(super) fn day_of(&self, passage: u32) -> Option<Date> {
        let (_, entry) = self.document(passage)?;
        day(self.optional(entry.date))
    }
}
