//! What the name of a column says: what to call it, and what its values are good for.

/// Words that make a column name things, whatever its values look like.
const NAMING: [&str; 26] = [
    "id", "ids", "key", "uuid", "guid", "pk", "fk", "code", "zip", "zipcode", "postcode", "phone",
    "fax", "isbn", "ssn", "ean", "no", "nr", "rank", "ranking", "position", "rownum", "rn", "idx",
    "barcode", "postal",
];

/// Ends in `id` and is a word of its own.
const NO_ID: [&str; 8] = [
    "paid", "unpaid", "prepaid", "bid", "grid", "valid", "invalid", "liquid",
];

/// Places in a round: whole numbers that are read as names, in their order.
const ROUND: [&str; 10] = [
    "month", "day", "weekday", "dow", "hour", "week", "quarter", "semester", "decade", "century",
];

/// What is no sum, and must not be added up.
const NO_SUM: [&str; 44] = [
    "avg",
    "average",
    "mean",
    "median",
    "rate",
    "ratio",
    "percent",
    "percentage",
    "pct",
    "share",
    "proportion",
    "price",
    "age",
    "score",
    "rating",
    "min",
    "max",
    "minimum",
    "maximum",
    "lowest",
    "highest",
    "temperature",
    "year",
    "height",
    "weight",
    "per",
    "index",
    "growth",
    "stddev",
    "variance",
    "speed",
    "rank",
    "level",
    "grade",
    "gpa",
    "latitude",
    "longitude",
    "unit",
    "distinct",
    "unique",
    "balance",
    "running",
    "cumulative",
    "density",
];

/// What can be added up.
const SUM: [&str; 34] = [
    "count",
    "counts",
    "cnt",
    "sum",
    "total",
    "totals",
    "amount",
    "revenue",
    "revenues",
    "sales",
    "turnover",
    "quantity",
    "qty",
    "num",
    "number",
    "n",
    "population",
    "cost",
    "costs",
    "votes",
    "orders",
    "profit",
    "profits",
    "income",
    "spend",
    "spending",
    "budget",
    "expenses",
    "units",
    "visits",
    "views",
    "clicks",
    "downloads",
    "items",
];

/// The words of a name, in small letters.
pub(super) fn words(name: &str) -> Vec<String> {
    split(name).map(|word| word.to_lowercase()).collect()
}

/// Cuts at everything that is no letter, and where a small letter is followed by a capital.
fn split(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (small && c.is_uppercase()) {
            words.push(String::new());
        }
        small = c.is_lowercase() || c.is_numeric();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c);
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

fn any(words: &[String], of: &[&str]) -> bool {
    words.iter().any(|word| of.contains(&word.as_str()))
}

/// Whether a column of such a name tells its rows apart rather than measures something.
pub(super) fn names_things(words: &[String]) -> bool {
    let Some(last) = words.last() else {
        return false;
    };
    if any(words, &["count", "sum", "total", "avg", "average"]) {
        return false;
    }
    NAMING.contains(&last.as_str())
        || (last == "number" && words.len() > 1)
        || (last.len() > 2 && last.ends_with("id") && !NO_ID.contains(&last.as_str()))
}

/// Whether whole numbers of such a name stand for months, days, hours.
pub(super) fn in_a_round(words: &[String]) -> bool {
    let ends = [words.first(), words.last()];
    !any(words, &SUM)
        && !any(words, &["avg", "average", "per"])
        && ends
            .into_iter()
            .flatten()
            .any(|word| ROUND.contains(&word.as_str()))
}

/// Whether four digits of such a name are a year.
pub(super) fn of_years(name: &str, words: &[String]) -> bool {
    !any(words, &["count", "sum", "total", "num", "avg"])
        && (any(words, &["year", "yr", "years"]) || name.contains("%Y"))
}

/// Whether values of such a name may be added up.
pub(super) fn can_be_summed(name: &str, words: &[String]) -> bool {
    let leads = words
        .first()
        .is_some_and(|first| ["sum", "total", "count"].contains(&first.as_str()));
    if name.contains(['%', '/']) || any(words, &["distinct", "running", "cumulative"]) {
        return false;
    }
    leads || (!any(words, &NO_SUM) && any(words, &SUM))
}

/// Whether two measures are named alike: `goals_for` and `goals_against`.
pub(super) fn are_kindred(one: &str, other: &str) -> bool {
    let (one, other) = (words(one), words(other));
    let means = |word: &&String| word.len() > 2 && !NO_SUM.contains(&word.as_str());
    let means = |word: &&String| means(word) && !["sum", "total"].contains(&word.as_str());
    one.iter().filter(means).any(|word| other.contains(word))
}

/// A name as a person would write it.
pub(super) fn title(name: &str) -> String {
    let name = name.trim();
    if let Some((function, inner)) = call(name) {
        let inner = inner.trim();
        let distinct = inner
            .get(..9)
            .filter(|start| start.eq_ignore_ascii_case("distinct "))
            .and_then(|_| inner.get(9..));
        let of = lower_first(&title(distinct.unwrap_or(inner)));
        let before = match function.to_lowercase().as_str() {
            "count" if inner == "*" || inner == "1" => return "Count".to_owned(),
            "count" if distinct.is_some() => "Number of different",
            "count" => "Number of",
            "sum" | "total" => "Total",
            "avg" => "Average",
            "min" => "Lowest",
            "max" => "Highest",
            "round" | "cast" | "coalesce" | "abs" => {
                return title(inner.split(',').next().unwrap_or(inner));
            }
            _ => return shown(name),
        };
        return format!("{before} {of}");
    }
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ' | '-' | '"' | '`' | '[' | ']');
    if !name.chars().all(plain) {
        return shown(name);
    }
    let last = name.rsplit('.').find(|part| !part.trim().is_empty());
    let bare = last.unwrap_or(name);
    let words: Vec<String> = split(bare).collect();
    let shouted = words.len() > 1 && !bare.chars().any(char::is_lowercase);
    let said: Vec<String> = words.iter().map(|word| said(word, shouted)).collect();
    match said.join(" ") {
        empty if empty.is_empty() => shown(name),
        said => upper_first(&said),
    }
}

/// Abbreviations stay as they are; where everything is written in capitals, none can be told.
fn said(word: &str, shouted: bool) -> String {
    if word.eq_ignore_ascii_case("id") {
        return "ID".to_owned();
    }
    let capitals = word.chars().all(|c| c.is_uppercase() || c.is_numeric());
    if capitals && !shouted && word.chars().count() <= 4 {
        return word.to_owned();
    }
    word.to_lowercase()
}

/// `f(x)`, where that is all there is.
fn call(name: &str) -> Option<(&str, &str)> {
    let (function, rest) = name.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    let mut depth = 0_i32;
    for c in inner.chars() {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth < 0 {
            return None;
        }
    }
    let named = !function.is_empty() && function.chars().all(|c| c.is_alphanumeric() || c == '_');
    (depth == 0 && named).then_some((function, inner))
}

/// Anything else as it is, on one line.
fn shown(name: &str) -> String {
    let line = super::reading::one_line(name, 48);
    if line.is_empty() {
        "Value".to_owned()
    } else {
        line
    }
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// A title inside a sentence.
pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string());
    let abbreviated = |second: char| second.is_uppercase() || second.is_numeric();
    if chars.clone().next().is_some_and(abbreviated) {
        return text.to_owned();
    }
    first.unwrap_or_default() + chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_what_a_person_would_write() {
        for (name, expected) in [
            ("total_revenue", "Total revenue"),
            ("COUNT(*)", "Count"),
            (
                "count(DISTINCT T1.customer_id)",
                "Number of different customer ID",
            ),
            ("avg(o.unitPrice)", "Average unit price"),
            ("sum(amount)", "Total amount"),
            ("T1.name", "Name"),
            ("GDP", "GDP"),
            ("CUSTOMER_NAME", "Customer name"),
            ("round(avg(x), 2)", "Average x"),
            ("a * 1.0 / b", "a * 1.0 / b"),
            ("größe_in_cm", "Größe in cm"),
            ("", "Value"),
            ("\"\"", "\"\""),
        ] {
            assert_eq!(title(name), expected, "{name}");
        }
    }

    #[test]
    fn a_sum_of_averages_is_none() {
        let summed = |name: &str| can_be_summed(name, &words(name));
        for name in [
            "count(*)",
            "sum(price)",
            "total_sales",
            "amount",
            "population",
            "num_orders",
        ] {
            assert!(summed(name), "{name}");
        }
        for name in [
            "avg(amount)",
            "price",
            "age",
            "count(distinct city)",
            "sum(a) / count(*)",
            "x",
            "percent_of_sales",
            "sales_per_unit",
            "% of total",
            "max_sales",
        ] {
            assert!(!summed(name), "{name}");
        }
    }

    #[test]
    fn ids_are_no_measures() {
        let naming = |name: &str| names_things(&words(name));
        for name in [
            "id",
            "StuID",
            "customer_id",
            "zip",
            "invoice_number",
            "stuid",
        ] {
            assert!(naming(name), "{name}");
        }
        for name in ["paid", "count(id)", "amount", "number", "grid"] {
            assert!(!naming(name), "{name}");
        }
    }
}
