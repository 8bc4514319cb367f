//! What stands around a statement, and what keeps it from being parsed.

use crate::asked::parsed;
use crate::dialect::Dialect;

/// A change of the text: what it is called, and what it gives.
type Change = (&'static str, fn(&str, Dialect) -> String);

/// In the order in which they are tried; each stays once it changed something.
const CHANGES: [Change; 10] = [
    ("took the statement out of its fences", |text, _| {
        unfenced(text)
    }),
    ("wrote plain quotes", |text, _| straight(text)),
    ("took away what stands before the statement", |text, _| {
        from_its_beginning(text)
    }),
    ("took away what stands after the statement", |text, _| {
        to_semicolon(text)
    }),
    ("took away what stands after the statement", |text, _| {
        to_prose(text)
    }),
    ("wrote names in this database's quotes", quoted),
    ("wrote SELECT before it", |text, _| begun(text)),
    ("closed what was open", |text, _| closed(text)),
    ("took away its loose end", |text, _| without_loose_end(text)),
    ("closed what was open", |text, _| closed(text)),
];

/// A text that can be parsed, and what was changed; `None` where nothing leads to one.
pub(super) fn mend(text: &str, dialect: Dialect) -> Option<(String, Vec<String>)> {
    let mut text = text.trim().to_owned();
    let mut how = Vec::new();
    for (what, change) in CHANGES {
        let changed = change(&text, dialect).trim().to_owned();
        if changed != text && !changed.is_empty() {
            text = changed;
            how.push(what.to_owned());
            if parsed(&text, dialect).is_some() {
                return Some((text, how));
            }
        }
    }
    None
}

/// What stands between the first two fences.
fn unfenced(text: &str) -> String {
    let Some((_, after)) = text.split_once("```") else {
        return text.to_owned();
    };
    let inside = after.split_once("```").map_or(after, |(inside, _)| inside);
    // The language stands behind the fence.
    let first = inside.lines().next().unwrap_or_default().trim();
    let language = !first.is_empty() && first.chars().all(char::is_alphanumeric);
    if language && !first.eq_ignore_ascii_case("select") {
        inside.trim_start().trim_start_matches(first).to_owned()
    } else {
        inside.to_owned()
    }
}

fn straight(text: &str) -> String {
    text.replace(['‘', '’', '‚'], "'")
        .replace(['“', '”', '„'], "\"")
}

fn from_its_beginning(text: &str) -> String {
    let begins = words(text)
        .into_iter()
        .find(|(_, word)| word.eq_ignore_ascii_case("select") || word.eq_ignore_ascii_case("with"));
    match begins {
        Some((at, _)) => text.get(at..).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}

/// Words that go on with a statement after an empty line.
const GO_ON: [&str; 27] = [
    "and",
    "as",
    "asc",
    "cross",
    "desc",
    "else",
    "end",
    "except",
    "fetch",
    "from",
    "full",
    "group",
    "having",
    "inner",
    "intersect",
    "join",
    "left",
    "limit",
    "natural",
    "offset",
    "on",
    "or",
    "order",
    "right",
    "select",
    "union",
    "where",
];

/// Up to the first semicolon outside of texts.
fn to_semicolon(text: &str) -> String {
    up_to(text, |_, character, _| character == ';')
}

/// Up to the first empty line outside of texts that nothing follows which goes on with a statement.
fn to_prose(text: &str) -> String {
    up_to(text, |at, character, is_empty| {
        let rest = text.get(at..).unwrap_or_default().trim_start();
        let plain = rest.starts_with(char::is_alphabetic);
        let word = words(rest).first().map(|(_, word)| word.to_lowercase());
        let goes_on = word.is_some_and(|word| GO_ON.contains(&word.as_str()));
        let before = text.get(..at).unwrap_or_default().trim_end();
        character == '\n' && is_empty && plain && !goes_on && could_end(before)
    })
}

/// Whether a statement could end here.
fn could_end(text: &str) -> bool {
    let words: Vec<String> = words(text)
        .into_iter()
        .map(|(_, word)| word.to_lowercase())
        .collect();
    let reads = words.iter().any(|word| word == "from");
    let last = words.last().map(String::as_str).unwrap_or_default();
    let open = [
        "and", "as", "by", "from", "having", "in", "join", "like", "not", "on", "or", "select",
        "where",
    ];
    reads && !open.contains(&last) && !text.ends_with([',', '(', '=', '<', '>', '+', '-', '.'])
}

/// Up to where something ends outside of texts: told the place, what stands there, and whether all
/// before it on its line is empty.
fn up_to(text: &str, ends: impl Fn(usize, char, bool) -> bool) -> String {
    let mut quote = None;
    let mut newline = false;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(character),
            (None, _) if ends(at, character, newline) => {
                return text.get(..at).unwrap_or(text).to_owned();
            }
            _ => {}
        }
        newline = character == '\n' || newline && character.is_whitespace();
    }
    text.to_owned()
}

/// Names in backticks or brackets in the quotes of the dialect.
fn quoted(text: &str, dialect: Dialect) -> String {
    let mut written = String::new();
    let mut inside: Option<char> = None;
    let mut before = ' ';
    for character in text.chars() {
        let name_may_begin = !before.is_alphanumeric() && before != ']' && before != ')';
        match (inside, character) {
            (Some('`'), '`') | (Some('['), ']') => {
                inside = None;
                written.push(dialect.quote());
            }
            (Some(open), _) => {
                if character == open && open != '[' {
                    inside = None;
                }
                written.push(character);
            }
            (None, '`') => {
                inside = Some('`');
                written.push(dialect.quote());
            }
            (None, '[') if name_may_begin => {
                inside = Some('[');
                written.push(dialect.quote());
            }
            (None, _) => {
                if matches!(character, '\'' | '"') {
                    inside = Some(character);
                }
                written.push(character);
            }
        }
        before = character;
    }
    written
}

fn begun(text: &str) -> String {
    let known = [
        "select", "with", "insert", "update", "delete", "create", "drop", "alter",
    ];
    let words = words(text);
    let first = words
        .first()
        .map(|(_, word)| word.to_lowercase())
        .unwrap_or_default();
    let reads = words
        .iter()
        .any(|(_, word)| word.eq_ignore_ascii_case("from"));
    if reads && !known.contains(&first.as_str()) {
        format!("SELECT {text}")
    } else {
        text.to_owned()
    }
}

/// With as many parentheses closed as were opened, and with the last text closed. What a function is
/// called with ends before FROM.
fn closed(text: &str) -> String {
    let froms: Vec<usize> = words(text)
        .into_iter()
        .filter(|(_, word)| word.eq_ignore_ascii_case("from"))
        .map(|(at, _)| at)
        .collect();
    let selects = |at: usize| {
        let inside = text.get(at.saturating_add(1)..).unwrap_or_default();
        let first = words(inside).first().map(|(_, word)| word.to_lowercase());
        matches!(first.as_deref(), Some("select" | "with"))
    };
    let short = text.matches('(').count() > text.matches(')').count();
    let mut kept = String::new();
    // Whether each open one has a query inside.
    let mut open: Vec<bool> = Vec::new();
    let mut quote = None;
    for (at, character) in text.char_indices() {
        if short && froms.contains(&at) && open.last() == Some(&false) {
            open.pop();
            kept.truncate(kept.trim_end().len());
            kept.push_str(") ");
        }
        match (quote, character) {
            (Some(opened), _) if character == opened => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(character),
            (None, '(') => open.push(selects(at)),
            (None, ')') if open.pop().is_none() => continue,
            _ => {}
        }
        kept.push(character);
    }
    kept.extend(quote);
    kept.extend(open.iter().map(|_| ')'));
    kept
}

/// Without words at its end that something would have to follow.
fn without_loose_end(text: &str) -> String {
    let mut text = text.trim_end();
    loop {
        let trimmed = text.trim_end_matches([',', '=', '<', '>', '.', '(', ' ', '\n']);
        let last = words(trimmed).pop();
        let loose = [
            "where",
            "and",
            "or",
            "by",
            "order",
            "group",
            "having",
            "limit",
            "on",
            "join",
            "in",
            "as",
            "like",
            "not",
            "inner",
            "left",
            "union",
            "intersect",
            "except",
        ];
        match last {
            Some((at, word)) if loose.contains(&word.to_lowercase().as_str()) && at > 0 => {
                text = trimmed.get(..at).unwrap_or_default().trim_end();
            }
            _ => return trimmed.to_owned(),
        }
    }
}

/// The words of a text outside of quotes, each with where it begins.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut begun = None;
    let mut quote = None;
    for (at, character) in text.char_indices() {
        let plain = quote.is_none() && (character.is_alphanumeric() || character == '_');
        match (plain, begun) {
            (true, None) => begun = Some(at),
            (false, Some(from)) => {
                words.push((from, text.get(from..at).unwrap_or_default()));
                begun = None;
            }
            _ => {}
        }
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(character),
            _ => {}
        }
    }
    if let Some(from) = begun {
        words.push((from, text.get(from..).unwrap_or_default()));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::mend;
    use crate::dialect::Dialect;

    #[test]
    fn what_stands_around_a_statement_is_taken_away() {
        for text in [
            "```sql\nSELECT a FROM t WHERE b = ';'\n```",
            "Here it is:\n```\nSELECT a FROM t WHERE b = ';'\n```\nIt reads t.",
            "The answer is SELECT a FROM t WHERE b = ';'; it reads t, and no more.",
            "SQL: SELECT a FROM t WHERE b = ';'\n\nIt reads t.",
            "a FROM t WHERE b = ';'",
            "SELECT a FROM t WHERE b = ‘;’",
            "SELECT a FROM t WHERE b = ';'; .030 sec",
            "SELECT a FROM t WHERE b = ';'\n\nThis reads t.",
        ] {
            let (mended, how) = mend(text, Dialect::Sqlite).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(mended, "SELECT a FROM t WHERE b = ';'", "{text}");
            assert!(!how.is_empty());
        }
    }

    #[test]
    fn an_empty_line_ends_no_statement_that_goes_on() {
        for (text, mended) in [
            (
                "SELECT a\nFROM t\n\nWHERE b = 1\n\nORDER BY (a",
                "SELECT a\nFROM t\n\nWHERE b = 1\n\nORDER BY (a)",
            ),
            ("SELECT a,\n\n  (b FROM t", "SELECT a,\n\n  (b) FROM t"),
            (
                "Sure:\n\nSELECT a FROM t\n\nWHERE b = 1\n\nIt reads t.",
                "SELECT a FROM t\n\nWHERE b = 1",
            ),
        ] {
            assert_eq!(mend(text, Dialect::Sqlite).unwrap().0, mended, "{text}");
        }
    }

    #[test]
    fn what_is_open_is_closed_and_loose_ends_go() {
        for (text, mended) in [
            (
                "SELECT a FROM t WHERE b IN (SELECT c FROM u",
                "SELECT a FROM t WHERE b IN (SELECT c FROM u)",
            ),
            ("SELECT a FROM t)", "SELECT a FROM t"),
            ("SELECT max(a FROM t", "SELECT max(a) FROM t"),
            (
                "SELECT a FROM t WHERE b = 'x",
                "SELECT a FROM t WHERE b = 'x'",
            ),
            ("SELECT a FROM t WHERE", "SELECT a FROM t"),
            ("SELECT a FROM t ORDER BY", "SELECT a FROM t"),
        ] {
            assert_eq!(mend(text, Dialect::Sqlite).unwrap().0, mended);
        }
        assert_eq!(mend("SELECT", Dialect::Sqlite), None);
        assert_eq!(mend("", Dialect::Sqlite), None);
    }

    #[test]
    fn other_databases_have_other_quotes() {
        assert_eq!(
            mend("SELECT `a b` FROM t WHERE c = '`'", Dialect::Postgres)
                .unwrap()
                .0,
            "SELECT \"a b\" FROM t WHERE c = '`'"
        );
        assert_eq!(
            mend("SELECT [a b] FROM t", Dialect::Mysql).unwrap().0,
            "SELECT `a b` FROM t"
        );
    }
}
