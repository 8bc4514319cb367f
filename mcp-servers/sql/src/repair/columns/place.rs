//! What stands in the place of a name that names nothing.
//!
//! In this order:
//! 1. of several sources that have the column, the one that it is rather of;
//! 2. the column of that name in the table that is named by itself, or in another source;
//! 3. a column of the same source whose name is as good as the same;
//! 4. the column of that name in a table one link away, which is joined;
//! 5. the nearest column of the same source; the column of that name in any table that links lead
//!    to; the nearest column of any source;
//! 6. the column that holds the text it is compared with;
//! 7. where a column is compared with it: the name itself, as a text.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::Ident;

use crate::asked::Asked;
use crate::repair::joins::Joins;
use crate::repair::likeness;
use crate::schema::Schema;
use crate::scopes::{Meaning, Scope, Source};
use crate::words::words;

/// Where texts are stored, as tables and columns, by the texts.
pub(in crate::repair) type Places = BTreeMap<String, Vec<(String, String)>>;

/// From which likeness on a name is as good as the same.
pub(super) const SAME: f64 = 0.95;

/// What stands in the place of a name.
pub(super) enum Place {
    /// A column of a source of the select.
    Of(Ident, Ident),
    /// A column of a table that is to be joined.
    Joined(String, String),
    /// A text that was taken for a name.
    Text,
}

/// A name that names nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unnamed {
    pub source: Option<Ident>,
    pub name: Ident,
    /// A text that it is compared with.
    pub text: Option<String>,
    /// Whether a column is compared with it, wherever it stands.
    pub is_value: bool,
}

/// What is known for finding places.
pub(super) struct Finding<'a> {
    pub asked: &'a Asked<'a>,
    /// The words of the question.
    pub question: &'a [String],
    pub places: &'a Places,
    /// Texts that it would help to know the places of.
    pub wanted: BTreeSet<String>,
}

impl Finding<'_> {
    pub(super) fn place(
        &mut self,
        meant: &Meaning,
        unnamed: &Unnamed,
        here: &Scope,
        joins: &Joins<'_>,
    ) -> Option<Place> {
        let schema = self.asked.schema;
        let (source, name) = (unnamed.source.as_ref(), &unnamed.name);
        if let Meaning::Several(sources) = meant {
            let source = self.of_several(sources, &name.value)?;
            return Some(self.of(source, name));
        }
        // A table named by itself, though it has another name here.
        let named = source.and_then(|source| {
            here.sources.iter().find(|candidate| {
                let table = candidate.table.as_deref().or(candidate.asked.as_deref());
                table.is_some_and(|table| table.eq_ignore_ascii_case(&source.value))
            })
        });
        if let Some(named) =
            named.filter(|named| named.has(&name.value) && matches!(meant, Meaning::Nothing))
        {
            return Some(self.of(named, name));
        }
        let having: Vec<Source> = here
            .sources
            .iter()
            .filter(|source| source.has(&name.value))
            .cloned()
            .collect();
        if let Some(of) = self.of_several(&having, &name.value) {
            return Some(self.of(of, name));
        }
        let own: Vec<&Source> = match meant {
            Meaning::NotOf(of) => vec![of],
            _ => named.map_or_else(|| here.sources.iter().collect(), |named| vec![named]),
        };
        let dialect = self.asked.dialect();
        let near = |sources: &[&Source]| {
            let (source, column, likeness) = near(sources, &name.value, schema)?;
            Some((Place::Of(source, dialect.ident(&column)), likeness))
        };
        let nearest = near(&own);
        if let Some((place, likeness)) = nearest
            && likeness >= SAME
        {
            return Some(place);
        }
        let elsewhere = self.elsewhere(&name.value, source, joins);
        let linked = |(table, column, _): (String, String, usize)| Place::Joined(table, column);
        let one_link = elsewhere.clone().filter(|(.., distance)| *distance <= 1);
        // Any source may have it under a name that comes near.
        let found = one_link
            .map(linked)
            .or_else(|| near(&own).map(|(place, _)| place))
            .or_else(|| elsewhere.map(linked))
            .or_else(|| {
                let all: Vec<&Source> = here.sources.iter().collect();
                near(&all).map(|(place, _)| place)
            })
            .or_else(|| self.holding(unnamed.text.as_deref()?, joins));
        // A text in the quotes of names; a database that knows them as such has no such column.
        let text = unnamed.is_value && source.is_none() && name.quote_style == Some('"');
        found.or_else(|| text.then_some(Place::Text))
    }

    /// A column of a source under the name it has there.
    fn of(&self, source: &Source, name: &Ident) -> Place {
        let stored = source.table.as_ref().and(source.stored(&name.value));
        let column = stored.map_or_else(|| name.clone(), |name| self.asked.dialect().ident(name));
        Place::Of(source.name.clone(), column)
    }

    /// The nearest column that holds a text.
    fn holding(&mut self, text: &str, joins: &Joins<'_>) -> Option<Place> {
        let Some(stored) = self.places.get(text) else {
            self.wanted.insert(text.to_owned());
            return None;
        };
        let reached = stored
            .iter()
            .filter_map(|(table, column)| Some((joins.distance(table)?, table, column)));
        let (distance, table, column) = reached.min_by_key(|(distance, ..)| *distance)?;
        if distance == 0 {
            let column = self.asked.dialect().ident(column);
            return Some(Place::Of(joins.named(table)?, column));
        }
        Some(Place::Joined(table.clone(), column.clone()))
    }

    /// Of several sources the one that a column is rather of: not one where it is another's key, and
    /// one that the question speaks of.
    fn of_several<'s>(&self, sources: &'s [Source], column: &str) -> Option<&'s Source> {
        let rank = |source: &&Source| {
            let table = source.table.as_deref().unwrap_or_default();
            let is_key = self.asked.links.of_column(table, column).is_some();
            (is_key, !self.said(table))
        };
        sources.iter().min_by_key(rank)
    }

    /// Whether the question has a word of the name of a table.
    fn said(&self, table: &str) -> bool {
        let words = words(table);
        words.iter().any(|word| self.question.contains(word))
    }

    /// The nearest table by links that has a column of this name: itself, its column, how far.
    fn elsewhere(
        &self,
        name: &str,
        source: Option<&Ident>,
        joins: &Joins<'_>,
    ) -> Option<(String, String, usize)> {
        let tables = self.asked.schema.tables.iter().filter_map(|table| {
            let column = table.column(name)?;
            let distance = joins.distance(&table.name).filter(|far| *far > 0)?;
            let named = source.is_some_and(|source| table.name.eq_ignore_ascii_case(&source.value));
            let is_key = self.asked.links.of_column(&table.name, &column.name);
            let rank = (!named, distance, is_key.is_some(), !self.said(&table.name));
            Some((rank, table.name.clone(), column.name.clone()))
        });
        let (rank, table, column) = tables.min_by_key(|(rank, ..)| *rank)?;
        Some((table, column, rank.1))
    }
}

/// The column of some sources that comes nearest to a name.
fn near(sources: &[&Source], name: &str, schema: &Schema) -> Option<(Ident, String, f64)> {
    let near = sources.iter().filter_map(|source| {
        let table = schema.table(source.table.as_deref()?)?;
        let (column, likeness) = likeness::column(table, name)?;
        Some((source.name.clone(), column, likeness))
    });
    near.fold(None::<(Ident, String, f64)>, |best, next| match best {
        Some(best) if best.2 >= next.2 => Some(best),
        _ => Some(next),
    })
}
