//! Texts that no row holds, written as the database writes them: `France` where `france` is stored,
//! a full name that is kept in the column beside, the name of a thing of which only the key is kept.
//!
//! Only what a condition asks to be equal is looked at, and not under a NOT or in a CASE; what
//! differs from a text that nobody stores is an answer by itself. Spaces at the ends are left: what
//! was stored with some is not what is asked for without. Where the database was not asked, or did
//! not say, nothing is changed.
//!
//! - `spelling`: which of the stored texts is meant.

mod spelling;

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{BinaryOperator, Expr, Ident, Query, Value};

use crate::asked::{Asked, Unknown, parsed};
use crate::dialect::Dialect;
use crate::repair::columns::Places;
use crate::repair::written;
use crate::schema::{Column, Table};
use crate::scopes::{Meaning, Scope, column_name, each_condition, meaning};

/// Most texts of a statement that are looked for.
const MOST: usize = 12;

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
/// had to be, or nothing could be. Another column is asked only where `anywhere`.
pub(super) async fn mend(
    query: &Query,
    anywhere: bool,
    asked: &Asked<'_>,
) -> Option<(String, Vec<String>)> {
    let mut wishes = BTreeSet::new();
    each(&mut query.clone(), asked, |_, wish| {
        wishes.insert(wish);
    });
    let mut places = BTreeMap::new();
    for wish in wishes.into_iter().take(MOST) {
        if let Ok(Some(place)) = place(&wish, anywhere, asked).await {
            places.insert(wish, place);
        }
    }
    if places.is_empty() {
        return None;
    }
    let mut how = Vec::new();
    let mut mended = query.clone();
    each(&mut mended, asked, |expression, wish| {
        if let Some(place) = places.get(&wish)
            && put(expression, &wish, place, asked)
        {
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
    if how.is_empty() {
        return None;
    }
    Some((written(&mended, asked)?, how))
}

/// Where texts are stored, as far as the database says.
pub(super) async fn places(texts: BTreeSet<String>, asked: &Asked<'_>) -> Places {
    let mut places = Places::new();
    for text in texts.into_iter().take(MOST) {
        let columns = asked
            .schema
            .tables
            .iter()
            .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
            .filter(|(_, column)| column.holds().texts());
        let columns: Vec<(&Table, &Column)> = columns.take(COLUMNS).collect();
        let mut found = Vec::new();
        for (table, column) in columns {
            if let Ok(Some(_)) = asked.stored(table, column, &text).await {
                found.push((table.name.clone(), column.name.clone()));
            }
        }
        places.insert(text, found);
    }
    places
}

/// Calls for each condition that a column equals a text, or one of several, with what it asks for.
fn each(query: &mut Query, asked: &Asked<'_>, mut call: impl FnMut(&mut Expr, Wish)) {
    each_condition(query, asked.schema, |expression, scopes, turned| {
        if turned {
            return;
        }
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

/// Writes a condition anew, if it can be. One with a list may be of several wishes: only the text
/// changes there.
fn put(expression: &mut Expr, wish: &Wish, place: &Place, asked: &Asked<'_>) -> bool {
    let literal = |text: &str| Expr::Value(Value::SingleQuotedString(text.to_owned()).into());
    let is = |item: &Expr| match item {
        Expr::Value(value) => value.value.clone().into_string().as_deref() == Some(wish.2.as_str()),
        Expr::Identifier(name) => name.value == wish.2,
        _ => false,
    };
    match (expression, place) {
        (Expr::BinaryOp { left, right, .. }, Place::Here(column, text)) => {
            if !column.eq_ignore_ascii_case(&wish.1) {
                rename(left, asked.dialect().ident(column));
            }
            **right = literal(text);
            true
        }
        (Expr::InList { list, .. }, Place::Here(column, text))
            if column.eq_ignore_ascii_case(&wish.1) =>
        {
            for item in list.iter_mut().filter(|item| is(item)) {
                *item = literal(text);
            }
            true
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
            let dialect = asked.dialect();
            let sql = format!(
                "SELECT {} FROM {} WHERE {} = {}",
                dialect.named(key),
                dialect.named_path(table),
                dialect.named(column),
                dialect.literal(text)
            );
            if let (Some(subquery), Expr::BinaryOp { left, .. }) =
                (parsed(&sql, dialect), &*expression)
            {
                *expression = Expr::InSubquery {
                    expr: left.clone(),
                    subquery: Box::new(subquery),
                    negated: false,
                };
                return true;
            }
            false
        }
        _ => false,
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

/// Where a text is stored that is not where a condition looks for it; `None` where it is.
async fn place(
    (table, column, text): &Wish,
    anywhere: bool,
    asked: &Asked<'_>,
) -> Result<Option<Place>, Unknown> {
    let Some(table) = asked.schema.table(table) else {
        return Ok(None);
    };
    let Some(own) = table.column(column) else {
        return Ok(None);
    };
    if text.trim().is_empty() || asked.holds(table, own, text).await? {
        return Ok(None);
    }
    // SQLite keeps texts in columns of any type.
    if (own.holds().texts() || asked.dialect() == Dialect::Sqlite)
        && let Some(text) = asked.stored(table, own, text).await?
    {
        return Ok(Some(Place::Here(own.name.clone(), text)));
    }
    if own.holds().texts()
        && let Ok(all) = asked.texts(table, own).await
        && let Some(text) = spelling::meant(text, &all)
    {
        return Ok(Some(Place::Here(own.name.clone(), text)));
    }
    if !anywhere {
        return Ok(None);
    }
    if let Some((link, target)) = asked.links.of_column(&table.name, &own.name)
        && link.pairs.len() == 1
        && let Some(other) = asked.schema.table(&link.to)
    {
        for near in others(other, target) {
            if let Some(text) = asked.stored(other, near, text).await? {
                return Ok(Some(Place::Linked {
                    table: other.name.clone(),
                    key: target.to_owned(),
                    column: near.name.clone(),
                    text,
                }));
            }
        }
    }
    for near in others(table, &own.name) {
        if let Some(text) = asked.stored(table, near, text).await? {
            return Ok(Some(Place::Here(near.name.clone(), text)));
        }
    }
    Ok(None)
}

/// The other columns of a table that may hold texts.
fn others<'t>(table: &'t Table, not: &str) -> Vec<&'t Column> {
    let columns = table.columns.iter();
    columns
        .filter(|column| column.holds().texts() && !column.name.eq_ignore_ascii_case(not))
        .take(COLUMNS)
        .collect()
}
