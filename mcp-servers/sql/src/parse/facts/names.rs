//! Names of tables and columns as words, and what names tell.

use crate::parse::facts::ColumnFacts;
use crate::parse::lexicon;
use crate::schema::Schema;
use crate::words::{of_name, stem};
use std::collections::BTreeSet;

/// Words after which stands which row is meant.
const TELLING: &[&str] = &["id", "key", "code", "name"];

/// The words of all names, by which words that are written as one are told apart.
pub(super) struct Vocabulary {
    words: BTreeSet<String>,
    /// Those of tables.
    tables: BTreeSet<String>,
}

impl Vocabulary {
    pub(super) fn of(schema: &Schema) -> Self {
        let tables = words_of(schema.tables.iter().map(|table| table.name.as_str()));
        let columns = schema.tables.iter().flat_map(|table| &table.columns);
        let mut words = words_of(columns.map(|column| column.name.as_str()));
        words.extend(tables.iter().cloned());
        Self { words, tables }
    }

    /// The word of a table's name that is shortened: to `stu` in `stuid`, to `cont` in `cont_id`.
    fn long(&self, short: &str) -> Option<&String> {
        if short.len() < 3 || self.tables.contains(short) || lexicon::long_form(short).is_some() {
            return None;
        }
        let long = self.tables.range(short.to_owned()..);
        long.take_while(|long| long.starts_with(short))
            .min_by_key(|long| long.len())
    }
}

fn words_of<'n>(names: impl Iterator<Item = &'n str>) -> BTreeSet<String> {
    let words = names.flat_map(of_name).filter(|word| word.len() > 2);
    let mut words: BTreeSet<String> = words.collect();
    let singular: Vec<String> = words
        .iter()
        .filter_map(|word| Some(word.strip_suffix('s')?.to_owned()))
        .collect();
    words.extend(singular);
    words
}

/// The stems of a name, with what is shortened written out.
pub(super) fn words(name: &str, vocabulary: &Vocabulary) -> Vec<String> {
    let mut stems: Vec<String> = Vec::new();
    let whole = of_name(name).concat();
    let parts = match lexicon::long_form(&whole) {
        Some(long) => vec![long.to_owned()],
        None => of_name(name),
    };
    for (place, word) in parts.iter().enumerate() {
        let next = parts.get(place.saturating_add(1)).map(String::as_str);
        // `cont` of `cont_id`, where there are continents.
        let long = next
            .filter(|next| TELLING.contains(next) && *next != "name")
            .and_then(|_| vocabulary.long(word));
        for part in apart(long.unwrap_or(word), vocabulary) {
            let long = lexicon::long_form(&part).unwrap_or(&part);
            for word in long.split(' ') {
                let stem = stem(word);
                if !lexicon::FILLERS.contains(&word) && !stems.contains(&stem) {
                    stems.push(stem);
                }
            }
        }
    }
    stems
}

/// Words that are written as one: `petid`, `fname`, `cityname`.
fn apart(word: &str, vocabulary: &Vocabulary) -> Vec<String> {
    if lexicon::long_form(word).is_some() {
        return vec![word.to_owned()];
    }
    for end in lexicon::ENDINGS {
        let Some(rest) = word.strip_suffix(end).filter(|rest| !rest.is_empty()) else {
            continue;
        };
        if vocabulary.words.contains(rest) || lexicon::long_form(rest).is_some() {
            return vec![rest.to_owned(), (*end).to_owned()];
        }
        // What is shortened is only told from ordinary words before what says of which row.
        let long = vocabulary.long(rest).filter(|_| TELLING.contains(end));
        if let Some(long) = long.filter(|long| !long.starts_with(word)) {
            return vec![long.clone(), (*end).to_owned()];
        }
    }
    vec![word.to_owned()]
}

/// The column by which people call a row of a table: its name, its title, what is called like the
/// table itself, else its key.
pub(super) fn display(
    table: &[String],
    columns: &[ColumnFacts],
    key: Option<usize>,
) -> Option<usize> {
    let own = |column: &&ColumnFacts| -> Vec<String> {
        let rest = column.stems.iter().filter(|stem| !table.contains(stem));
        rest.cloned().collect()
    };
    let find = |wanted: &dyn Fn(&ColumnFacts) -> bool| columns.iter().position(wanted);
    let is = |name: &'static str| move |column: &ColumnFacts| own(&column) == [name];
    find(&is("name"))
        .or_else(|| find(&is("titl")))
        .or_else(|| {
            find(&|column| {
                !column.key
                    && !column.foreign
                    && own(&column).is_empty()
                    && !column.stems.is_empty()
            })
        })
        .or_else(|| find(&|column| own(&column) == ["full", "name"]))
        .or_else(|| {
            let mut names = columns.iter().enumerate().filter(|(_, column)| {
                column.stems.last().is_some_and(|stem| stem == "name") && !column.foreign
            });
            let first = names.next();
            first.filter(|_| names.next().is_none()).map(|(at, _)| at)
        })
        .or(key)
}

#[cfg(test)]
mod tests {
    use super::{Vocabulary, words};
    use crate::schema::{Schema, made::table};

    #[test]
    fn words_written_as_one_are_told_apart_and_ordinary_words_are_left_whole() {
        let schema = Schema {
            tables: vec![
                table("student", &["stuid", "discount", "piano"], &[]),
                table("candidates", &["candidate", "mandate"], &[]),
                table("district", &["cityname", "city"], &[]),
            ],
        };
        let vocabulary = Vocabulary::of(&schema);
        for (name, expected) in [
            ("stuid", &["student", "id"][..]),
            ("cityname", &["citi", "name"]),
            ("fname", &["first", "name"]),
            ("candidate", &["candid"]),
            ("candidates", &["candid"]),
            ("mandate", &["mandat"]),
            ("discount", &["discount"]),
            ("piano", &["piano"]),
            ("DistId", &["district", "id"]),
        ] {
            assert_eq!(words(name, &vocabulary), expected, "{name}");
        }
    }
}
