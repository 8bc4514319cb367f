//! Signs that a statement answers a question, or that it does not.
//!
//! Each sign is a plain count. The weights are those of a conditional logit model (the right candidate
//! among those of a question), fitted on 523 questions over ten databases with eight answers each, held
//! back towards small ones, rounded, and under the constraint that no sign works against its own
//! meaning: what means something by itself holds as well on databases that nobody has fitted it on.
//! Left out were those that came out as nothing. Some mistakes these eight systems hardly make; their
//! signs keep a small weight for those who do. `measure::measure_choice` measures what they are worth.

use serde_json::Value;

use crate::choose::question::Asking;
use crate::choose::reading::{Does, Item, Reading};
use crate::database::Rows;
use crate::endings::{squashed, stem, words};
use crate::repair::nothing;
use crate::scopes::Links;

/// A candidate among the others.
pub(super) struct View<'a> {
    pub asking: &'a Asking,
    pub reading: &'a Reading,
    pub rows: &'a Rows,
    pub links: &'a Links,
    /// All that have an answer, this one among them.
    pub peers: &'a [(&'a Reading, &'a Rows)],
    /// How many candidates there are, with those that have no answer.
    pub candidates: usize,
    /// Whether it had to be changed to have an answer.
    pub mended: bool,
}

/// A sign: its name, how much one of it weighs, and how many there are.
pub(super) struct Signal {
    pub name: &'static str,
    pub weight: f64,
    pub count: fn(&View<'_>) -> f64,
}

const fn signal(name: &'static str, weight: f64, count: fn(&View<'_>) -> f64) -> Signal {
    Signal {
        name,
        weight,
        count,
    }
}

/// All signs.
pub(super) const SIGNALS: &[Signal] = &[
    // What others say, beside giving the same rows, for which they count anyway.
    signal("as_many_columns", 1.9, |view| {
        let columns = view.rows.columns.len();
        peers(view, |_, rows| rows.columns.len() == columns)
    }),
    signal("same_columns", 0.8, |view| {
        let signature = view.reading.signature();
        peers(view, |reading, _| reading.signature() == signature)
    }),
    signal("same_tables", 0.8, |view| {
        peers(view, |reading, _| reading.tables == view.reading.tables)
    }),
    // The rows.
    signal("nothing", -0.7, |view| f64::from(nothing(view.rows))),
    signal("gaps", -1.3, |view| {
        f64::from(!nothing(view.rows) && gaps(view.rows))
    }),
    signal("repeats", -0.7, |view| f64::from(repeats(view.rows))),
    signal("many_for_one", -1.4, |view| {
        let asking = view.asking;
        let many = view.rows.rows.len() > 1;
        f64::from(many && asking.says_extreme() && !asking.says_several())
    }),
    signal("not_one_number", -0.3, |view| {
        let one = view.rows.rows.len() == 1 && view.rows.columns.len() == 1;
        f64::from(view.asking.asks_one_number() && !one)
    }),
    signal("mended", -2.1, |view| f64::from(view.mended)),
    // The select list.
    signal("everything", -2.9, |view| {
        yes(view.reading.items.contains(&Item::Everything)) * no(view.asking.asks_everything())
    }),
    signal("unasked_column", -1.0, unasked_columns),
    signal("unasked_key", -0.7, unasked_keys),
    signal("unasked_count", -1.0, |view| {
        let counts = |item: &&Item| matches!(item, Item::Count { .. });
        number(view.reading.items.iter().filter(counts).count()) * no(view.asking.counts())
    }),
    signal("unasked_aggregate", -0.2, |view| {
        let unasked = |item: &&Item| match item {
            Item::Aggregate { name, .. } => !view.asking.may_ask_for(name),
            _ => false,
        };
        number(view.reading.items.iter().filter(unasked).count())
    }),
    signal("missing_average", -0.5, |view| {
        yes(view.asking.says_average()) * no(view.reading.does.contains(&Does::Averages))
    }),
    signal("key_for_name", -1.5, |view| f64::from(key_for_name(view))),
    // Nothing twice.
    signal("missing_distinct", -1.3, |view| {
        let reading = view.reading;
        let done = reading.does.contains(&Does::Deduplicates) || reading.grouped;
        yes(view.asking.says_different()) * no(done || !reading.sets.is_empty())
    }),
    signal("unasked_distinct_count", -0.7, |view| {
        let distinct = |item: &Item| {
            matches!(
                item,
                Item::Count { distinct: true } | Item::Aggregate { distinct: true, .. }
            )
        };
        yes(view.reading.items.iter().any(distinct)) * no(view.asking.says_different())
    }),
    // Joins and choices.
    signal("outer_join", -2.2, |view| f64::from(view.reading.outer)),
    signal("keys_joined", -2.2, |view| number(view.reading.keys_joined)),
    signal("no_condition", -0.5, |view| number(view.reading.crossed)),
    signal("either_for_both", -1.2, |view| {
        f64::from(either_for_both(view))
    }),
    // Conditions.
    signal("missing_denial", -0.1, |view| {
        let denied = view.asking.denies() && !view.asking.denies_a_number();
        yes(denied) * no(view.reading.does.contains(&Does::Denies))
    }),
    signal("unasked_denial", -0.7, |view| {
        yes(view.reading.does.contains(&Does::Denies)) * no(view.asking.denies())
    }),
    signal("missing_pattern", -0.2, |view| {
        yes(view.asking.asks_part()) * no(view.reading.does.contains(&Does::Likes))
    }),
    signal("unasked_pattern", -0.8, |view| {
        yes(view.reading.does.contains(&Does::Likes)) * no(view.asking.may_ask_part())
    }),
    signal("wrong_comparison", -0.5, wrong_comparisons),
    signal("unasked_text", -0.3, unasked_texts),
    signal("unasked_number", -0.1, |view| {
        let known = |number: &&String| {
            matches!(number.as_str(), "0" | "1" | "2") || view.asking.numbers.contains(*number)
        };
        let read = view.reading.numbers.iter();
        number(read.filter(|number| !known(number)).count())
    }),
    // Orders.
    signal("unasked_order", -0.3, |view| {
        let reading = view.reading;
        let extreme = view.asking.says_extreme() && reading.limited;
        yes(!reading.order.is_empty()) * no(view.asking.says_order() || extreme)
    }),
    signal("missing_order", -0.3, |view| {
        yes(view.asking.says_order()) * yes(view.reading.order.is_empty())
    }),
    signal("wrong_direction", -0.5, |view| {
        f64::from(wrong_direction(view))
    }),
];

/// The counts of all signs, and what they weigh together.
pub(super) fn weigh(view: &View<'_>) -> (Vec<(&'static str, f64)>, f64) {
    let counts = SIGNALS.iter().map(|signal| (signal, (signal.count)(view)));
    let counts: Vec<(&Signal, f64)> = counts.filter(|(_, count)| *count != 0.0).collect();
    let weight = counts
        .iter()
        .map(|(signal, count)| signal.weight * count)
        .sum();
    let named = counts.iter().map(|(signal, count)| (signal.name, *count));
    (named.collect(), weight)
}

fn yes(is: bool) -> f64 {
    f64::from(is)
}

fn no(is: bool) -> f64 {
    f64::from(!is)
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn share(count: usize, view: &View<'_>) -> f64 {
    number(count) / number(view.candidates.max(1))
}

/// The share of candidates of which something holds.
fn peers(view: &View<'_>, holds: impl Fn(&Reading, &Rows) -> bool) -> f64 {
    let count = view
        .peers
        .iter()
        .filter(|(reading, rows)| holds(reading, rows));
    share(count.count(), view)
}

fn gaps(rows: &Rows) -> bool {
    rows.rows.iter().flatten().any(Value::is_null)
}

fn repeats(rows: &Rows) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    !rows
        .rows
        .iter()
        .all(|row| seen.insert(Value::Array(row.clone()).to_string()))
}

fn is_key(name: &str) -> bool {
    let named = words(name);
    named.iter().any(|word| word == "id") || name.to_lowercase().ends_with("id")
}

fn columns<'a>(view: &'a View<'_>) -> impl Iterator<Item = (Option<&'a str>, &'a str)> {
    view.reading.items.iter().filter_map(|item| match item {
        Item::Column { table, name } => Some((table.as_deref(), name.as_str())),
        _ => None,
    })
}

fn unasked_keys(view: &View<'_>) -> f64 {
    let keys = columns(view).filter(|(_, name)| is_key(name)).count();
    number(keys) * no(view.asking.asks_key())
}

/// Columns of whose names the question has no word. The name of a thing that it speaks of counts as
/// asked for.
fn unasked_columns(view: &View<'_>) -> f64 {
    let asking = view.asking;
    let asked = |table: Option<&str>, name: &str| {
        let named = words(name);
        let whole = squashed(name);
        let close = |word: &String| {
            word.len() > 3 && (whole.contains(word.as_str()) || word.contains(&whole))
        };
        let is_name = ["name", "title", "label"]
            .iter()
            .any(|end| whole.ends_with(end));
        let thing =
            table.is_some_and(|table| words(table).iter().any(|word| asking.words.contains(word)));
        named.iter().any(|word| asking.words.contains(word))
            || asking.words.iter().any(close)
            || (is_name && (thing || asking.says(&["who", "whose"])))
    };
    let unasked = columns(view).filter(|(table, name)| !is_key(name) && !asked(*table, name));
    number(unasked.count())
}

/// Whether a key of another table stands where that table has a name for the thing.
fn key_for_name(view: &View<'_>) -> bool {
    if view.asking.asks_key() {
        return false;
    }
    columns(view).any(|(table, name)| {
        let Some(table) = table.filter(|_| !is_key(name)) else {
            return false;
        };
        let link = view.links.of_column(table, name);
        link.is_some_and(|link| !link.target.eq_ignore_ascii_case(name))
    })
}

/// Whether either of two texts is let through where the question wants both.
fn either_for_both(view: &View<'_>) -> bool {
    let (asking, reading) = (view.asking, view.reading);
    let texts = &reading.texts;
    let pairs = texts.iter().enumerate().flat_map(|(place, one)| {
        texts
            .iter()
            .skip(place.saturating_add(1))
            .map(move |other| (one, other))
    });
    let mut pairs = pairs.filter(|(one, other)| one != other);
    let joined = pairs.any(|(one, other)| {
        asking.says(&["both"]) || asking.joins_by_and(one, other) || asking.joins_by_and(other, one)
    });
    joined
        && reading.does.contains(&Does::Chooses)
        && !reading.does.contains(&Does::Joins)
        && !reading.having
        && !reading.sets.contains("INTERSECT")
        && !asking.says(&["or", "either"])
}

fn wrong_comparisons(view: &View<'_>) -> f64 {
    let (asking, does) = (view.asking, &view.reading.does);
    let wrong = [
        does.contains(&Does::AtLeast) && asking.more_than() && !asking.at_least(),
        does.contains(&Does::More) && asking.at_least() && !asking.more_than(),
        does.contains(&Does::AtMost) && asking.less_than() && !asking.at_most(),
        does.contains(&Does::Less) && asking.at_most() && !asking.less_than(),
    ];
    number(wrong.iter().filter(|wrong| **wrong).count())
}

fn unasked_texts(view: &View<'_>) -> f64 {
    let asked = |text: &&String| {
        let whole = squashed(text);
        view.asking.squashed.contains(&whole) || view.asking.words.contains(&stem(&whole))
    };
    number(
        view.reading
            .texts
            .iter()
            .filter(|text| !asked(text))
            .count(),
    )
}

fn wrong_direction(view: &View<'_>) -> bool {
    let reading = view.reading;
    let Some(first) = reading.order.first() else {
        return false;
    };
    if reading.limited {
        return view.asking.end().is_some_and(|top| top != *first);
    }
    let down = reading.order.iter().any(|down| *down);
    view.asking.direction().is_some_and(|asked| asked != down)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{SIGNALS, View, weigh};
    use crate::asked::parsed;
    use crate::choose::question::Asking;
    use crate::choose::reading::Reading;
    use crate::choose::tests::schema;
    use crate::database::{Head, Rows};
    use crate::dialect::Dialect;
    use crate::scopes::Links;

    fn rows(rows: &Value) -> Rows {
        let rows: Vec<Vec<Value>> = serde_json::from_value(rows.clone()).unwrap();
        let head = Head {
            name: String::new(),
            kind: String::new(),
        };
        Rows {
            columns: vec![head; rows.first().map_or(1, Vec::len)],
            rows,
            truncated: None,
        }
    }

    /// The signs of the first of some candidates.
    fn signs(question: &str, candidates: &[(&str, Value)]) -> BTreeMap<&'static str, f64> {
        let schema = schema();
        let links = Links::of(&schema);
        let read = |sql: &str| Reading::of(&parsed(sql, Dialect::Sqlite).unwrap(), &schema, &links);
        let read: Vec<(Reading, Rows)> = candidates
            .iter()
            .map(|(sql, given)| (read(sql), rows(given)))
            .collect();
        let peers: Vec<(&Reading, &Rows)> =
            read.iter().map(|(reading, rows)| (reading, rows)).collect();
        let (reading, rows) = peers[0];
        let view = View {
            asking: &Asking::new(question),
            reading,
            rows,
            links: &links,
            peers: &peers,
            candidates: candidates.len(),
            mended: false,
        };
        weigh(&view).0.into_iter().collect()
    }

    #[test]
    fn each_sign_is_seen_where_it_is_and_not_where_it_is_not() {
        let one = json!([["a"]]);
        let two = json!([["a"], ["b"]]);
        let names = "SELECT name FROM singer";
        let count = "SELECT count(*) FROM singer";
        let joined = "SELECT name FROM singer JOIN concert ON singer.id = singer_id";
        for (sign, question, with, given, without, given_without) in [
            ("nothing", "", names, json!([]), names, one.clone()),
            ("nothing", "", count, json!([[0]]), count, json!([[1]])),
            (
                "gaps",
                "",
                names,
                json!([["a"], [null]]),
                names,
                two.clone(),
            ),
            (
                "repeats",
                "",
                names,
                json!([["a"], ["a"]]),
                names,
                two.clone(),
            ),
            (
                "many_for_one",
                "the youngest singer",
                names,
                two.clone(),
                names,
                one.clone(),
            ),
            (
                "not_one_number",
                "How many singers are there?",
                names,
                two.clone(),
                count,
                json!([[2]]),
            ),
            (
                "everything",
                "the names",
                "SELECT * FROM singer",
                one.clone(),
                names,
                one.clone(),
            ),
            (
                "unasked_column",
                "their names",
                "SELECT country FROM singer",
                one.clone(),
                names,
                one.clone(),
            ),
            (
                "unasked_key",
                "the names of singers",
                "SELECT id FROM singer",
                one.clone(),
                names,
                one.clone(),
            ),
            (
                "unasked_count",
                "the names",
                count,
                one.clone(),
                names,
                one.clone(),
            ),
            (
                "unasked_aggregate",
                "the ages",
                "SELECT sum(age) FROM singer",
                one.clone(),
                "SELECT age FROM singer",
                one.clone(),
            ),
            (
                "missing_average",
                "the average age",
                "SELECT age FROM singer",
                one.clone(),
                "SELECT avg(age) FROM singer",
                one.clone(),
            ),
            (
                "missing_distinct",
                "the different countries",
                "SELECT country FROM singer",
                one.clone(),
                "SELECT DISTINCT country FROM singer",
                one.clone(),
            ),
            (
                "unasked_distinct_count",
                "How many?",
                "SELECT count(DISTINCT name) FROM singer",
                one.clone(),
                count,
                one.clone(),
            ),
            (
                "outer_join",
                "",
                "SELECT name FROM singer LEFT JOIN concert ON singer.id = singer_id",
                one.clone(),
                joined,
                one.clone(),
            ),
            (
                "keys_joined",
                "",
                "SELECT name FROM singer JOIN concert ON singer.id = concert.id",
                one.clone(),
                joined,
                one.clone(),
            ),
            (
                "no_condition",
                "",
                "SELECT name FROM singer JOIN concert",
                one.clone(),
                joined,
                one.clone(),
            ),
            (
                "either_for_both",
                "the names from France and from Spain",
                "SELECT name FROM singer WHERE country = 'France' OR country = 'Spain'",
                one.clone(),
                "SELECT name FROM singer WHERE country = 'France' INTERSECT SELECT name FROM singer WHERE country = 'Spain'",
                one.clone(),
            ),
            (
                "missing_denial",
                "who does not sing",
                names,
                one.clone(),
                "SELECT name FROM singer WHERE NOT age > 3",
                one.clone(),
            ),
            (
                "unasked_denial",
                "who sings",
                "SELECT name FROM singer EXCEPT SELECT name FROM singer",
                one.clone(),
                names,
                one.clone(),
            ),
            (
                "missing_pattern",
                "names that contain the letter a",
                names,
                one.clone(),
                "SELECT name FROM singer WHERE name LIKE '%a%'",
                one.clone(),
            ),
            (
                "unasked_pattern",
                "singers from France",
                "SELECT name FROM singer WHERE country LIKE '%France%'",
                one.clone(),
                names,
                one.clone(),
            ),
            (
                "wrong_comparison",
                "older than 30",
                "SELECT name FROM singer WHERE age >= 30",
                one.clone(),
                "SELECT name FROM singer WHERE age > 30",
                one.clone(),
            ),
            (
                "unasked_text",
                "from France",
                "SELECT name FROM singer WHERE country = 'Spain'",
                one.clone(),
                "SELECT name FROM singer WHERE country = 'France'",
                one.clone(),
            ),
            (
                "unasked_number",
                "older than thirty, or 40",
                "SELECT name FROM singer WHERE age > 50",
                one.clone(),
                "SELECT name FROM singer WHERE age > 40",
                one.clone(),
            ),
            (
                "unasked_order",
                "the names",
                "SELECT name FROM singer ORDER BY age",
                one.clone(),
                names,
                one.clone(),
            ),
            (
                "missing_order",
                "the names in alphabetical order",
                names,
                one.clone(),
                "SELECT name FROM singer ORDER BY name",
                one.clone(),
            ),
            (
                "wrong_direction",
                "the names in descending order",
                "SELECT name FROM singer ORDER BY name",
                one.clone(),
                "SELECT name FROM singer ORDER BY name DESC",
                one.clone(),
            ),
            (
                "wrong_direction",
                "the one with the highest age",
                "SELECT name FROM singer ORDER BY age LIMIT 1",
                one.clone(),
                "SELECT name FROM singer ORDER BY age DESC LIMIT 1",
                one.clone(),
            ),
        ] {
            assert!(
                signs(question, &[(with, given)]).contains_key(sign),
                "{sign}: {with}"
            );
            let without_it = signs(question, &[(without, given_without)]);
            assert!(!without_it.contains_key(sign), "{sign}: {without}");
        }
    }

    #[test]
    fn a_key_of_another_table_is_none_of_its_names() {
        let link = "SELECT singer_id FROM concert";
        // Called a key, it is one that is not asked for.
        let signs = signs("Which singer sings most?", &[(link, json!([[1]]))]);
        assert!(signs.contains_key("unasked_key") && !signs.contains_key("key_for_name"));
    }

    #[test]
    fn others_count_by_what_they_share() {
        let names = ("SELECT name FROM singer", json!([["a"], ["b"]]));
        let more = ("SELECT name, age FROM singer", json!([["a", 1], ["b", 2]]));
        let signs = signs("", &[names.clone(), names, more]);
        assert!((signs["as_many_columns"] - 2.0 / 3.0).abs() < 1e-9);
        assert!((signs["same_columns"] - 2.0 / 3.0).abs() < 1e-9);
        assert!((signs["same_tables"] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn no_sign_has_the_name_of_another() {
        let names: std::collections::BTreeSet<_> =
            SIGNALS.iter().map(|signal| signal.name).collect();
        assert_eq!(names.len(), SIGNALS.len());
    }
}
