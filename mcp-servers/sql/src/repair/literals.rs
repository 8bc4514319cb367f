//! Texts that no row holds, written as the database writes them: `France` where `france` is stored,
//! a full name that is kept in the column beside, the name of a thing of which only the key is kept.
//!
//! Only what a condition asks to be equal is looked at; what differs from a text that nobody stores
//! is an answer by itself. Spaces at the ends are left: what was stored with some is not what is
//! asked for without. A column that keeps single letters is asked for the first one of a word.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Cell;
use sqlparser::ast::{BinaryOperator, Expr, Ident, Query, Value};

use crate::asked::{Asked, parsed};
use crate::endings::{squashed, words};
use crate::repair::columns::Places;
use crate::repair::{ident, written};
use crate::schema::{Column, Table};
use crate::scopes::{Links, Meaning, Scope, column_name, each_expression, meaning};

/// Most texts of a statement that are looked for.
const MOST: usize = 12;

/// Most different values of a column that are looked through.
const VALUES: usize = 2_000;

/// Most columns that are asked for one text.
const COLUMNS: usize = 200;

/// What a condition asks for: a table, its column, and a text.
type Wish = (String, String, String);

/// What is put in its place.
#[derive(Debug, Clone)]
enum Place {
    /// The text as it is stored, in this column of the same table.
    Here(String, String),
    /// In this column of the table whose key is kept.
    Linked {
        table: String,
        key: String,
        column: String,
        text: String,
    },
}

/// A statement whose texts are stored as it writes them, and what was changed; `None` where nothing
/// had to be, or nothing could be.
pub(super) async fn mend(query: &Query, asked: &Asked<'_>) -> Option<(String, Vec<String>)> {
    let mut wishes = BTreeSet::new();
    each(&mut query.clone(), asked, |_, wish| {
        wishes.insert(wish);
    });
    let mut places = BTreeMap::new();
    for wish in wishes.into_iter().take(MOST) {
        if let Some(place) = place(&wish, asked).await {
            places.insert(wish, place);
        }
    }
    if places.is_empty() {
        return None;
    }
    let mut how = Vec::new();
    let mut query = query.clone();
    each(&mut query, asked, |expression, wish| {
        if let Some(place) = places.get(&wish) {
            put(expression, &wish, place, asked);
            let told = match place {
                Place::Here(column, text) => {
                    format!("asked `{column}` for '{text}' instead of '{}'", wish.2)
                }
                Place::Linked {
                    table,
                    column,
                    text,
                    ..
                } => {
                    format!(
                        "asked `{column}` of `{table}` for '{text}', whose key `{}` is",
                        wish.1
                    )
                }
            };
            if !how.contains(&told) {
                how.push(told);
            }
        }
    });
    Some((written(&query, asked)?, how))
}

/// Where the texts of a statement are stored, of those that a column is compared with which is not
/// there.
pub(super) async fn places(query: &Query, asked: &Asked<'_>) -> Places {
    let mut texts = BTreeSet::new();
    each_expression(&mut query.clone(), asked.schema, |expression, scopes| {
        if let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = expression
            && let Some((source, name)) = column_name(left)
            && matches!(
                meaning(scopes, source, name),
                Meaning::NotOf(_) | Meaning::Nothing
            )
            && let Some(text) = text(right, scopes)
        {
            texts.insert(text);
        }
    });
    let mut places = Places::new();
    for text in texts.into_iter().take(MOST) {
        let columns = asked
            .schema
            .tables
            .iter()
            .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
            .filter(|(_, column)| is_text(&column.kind));
        let columns: Vec<(&Table, &Column)> = columns.take(COLUMNS).collect();
        let mut found = Vec::new();
        for (table, column) in columns {
            if stored(table, &column.name, &text, asked).await.is_some() {
                found.push((table.name.clone(), column.name.clone()));
            }
        }
        places.insert(text, found);
    }
    places
}

/// Calls for each condition that a column equals a text, or one of several, with what it asks for.
fn each(query: &mut Query, asked: &Asked<'_>, mut call: impl FnMut(&mut Expr, Wish)) {
    each_expression(query, asked.schema, |expression, scopes| {
        let wishes = match &*expression {
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } => {
                vec![(column(left, scopes), text(right, scopes))]
            }
            Expr::InList {
                expr,
                list,
                negated: false,
            } => list
                .iter()
                .map(|item| (column(expr, scopes), text(item, scopes)))
                .collect(),
            _ => return,
        };
        for wish in wishes {
            if let (Some((table, column)), Some(text)) = wish {
                call(expression, (table, column, text));
            }
        }
    });
}

/// A column of a table of the schema.
fn column(expression: &Expr, scopes: &[Scope]) -> Option<(String, String)> {
    let (source, name) = column_name(expression)?;
    match meaning(scopes, source, name) {
        Meaning::Column(source) => Some((source.table?, name.value.clone())),
        _ => None,
    }
}

/// A text, in whichever quotes.
fn text(expression: &Expr, scopes: &[Scope]) -> Option<String> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Identifier(name) if name.quote_style.is_some() => {
            matches!(meaning(scopes, None, name), Meaning::Nothing).then(|| name.value.clone())
        }
        _ => None,
    }
}

/// Writes a condition anew. One with a list may be of several wishes: only the text changes there.
fn put(expression: &mut Expr, wish: &Wish, place: &Place, asked: &Asked<'_>) {
    let literal = |text: &str| Expr::Value(Value::SingleQuotedString(text.to_owned()).into());
    let is = |item: &Expr| match item {
        Expr::Value(value) => value.value.clone().into_string().as_deref() == Some(wish.2.as_str()),
        Expr::Identifier(name) => name.value == wish.2,
        _ => false,
    };
    match (expression, place) {
        (Expr::BinaryOp { left, right, .. }, Place::Here(column, text)) => {
            if !column.eq_ignore_ascii_case(&wish.1) {
                rename(left, ident(column, asked.dialect()));
            }
            **right = literal(text);
        }
        (Expr::InList { list, .. }, Place::Here(column, text))
            if column.eq_ignore_ascii_case(&wish.1) =>
        {
            for item in list.iter_mut().filter(|item| is(item)) {
                *item = literal(text);
            }
        }
        (
            expression @ Expr::BinaryOp { .. },
            Place::Linked {
                table,
                key,
                column,
                text,
            },
        ) => {
            let name = |name: &str| ident(name, asked.dialect()).to_string();
            let from: Vec<String> = table.split('.').map(name).collect();
            let sql = format!(
                "SELECT {} FROM {} WHERE {} = {}",
                name(key),
                from.join("."),
                name(column),
                asked.dialect().literal(text)
            );
            if let (Some(subquery), Expr::BinaryOp { left, .. }) =
                (parsed(&sql, asked.dialect()), &*expression)
            {
                *expression = Expr::InSubquery {
                    expr: left.clone(),
                    subquery: Box::new(subquery),
                    negated: false,
                };
            }
        }
        _ => {}
    }
}

fn rename(expression: &mut Expr, column: Ident) {
    match expression {
        Expr::Identifier(name) => *name = column,
        Expr::CompoundIdentifier(parts) => {
            if let Some(name) = parts.last_mut() {
                *name = column;
            }
        }
        _ => {}
    }
}

/// Where a text is stored that is not where a condition looks for it; `None` where it is, or where
/// nobody knows.
async fn place((table, column, text): &Wish, asked: &Asked<'_>) -> Option<Place> {
    let table = asked.schema.table(table)?;
    let own = table.column(column)?;
    if text.trim().is_empty() || has(table, &own.name, text, asked).await {
        return None;
    }
    if let Some(text) = stored(table, &own.name, text, asked).await {
        return Some(Place::Here(own.name.clone(), text));
    }
    if let Some(text) = spelt(table, &own.name, text, asked).await {
        return Some(Place::Here(own.name.clone(), text));
    }
    let links = Links::of(asked.schema);
    let link = links.of_column(&table.name, &own.name);
    if let Some(link) = link
        && let Some(other) = asked.schema.table(&link.to)
    {
        for near in others(other, &link.target) {
            if let Some(text) = stored(other, near, text, asked).await {
                return Some(Place::Linked {
                    table: other.name.clone(),
                    key: link.target.clone(),
                    column: near.to_owned(),
                    text,
                });
            }
        }
    }
    for near in others(table, &own.name) {
        if let Some(text) = stored(table, near, text, asked).await {
            return Some(Place::Here(near.to_owned(), text));
        }
    }
    None
}

/// The other columns of a table that may hold texts.
fn others<'t>(table: &'t Table, not: &str) -> Vec<&'t str> {
    let columns = table.columns.iter().filter(|column| is_text(&column.kind));
    let names = columns.map(|column| column.name.as_str());
    names
        .filter(|name| !name.eq_ignore_ascii_case(not))
        .take(COLUMNS)
        .collect()
}

fn is_text(kind: &str) -> bool {
    let kind = kind.to_lowercase();
    kind.is_empty()
        || ["char", "text", "clob", "enum", "string"]
            .iter()
            .any(|text| kind.contains(text))
}

/// Whether a row holds exactly this text.
async fn has(table: &Table, column: &str, text: &str, asked: &Asked<'_>) -> bool {
    let literal = asked.dialect().literal(text);
    let condition = format!("{} = {literal}", ident(column, asked.dialect()));
    !values(table, column, &condition, 1, asked).await.is_empty()
}

/// A text as a row holds it that differs at most in capitals.
async fn stored(table: &Table, column: &str, text: &str, asked: &Asked<'_>) -> Option<String> {
    let literal = asked.dialect().literal(text);
    let condition = format!(
        "lower({}) = lower({literal})",
        ident(column, asked.dialect())
    );
    values(table, column, &condition, 1, asked).await.pop()
}

/// A text as a row holds it that differs in spaces and marks between its words, in the number of a
/// word, or in how yes and no are written.
async fn spelt(table: &Table, column: &str, text: &str, asked: &Asked<'_>) -> Option<String> {
    if !is_text(&table.column(column)?.kind) {
        return None;
    }
    let condition = format!("{} IS NOT NULL", ident(column, asked.dialect()));
    let all = values(table, column, &condition, VALUES, asked).await;
    let trimmed = |value: &&String| value.trim() == value.as_str();
    let whole = squashed(text);
    if let Some(same) = all
        .iter()
        .filter(trimmed)
        .find(|value| squashed(value) == whole)
    {
        return Some(same.clone());
    }
    let stems = words(text);
    let mut alike = all
        .iter()
        .filter(trimmed)
        .filter(|value| words(value) == stems);
    if let (Some(only), None) = (alike.next(), alike.next()) {
        return Some(only.clone());
    }
    if let Some(short) = shortened(text, &all) {
        return Some(short);
    }
    let wanted = truth(text)?;
    if all.len() > 3 || !all.iter().all(|value| truth(value).is_some()) {
        return None;
    }
    all.into_iter().find(|value| truth(value) == Some(wanted))
}

/// The one letter that a column keeps of a word, where it keeps nothing but letters.
fn shortened(text: &str, all: &[String]) -> Option<String> {
    let letters = all.iter().all(|value| value.chars().count() == 1);
    let first = text
        .chars()
        .next()
        .filter(|_| letters && all.len() < 8 && text.chars().count() > 1)?;
    let same = |value: &&String| {
        value
            .chars()
            .all(|letter| letter.to_lowercase().eq(first.to_lowercase()))
    };
    let mut same = all.iter().filter(same);
    same.next().filter(|_| same.next().is_none()).cloned()
}

fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Different texts of a column under a condition; none where the database does not tell.
async fn values(
    table: &Table,
    column: &str,
    condition: &str,
    most: usize,
    asked: &Asked<'_>,
) -> Vec<String> {
    let dialect = asked.dialect();
    let from: Vec<String> = table
        .name
        .split('.')
        .map(|part| ident(part, dialect).to_string())
        .collect();
    let sql = format!(
        "SELECT DISTINCT {} FROM {} WHERE {condition} LIMIT {most}",
        ident(column, dialect),
        from.join(".")
    );
    let Ok(rows) = asked.rows(&sql).await else {
        return Vec::new();
    };
    let cells = rows.rows.into_iter().flatten();
    cells
        .filter_map(|cell| match cell {
            Cell::String(text) => Some(text),
            Cell::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect()
}
