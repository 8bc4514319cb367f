//! The functions that only compute.
//!
//! A list per dialect of what its documentation has and what does no more than compute from its
//! arguments; everything else is refused, so that a function which a database, an extension or a
//! later version brings is not run because nobody thought of it. `denied.txt` says of those which
//! people know to be dangerous what they would do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use sqlparser::ast::Ident;

use crate::dialect::Dialect;
use crate::guard::{Refusal, Rules};

static SQLITE: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| list(include_str!("functions/sqlite.txt")));
static POSTGRES: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| list(include_str!("functions/postgres.txt")));
static MYSQL: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| list(include_str!("functions/mysql.txt")));

static DENIED: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let lines = include_str!("functions/denied.txt").lines();
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(names, what)| names.split_whitespace().map(move |name| (name, what)))
        .collect()
});

fn list(text: &'static str) -> BTreeSet<&'static str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect()
}

fn known(dialect: Dialect) -> &'static BTreeSet<&'static str> {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
        Dialect::Mysql => &MYSQL,
    }
}

/// Whether a dialect has a function that only computes by this name, in small letters.
pub(crate) fn is_known(name: &str, dialect: Dialect) -> bool {
    known(dialect).contains(name)
}

/// Refuses a function that is not known to only compute.
pub(super) fn check(name: &[&Ident], dialect: Dialect, rules: &Rules) -> Result<(), Refusal> {
    let words: Vec<String> = name.iter().map(|word| word.value.to_lowercase()).collect();
    let full = words.join(".");
    let last = words.last().cloned().unwrap_or_default();
    if rules.denied_functions.contains(&full) {
        return Err(Refusal::new(
            format!("the function `{full}` is denied here"),
            "do without it",
        ));
    }
    if rules.functions.contains(&full) {
        return Ok(());
    }
    let built_in = match words.as_slice() {
        [_] => true,
        [schema, _] => dialect == Dialect::Postgres && schema == "pg_catalog",
        _ => false,
    };
    let known = known(dialect);
    if built_in && known.contains(last.as_str()) {
        return Ok(());
    }
    if let Some(what) = DENIED.get(last.as_str()) {
        return Err(Refusal::new(
            format!("the function `{full}` {what}"),
            "do without it",
        ));
    }
    let near = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&last, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.9)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let hint = match near {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None => "do without it, or allow it with `functions` in the configuration".to_owned(),
    };
    Err(Refusal::new(
        format!(
            "`{full}` is no function of {} that is known to only compute",
            dialect.name()
        ),
        hint,
    ))
}

/// Whether a function of SQLite may be called. It gives names of its own to operators.
pub(super) fn may_call(function: &str, rules: &Rules) -> bool {
    let name = function.to_lowercase();
    let operator = matches!(
        name.as_str(),
        "->" | "->>" | "like" | "glob" | "match" | "regexp"
    );
    !rules.denied_functions.contains(&name)
        && (operator || rules.functions.contains(&name) || SQLITE.contains(name.as_str()))
}
