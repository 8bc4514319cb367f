//! A layer of the graph: tables that are sorted once and then only read. The graph is a large layer
//! below and a small one of what changed since; ids of the upper one go on where those of the lower
//! one end.

use crate::piece::Extractor;

/// In place of an id: there is none.
pub(super) const NONE: u32 = u32::MAX;

/// A number of things as an id.
pub(super) fn id(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(NONE)
}

/// Different strings in one block, sorted; the id of one is its place.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: String,
    ends: Vec<usize>,
}

impl Names {
    pub(super) fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, id: u32) -> &str {
        let at = id as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let end = self.ends.get(at).copied().unwrap_or(0);
        let start = start.copied().unwrap_or(0);
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let (mut low, mut high) = (0, id(self.len()));
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle.saturating_add(1),
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..id(self.len())).map(|id| self.get(id))
    }
}

/// What belongs to one id of a table.
pub(super) trait Keyed {
    fn key(&self) -> u32;
}

/// Rows by the id they belong to (CSR). A layer that holds few of the ids has no offsets; its rows
/// are found by search.
#[derive(Debug)]
pub(super) struct Rows<T> {
    offsets: Vec<u32>,
    rows: Vec<T>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            offsets: Vec::new(),
            rows: Vec::new(),
        }
    }
}

impl<T: Keyed> Rows<T> {
    /// Rows that are sorted by their ids; `keys`: how many ids there are, where there is to be an
    /// offset for each.
    pub(super) fn new(rows: Vec<T>, keys: Option<usize>) -> Self {
        let mut offsets = Vec::new();
        if let Some(keys) = keys {
            offsets.reserve_exact(keys.saturating_add(1));
            offsets.push(0);
            let mut at = 0;
            for key in 0..id(keys) {
                while rows.get(at).is_some_and(|row| row.key() == key) {
                    at = at.saturating_add(1);
                }
                offsets.push(id(at));
            }
        }
        Self { offsets, rows }
    }

    pub(super) fn of(&self, key: u32) -> &[T] {
        let range = if self.offsets.is_empty() {
            let start = self.rows.partition_point(|row| row.key() < key);
            let rest = self.rows.get(start..).unwrap_or_default();
            let many = rest.partition_point(|row| row.key() == key);
            start..start.saturating_add(many)
        } else {
            let at = key as usize;
            let end = self.offsets.get(at.saturating_add(1));
            match (self.offsets.get(at), end) {
                (Some(start), Some(end)) => *start as usize..*end as usize,
                _ => 0..0,
            }
        };
        self.rows.get(range).unwrap_or_default()
    }

    pub(super) fn all(&self) -> &[T] {
        &self.rows
    }
}

/// Passage and entity, either way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub(super) from: u32,
    pub(super) to: u32,
    /// How often it is named, and in the lowest bit whether it is the title.
    pub(super) packed: u32,
}

impl Link {
    pub(super) fn new(from: u32, to: u32, count: u32, title: bool) -> Self {
        let packed = count.min(u32::MAX >> 1) << 1 | u32::from(title);
        Self { from, to, packed }
    }

    /// How often it is named; 0 where it stands in a statement alone.
    pub(super) fn count(self) -> u32 {
        self.packed >> 1
    }

    pub(super) fn title(self) -> bool {
        self.packed & 1 == 1
    }

    pub(super) fn add(&mut self, other: Self) {
        let count = self.count().saturating_add(other.count());
        *self = Self::new(self.from, self.to, count, self.title() || other.title());
    }

    pub(super) fn turned(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            packed: self.packed,
        }
    }
}

impl Keyed for Link {
    fn key(&self) -> u32 {
        self.from
    }
}

/// A statement; predicates and days are ids of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    pub(super) subject: u32,
    pub(super) object: u32,
    pub(super) predicate: u32,
    pub(super) passage: u32,
    pub(super) valid_from: u32,
    pub(super) valid_to: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    /// Bits of a float from 0 to 1, which compare as it does.
    pub(super) confidence: u32,
    pub(super) extractor: Extractor,
}

impl Keyed for Said {
    fn key(&self) -> u32 {
        self.subject
    }
}

/// Where in the table of statements one stands that belongs to an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) key: u32,
    pub(super) at: u32,
}

impl Keyed for Place {
    fn key(&self) -> u32 {
        self.key
    }
}

/// Two entities that may be one, each way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Near {
    pub(super) from: u32,
    pub(super) to: u32,
    /// Bits of a float from 0 to 1.
    pub(super) similarity: u32,
}

impl Keyed for Near {
    fn key(&self) -> u32 {
        self.from
    }
}

/// A document: its passages are next to each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) title: u32,
    pub(super) date: u32,
}

/// All tables of a layer.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// The lowest id of an entity and of a passage that is new in this layer.
    pub(super) first_entity: u32,
    pub(super) first_passage: u32,
    pub(super) entities: Names,
    /// Predicates, days, titles and headings.
    pub(super) words: Names,
    pub(super) sources: Names,
    /// One for each source.
    pub(super) documents: Vec<Entry>,
    /// The headings each passage stands below.
    pub(super) sections: Vec<u32>,
    pub(super) mentions: Rows<Link>,
    pub(super) mentioned: Rows<Link>,
    pub(super) said: Rows<Said>,
    pub(super) said_of: Rows<Place>,
    pub(super) said_in: Rows<Place>,
    pub(super) near: Rows<Near>,
}

impl Layer {
    /// How many rows there are in all.
    pub(super) fn rows(&self) -> usize {
        let documents = self.sections.len() + self.documents.len();
        documents + self.mentions.all().len() + 3 * self.said.all().len()
    }

    /// The statements of an index.
    pub(super) fn at<'a>(&'a self, places: &'a [Place]) -> impl Iterator<Item = &'a Said> {
        let rows = self.said.all();
        places
            .iter()
            .filter_map(|place| rows.get(place.at as usize))
    }

    /// The document that a passage of this layer stands in.
    pub(super) fn document_of(&self, passage: u32) -> Option<(u32, Entry)> {
        let after = self
            .documents
            .partition_point(|entry| entry.first <= passage);
        let mut at = after;
        // Documents without passages begin where the next one does.
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let entry = *self.documents.get(at)?;
            if passage < entry.first.saturating_add(entry.count) {
                return Some((id(at), entry));
            }
        }
        None
    }

    pub(super) fn section(&self, passage: u32) -> u32 {
        let at = passage
            .checked_sub(self.first_passage)
            .map(|at| at as usize);
        at.and_then(|at| self.sections.get(at).copied())
            .unwrap_or(NONE)
    }

    /// Statements and what leads to them, once they are sorted.
    pub(super) fn set_said(
        &mut self,
        mut said: Vec<Said>,
        entities: Option<usize>,
        passages: Option<usize>,
    ) {
        said.sort();
        said.dedup();
        let places = |key: fn(&Said) -> u32, keys| {
            let each = said.iter().enumerate();
            let mut places: Vec<Place> = each
                .map(|(at, said)| Place {
                    key: key(said),
                    at: id(at),
                })
                .collect();
            places.sort_unstable();
            Rows::new(places, keys)
        };
        self.said_of = places(|said| said.object, entities);
        self.said_in = places(|said| said.passage, passages);
        self.said = Rows::new(said, entities);
    }

    /// Mentions, sorted by passage and entity, and what names each entity.
    pub(super) fn set_mentions(
        &mut self,
        mentions: Vec<Link>,
        entities: Option<usize>,
        passages: Option<usize>,
    ) {
        let mut mentioned: Vec<Link> = mentions.iter().map(|link| link.turned()).collect();
        mentioned.sort();
        self.mentions = Rows::new(mentions, passages);
        self.mentioned = Rows::new(mentioned, entities);
    }
}
