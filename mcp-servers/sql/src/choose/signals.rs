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
use crate::repair::nothing;
use crate::scopes::Links;
use crate::words::{singular, squashed, words};

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

/// What all signs weigh together; more is better. Each that is seen is traced.
pub(super) fn weigh(view: &View<'_>) -> f64 {
    let mut weight = 0.0;
    for sign in SIGNALS {
        let count = (sign.count)(view);
        if count != 0.0 {
            tracing::trace!(sign = sign.name, count, "a sign of a candidate");
            weight += sign.weight * count;
        }
    }
    weight
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
        link.is_some_and(|(_, target)| !target.eq_ignore_ascii_case(name))
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
        view.asking.squashed.contains(&whole) || view.asking.words.contains(&singular(&whole))
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
mod tests;
