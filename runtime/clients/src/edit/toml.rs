//! Entries in TOML. The editor keeps what it does not touch; what it would not print as it was is
//! refused before.

use ::toml::{Table as Data, Value as Datum};
use toml_edit::{
    Array, Document, DocumentMut, InlineTable, Item, RawString, Table, TableLike, TomlError, Value,
    value,
};

use super::{EditError, column_of, line_of};
use crate::client::Form;
use crate::entry::{Entry, starts_us};

pub(super) fn put(text: &str, form: &Form, entry: &Entry) -> Result<String, EditError> {
    let (mut document, ends) = parse(text)?;
    let expected = with_table(data(&document.to_string())?, form.table, |servers| {
        with_table(servers, &entry.name, |mut server| {
            server.insert("command".to_owned(), entry.command.clone().into());
            server.insert("args".to_owned(), entry.args.clone().into());
            server
        })
    });
    let Some(servers) = document.get_mut(form.table) else {
        append(&mut document, form, entry);
        return checked(&document, ends, &expected);
    };
    let braces = servers.is_inline_table();
    let servers = servers.as_table_like_mut();
    let servers = servers.ok_or_else(|| no_table(text, &[form.table]))?;
    let within_line = braces || servers.is_dotted();
    match servers.get_mut(&entry.name) {
        Some(server) => renew(ours(text, form, server, &entry.name)?, entry),
        None if within_line => {
            let server: InlineTable = fields(entry).into_iter().collect();
            servers.insert(&entry.name, value(server));
        }
        None => {
            servers.insert(&entry.name, Item::Table(server(entry)));
        }
    }
    checked(&document, ends, &expected)
}

pub(super) fn take(text: &str, form: &Form, name: &str) -> Result<String, EditError> {
    let (mut document, ends) = parse(text)?;
    let before = data(&document.to_string())?;
    let Some(servers) = document.get_mut(form.table) else {
        return Ok(text.to_owned());
    };
    // A table that is there only because of what it holds is gone with it.
    let unwritten = servers
        .as_table()
        .is_some_and(|servers| servers.is_implicit() || servers.is_dotted());
    let servers = servers.as_table_like_mut();
    let servers = servers.ok_or_else(|| no_table(text, &[form.table]))?;
    let Some(server) = servers.get_mut(name) else {
        return Ok(text.to_owned());
    };
    ours(text, form, server, name)?;
    let removed = servers.remove(name);
    let gone = unwritten && servers.is_empty();
    if gone {
        document.remove(form.table);
    }
    if let Some(Item::Table(removed)) = removed {
        keep_comments(&mut document, &removed);
    }
    let mut expected = with_table(before, form.table, |mut servers| {
        servers.remove(name);
        servers
    });
    if gone {
        expected.remove(form.table);
    }
    checked(&document, ends, &expected)
}

pub(super) fn find(text: &str, form: &Form, name: &str) -> Result<Option<Entry>, EditError> {
    let data = data(text)?;
    let server = data.get(form.table).and_then(|servers| servers.get(name));
    let Some(server) = server.and_then(Datum::as_table) else {
        return Ok(None);
    };
    let command = server.get("command").and_then(Datum::as_str);
    let args = server.get("args").and_then(Datum::as_array);
    let args = args.into_iter().flatten().filter_map(Datum::as_str);
    Ok(command
        .filter(|command| starts_us(command))
        .map(|command| Entry {
            name: name.to_owned(),
            command: command.to_owned(),
            args: args.map(str::to_owned).collect(),
        }))
}

/// How lines end. The editor prints only one kind.
#[derive(Clone, Copy)]
enum Ends {
    Lf,
    CrLf,
}

fn parse(text: &str) -> Result<(DocumentMut, Ends), EditError> {
    let carriage = text.matches('\r').count();
    let (ends, text) = if carriage == 0 {
        (Ends::Lf, text.to_owned())
    } else if carriage == text.matches("\r\n").count() && carriage == text.matches('\n').count() {
        (Ends::CrLf, text.replace("\r\n", "\n"))
    } else {
        return Err(EditError::Unsafe {
            reason: "the file's lines end in different ways".to_owned(),
        });
    };
    let document: DocumentMut = text.parse().map_err(|error| syntax(&text, &error))?;
    if document.to_string() != text {
        return Err(EditError::Unsafe {
            reason: "the file is written in a way that an edit would change elsewhere".to_owned(),
        });
    }
    Ok((document, ends))
}

fn syntax(text: &str, error: &TomlError) -> EditError {
    let at = error.span().map_or(0, |span| span.start);
    EditError::Syntax {
        line: line_of(text, at),
        column: column_of(text, at),
        problem: error.message().to_owned(),
    }
}

fn data(text: &str) -> Result<Data, EditError> {
    text.parse().map_err(|error: ::toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        EditError::Syntax {
            line: line_of(text, at),
            column: column_of(text, at),
            problem: error.message().to_owned(),
        }
    })
}

/// The data with another table under a key.
fn with_table(mut data: Data, key: &str, change: impl FnOnce(Data) -> Data) -> Data {
    let table = match data.remove(key) {
        Some(Datum::Table(table)) => table,
        _ => Data::new(),
    };
    data.insert(key.to_owned(), Datum::Table(change(table)));
    data
}

fn checked(document: &DocumentMut, ends: Ends, expected: &Data) -> Result<String, EditError> {
    let made = document.to_string();
    if data(&made)? != *expected {
        return Err(EditError::Unsafe {
            reason: "the file is written in a way that an edit could break".to_owned(),
        });
    }
    Ok(match ends {
        Ends::Lf => made,
        Ends::CrLf => made.replace('\n', "\r\n"),
    })
}

fn fields(entry: &Entry) -> [(&'static str, Value); 2] {
    let args: Array = entry.args.iter().collect();
    [
        ("command", entry.command.as_str().into()),
        ("args", args.into()),
    ]
}

fn server(entry: &Entry) -> Table {
    let fields = fields(entry).into_iter();
    fields.map(|(key, field)| (key, value(field))).collect()
}

/// The entry at the end of a file that has no servers yet, below the comments there.
fn append(document: &mut DocumentMut, form: &Form, entry: &Entry) {
    let mut server = server(entry);
    let mut above = document.trailing().as_str().unwrap_or_default().to_owned();
    if !above.is_empty() && !above.ends_with('\n') {
        above.push('\n');
    }
    if !document.is_empty() || !above.is_empty() {
        above.push('\n');
    }
    document.set_trailing("");
    server.decor_mut().set_prefix(above);
    server.set_position(Some(last_position(document) + 1));
    let mut servers = Table::new();
    servers.set_implicit(true);
    servers.insert(&entry.name, Item::Table(server));
    document.insert(form.table, Item::Table(servers));
}

/// What starts the server is set anew where it differs; comments behind it stay.
fn renew(server: &mut dyn TableLike, entry: &Entry) {
    for (key, field) in fields(entry) {
        match server.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) if same(old, &field) => {}
            Some(old) => {
                let decor = old.decor().clone();
                *old = field;
                *old.decor_mut() = decor;
            }
            None => {
                server.insert(key, value(field));
            }
        }
    }
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => one.as_str().is_some() && one.as_str() == other.as_str(),
    }
}

/// A server's table, if it is one that starts our program.
fn ours<'a>(
    text: &str,
    form: &Form,
    server: &'a mut Item,
    name: &str,
) -> Result<&'a mut dyn TableLike, EditError> {
    let path = [form.table, name];
    let server = server.as_table_like_mut();
    let server = server.ok_or_else(|| no_table(text, &path))?;
    let command = server.get("command").and_then(Item::as_str);
    match command {
        Some(command) if starts_us(command) => Ok(server),
        other => Err(EditError::Foreign {
            line: line_at(text, &path),
            name: name.to_owned(),
            starts: other.map_or_else(
                || "it has no command".to_owned(),
                |command| format!("it starts {command}"),
            ),
        }),
    }
}

fn no_table(text: &str, path: &[&str]) -> EditError {
    EditError::NoTable {
        line: line_at(text, path),
        name: path.last().copied().unwrap_or_default().to_owned(),
    }
}

/// The line on which something is.
fn line_at(text: &str, path: &[&str]) -> usize {
    let Ok(document) = Document::parse(text) else {
        return 1;
    };
    let mut item = Some(document.as_item());
    for key in path {
        item = item.and_then(|item| item.get(key));
    }
    let span = item.and_then(Item::span);
    span.map_or(1, |span| line_of(text, span.start))
}

/// What stood above a table that is gone stands above the next one.
fn keep_comments(document: &mut DocumentMut, removed: &Table) {
    let above = removed.decor().prefix().and_then(RawString::as_str);
    let above = above.unwrap_or_default();
    // A blank line right before the table belonged to it.
    let blank = above == "\n" || above.ends_with("\n\n");
    let above = above.strip_suffix('\n').filter(|_| blank).unwrap_or(above);
    let Some(place) = removed.position().filter(|_| !above.is_empty()) else {
        return;
    };
    let next = positions(document)
        .into_iter()
        .filter(|other| *other > place);
    let next = next
        .min()
        .and_then(|next| at_position(document.as_table_mut(), next));
    if let Some(next) = next {
        let below = next.decor().prefix().and_then(RawString::as_str);
        let prefix = format!("{above}{}", below.unwrap_or_default());
        next.decor_mut().set_prefix(prefix);
    } else {
        let below = document.trailing().as_str().unwrap_or_default();
        let trailing = format!("{above}{below}");
        document.set_trailing(trailing);
    }
}

fn last_position(document: &DocumentMut) -> isize {
    positions(document).into_iter().max().unwrap_or(0)
}

/// The places of all tables with a header.
fn positions(document: &DocumentMut) -> Vec<isize> {
    fn collect(table: &Table, found: &mut Vec<isize>) {
        found.extend(table.position());
        for (_, item) in table {
            match item {
                Item::Table(table) => collect(table, found),
                Item::ArrayOfTables(tables) => {
                    tables.iter().for_each(|table| collect(table, found))
                }
                Item::None | Item::Value(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    collect(document.as_table(), &mut found);
    found
}

fn at_position(table: &mut Table, place: isize) -> Option<&mut Table> {
    if table.position() == Some(place) {
        return Some(table);
    }
    table.iter_mut().find_map(|(_, item)| match item {
        Item::Table(table) => at_position(table, place),
        Item::ArrayOfTables(tables) => tables
            .iter_mut()
            .find_map(|table| at_position(table, place)),
        Item::None | Item::Value(_) => None,
    })
}
