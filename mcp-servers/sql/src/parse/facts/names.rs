//! Names of tables and columns as words, and what names tell.

use crate::parse::facts::ColumnFacts;
use crate::parse::lexicon;
use crate::schema::Schema;
use crate::words::{of_name, stem};
use std::collections::HashSet;

/// The words of all names, by which words that are written as one are told apart.
pub(super) fn vocabulary(schema: &Schema) -> HashSet<String> {
    let columns = schema.tables.iter().flat_map(|table| &table.columns);
    let names = schema.tables.iter().map(|table| table.name.as_str());
    let names = names.chain(columns.map(|column| column.name.as_str()));
    let mut words: HashSet<String> = names
        .flat_map(of_name)
        .filter(|word| word.len() > 2)
        .collect();
    let singular: Vec<String> = words
        .iter()
        .filter_map(|word| Some(word.strip_suffix('s')?.to_owned()))
        .collect();
    words.extend(singular);
    words
}

/// The stems of a name, with what is shortened written out.
pub(super) fn words(name: &str, vocabulary: &HashSet<String>) -> Vec<String> {
    let mut stems: Vec<String> = Vec::new();
    let whole = of_name(name).concat();
    let parts = match lexicon::long_form(&whole) {
        Some(long) => vec![long.to_owned()],
        None => of_name(name),
    };
    for word in parts {
        for part in apart(&word, vocabulary) {
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
fn apart(word: &str, vocabulary: &HashSet<String>) -> Vec<String> {
    if lexicon::long_form(word).is_some() {
        return vec![word.to_owned()];
    }
    for end in lexicon::ENDINGS {
        let Some(rest) = word.strip_suffix(end).filter(|rest| !rest.is_empty()) else {
            continue;
        };
        let known = vocabulary.contains(rest) || lexicon::long_form(rest).is_some();
        // `stu` of `student`.
        let short = rest.len() > 2 && vocabulary.iter().any(|long| long.starts_with(rest));
        if known || short {
            let long = vocabulary
                .iter()
                .filter(|long| !known && long.starts_with(rest) && !long.ends_with(end))
                .min_by_key(|long| (long.len(), (*long).clone()));
            let rest = long.map_or(rest, String::as_str);
            return vec![rest.to_owned(), (*end).to_owned()];
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
