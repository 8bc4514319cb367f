//! How near a name comes to another one.

use crate::schema::Table;
use crate::words::{squashed, words};

/// From which likeness on a name is taken for another.
pub(super) const NEAR: f64 = 0.75;

/// Words by which things are called.
const NAMES: [&str; 3] = ["name", "title", "label"];

/// How near a table comes to a name, from 0 to 1.
pub(super) fn of_table(wanted: &str, table: &str) -> f64 {
    let (want, have) = (words(wanted), words(table));
    if squashed(wanted) == squashed(table) || want == have {
        return 1.0;
    }
    let inside = |part: &[String], whole: &[String]| part.iter().all(|word| whole.contains(word));
    if !want.is_empty() && (inside(&want, &have) || inside(&have, &want)) {
        return 0.88;
    }
    0.95 * alike(wanted, table)
}

/// The column of a table that comes nearest to a name, and how near.
pub(super) fn column(table: &Table, wanted: &str) -> Option<(String, f64)> {
    let near = |name: &String| (name.clone(), of_column(table, wanted, name));
    let columns = table.columns.iter().map(|column| &column.name).map(near);
    let best = columns.fold(None::<(String, f64)>, |best, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        _ => Some(next),
    });
    best.filter(|(_, likeness)| *likeness >= NEAR)
}

fn of_column(table: &Table, wanted: &str, column: &str) -> f64 {
    let (want, have, of) = (words(wanted), words(column), words(&table.name));
    if squashed(wanted) == squashed(column) {
        return 1.0;
    }
    if want == have {
        return 0.98;
    }
    let without = |words: &[String], those: &[String]| -> Vec<String> {
        words
            .iter()
            .filter(|word| !those.contains(word))
            .cloned()
            .collect()
    };
    // `id` of a table is `singer_id`, and the other way round.
    if !want.is_empty() && (without(&have, &of) == want || without(&want, &of) == have) {
        return 0.92;
    }
    if want == ["id"] && table.primary_key.iter().any(|key| key == column) {
        return 0.9;
    }
    let ends = |words: &[String]| {
        let end =
            |word: &&String| !matches!(word.as_str(), "id" | "code" | "name" | "title" | "label");
        words.iter().filter(end).cloned().collect::<Vec<_>>()
    };
    let (want_end, have_end) = (ends(&want), ends(&have));
    if !want_end.is_empty() && want_end == have_end {
        // What is called after a thing is rather its name than its key.
        let key = have.contains(&"id".to_owned()) && !want.contains(&"id".to_owned());
        return if key { 0.8 } else { 0.86 };
    }
    // A name without another word is whatever the things of this table are called by.
    if matches!(want.as_slice(), [word] if NAMES.contains(&word.as_str())) {
        if have.iter().any(|word| NAMES.contains(&word.as_str())) {
            return if have.len() <= 2 { 0.82 } else { 0.78 };
        }
        if have == of || of.ends_with(&have) {
            return 0.8;
        }
    }
    0.9 * alike(wanted, column)
}

fn alike(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(&squashed(one), &squashed(other))
}

#[cfg(test)]
mod tests {
    use super::{NEAR, column, of_table};
    use crate::choose::tests::schema;

    #[test]
    fn tables_are_near_in_other_numbers_and_with_typing_errors() {
        assert!(of_table("singers", "Singer") >= 1.0);
        assert!(of_table("singer_table", "singer") > NEAR);
        assert!(of_table("snger", "singer") > NEAR);
        assert!(of_table("venue", "singer") < NEAR);
    }

    #[test]
    fn columns_are_near_with_and_without_the_name_of_their_table() {
        let schema = schema();
        let singer = schema.table("singer").unwrap();
        for (wanted, found) in [
            ("singer_id", "id"),
            ("Name", "name"),
            ("singer_name", "name"),
            ("title", "name"),
            ("contry", "country"),
        ] {
            assert_eq!(column(singer, wanted).unwrap().0, found, "{wanted}");
        }
        assert_eq!(column(singer, "weight"), None);
    }
}
