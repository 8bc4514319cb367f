//! Entries in JSON, with comments and without. The parser says where things are; the edit is a cut
//! or an insertion there. A syntax tree that is printed again would do with less code, but it
//! breaks lines that the user left whole.

mod layout;
mod splices;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{
    CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast, parse_to_serde_value,
};
use serde_json::{Map, Value as Data, json};

use self::layout::{Layout, Written, on_one_line};
use self::splices::{Splices, insertion, inside, removal};
use super::{EditError, line_of, spliced};
use crate::client::{Form, Syntax};
use crate::entry::{Entry, starts_us};

pub(super) fn put(text: &str, form: &Form, entry: &Entry) -> Result<String, EditError> {
    let mut made = text.to_owned();
    // One change at a time, until nothing is left to change: each is found in the text as it is.
    while let Some(splices) = next_change(&made, form, entry)? {
        made = spliced(&made, splices);
    }
    let mut expected = data(text, form)?;
    with_table(&mut expected, form.table, |servers| {
        with_table(servers, &entry.name, |server| {
            server.extend(fields(form, entry).map(|(key, value)| (key.to_owned(), value)));
        });
    });
    checked(made, form, &expected)
}

pub(super) fn take(text: &str, form: &Form, name: &str) -> Result<String, EditError> {
    let Some(found) = lookup(text, form, name)? else {
        return Ok(text.to_owned());
    };
    let mut made = spliced(text, found);
    let mut expected = data(text, form)?;
    with_table(&mut expected, form.table, |servers| {
        servers.remove(name);
    });
    // A table that holds nothing any more, not even a comment, goes too.
    if let Some(splices) = empty_table(&made, form)? {
        made = spliced(&made, splices);
        expected.remove(form.table);
    }
    checked(made, form, &expected)
}

pub(super) fn find(text: &str, form: &Form, name: &str) -> Result<Option<Entry>, EditError> {
    let data = data(text, form)?;
    let server = data
        .get(form.table)
        .and_then(|servers| servers.get(name))
        .and_then(Data::as_object);
    let Some(server) = server else {
        return Ok(None);
    };
    let command = server.get("command").and_then(Data::as_str);
    let args = server.get("args").and_then(Data::as_array);
    let args = args.into_iter().flatten().filter_map(Data::as_str);
    Ok(command
        .filter(|command| starts_us(command))
        .map(|command| Entry {
            name: name.to_owned(),
            command: command.to_owned(),
            args: args.map(str::to_owned).collect(),
        }))
}

/// What an entry says, in its order.
fn fields(form: &Form, entry: &Entry) -> impl Iterator<Item = (&'static str, Data)> {
    let kind = form.says_stdio.then(|| ("type", json!("stdio")));
    let rest = [
        ("command", json!(entry.command)),
        ("args", json!(entry.args)),
    ];
    kind.into_iter().chain(rest)
}

/// The next step on the way to the entry, if it is not there yet.
fn next_change(text: &str, form: &Form, entry: &Entry) -> Result<Option<Splices>, EditError> {
    let layout = Layout::of(text);
    let Some(root) = parse(text, form)? else {
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            layout.newline
        };
        let all = Written::Table(vec![(form.table.to_owned(), servers_table(form, entry))]);
        let all = format!("{gap}{}{}", all.over_lines(&layout, ""), layout.newline);
        return Ok(Some(vec![(text.len()..text.len(), all)]));
    };
    let root = root_object(text, &root)?;
    let Some(servers) = only(text, root, form.table)? else {
        let value = servers_table(form, entry);
        return Ok(Some(insertion(text, root, &layout, form.table, &value)));
    };
    let servers = object(text, servers, form.table)?;
    let Some(server) = only(text, servers, &entry.name)? else {
        let value = server_table(form, entry);
        return Ok(Some(insertion(text, servers, &layout, &entry.name, &value)));
    };
    let server = ours(text, server, &entry.name)?;
    let now = data(text, form)?;
    let now = now
        .get(form.table)
        .and_then(|servers| servers.get(&entry.name));
    for (key, value) in fields(form, entry) {
        let said = now.and_then(|server| server.get(key));
        if said == Some(&value) {
            continue;
        }
        return Ok(Some(match only(text, server, key)? {
            Some(property) => {
                let place = property.value.range();
                vec![(place.start..place.end, on_one_line(&value))]
            }
            None => insertion(text, server, &layout, key, &Written::Value(value)),
        }));
    }
    Ok(None)
}

/// The cuts that take a server out, if it is there.
fn lookup(text: &str, form: &Form, name: &str) -> Result<Option<Splices>, EditError> {
    let Some(root) = parse(text, form)? else {
        return Ok(None);
    };
    let root = root_object(text, &root)?;
    let Some(servers) = only(text, root, form.table)? else {
        return Ok(None);
    };
    let servers = object(text, servers, form.table)?;
    let Some(server) = only(text, servers, name)? else {
        return Ok(None);
    };
    ours(text, server, name)?;
    Ok(Some(removal(text, servers, server)))
}

fn empty_table(text: &str, form: &Form) -> Result<Option<Splices>, EditError> {
    let Some(root) = parse(text, form)? else {
        return Ok(None);
    };
    let root = root_object(text, &root)?;
    let Some(servers) = only(text, root, form.table)? else {
        return Ok(None);
    };
    let within = object(text, servers, form.table)?;
    let bare = inside(text, within).trim().is_empty();
    Ok(bare.then(|| removal(text, root, servers)))
}

fn options(form: &Form) -> ParseOptions {
    let lenient = form.syntax == Syntax::JsonWithComments;
    ParseOptions {
        allow_comments: lenient,
        allow_trailing_commas: lenient,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn parse<'a>(text: &'a str, form: &Form) -> Result<Option<Value<'a>>, EditError> {
    let collect = CollectOptions {
        comments: CommentCollectionStrategy::Off,
        tokens: false,
    };
    match parse_to_ast(text, &collect, &options(form)) {
        Ok(parsed) => Ok(parsed.value),
        Err(error) => Err(EditError::Syntax {
            line: error.line_display(),
            column: error.column_display(),
            problem: error.kind().to_string(),
        }),
    }
}

/// What a text says; an empty table if it says nothing.
fn data(text: &str, form: &Form) -> Result<Map<String, Data>, EditError> {
    if parse(text, form)?.is_none() {
        return Ok(Map::new());
    }
    match parse_to_serde_value(text, &options(form)) {
        Ok(Data::Object(data)) => Ok(data),
        Ok(_) => Err(no_table(text, 0, "the file")),
        Err(error) => Err(EditError::Unsafe {
            reason: format!("what the file says cannot be compared: {error}"),
        }),
    }
}

/// The data with another table under a key.
fn with_table(
    data: &mut Map<String, Data>,
    key: &str,
    change: impl FnOnce(&mut Map<String, Data>),
) {
    let mut table = match data.remove(key) {
        Some(Data::Object(table)) => table,
        _ => Map::new(),
    };
    change(&mut table);
    data.insert(key.to_owned(), Data::Object(table));
}

fn checked(made: String, form: &Form, expected: &Map<String, Data>) -> Result<String, EditError> {
    if data(&made, form)? == *expected {
        Ok(made)
    } else {
        Err(EditError::Unsafe {
            reason: "the file is written in a way that an edit could break".to_owned(),
        })
    }
}

/// The one property of this name.
fn only<'a, 'b>(
    text: &str,
    object: &'b Object<'a>,
    name: &str,
) -> Result<Option<&'b ObjectProp<'a>>, EditError> {
    let mut named = object
        .properties
        .iter()
        .filter(|property| property.name.as_str() == name);
    let first = named.next();
    match named.next() {
        None => Ok(first),
        Some(second) => Err(EditError::Twice {
            line: line_of(text, second.range.start),
            name: name.to_owned(),
        }),
    }
}

fn root_object<'a, 'b>(text: &str, root: &'b Value<'a>) -> Result<&'b Object<'a>, EditError> {
    let object = root.as_object();
    object.ok_or_else(|| no_table(text, root.range().start, "the file"))
}

fn object<'a, 'b>(
    text: &str,
    property: &'b ObjectProp<'a>,
    name: &str,
) -> Result<&'b Object<'a>, EditError> {
    let object = property.value.as_object();
    object.ok_or_else(|| no_table(text, property.range.start, name))
}

/// A server's table, if it is one that starts our program.
fn ours<'a, 'b>(
    text: &str,
    property: &'b ObjectProp<'a>,
    name: &str,
) -> Result<&'b Object<'a>, EditError> {
    let server = object(text, property, name)?;
    let command = only(text, server, "command")?;
    let command = command.and_then(|command| command.value.as_string_lit());
    match command {
        Some(command) if starts_us(&command.value) => Ok(server),
        other => Err(EditError::Foreign {
            line: line_of(text, property.range.start),
            name: name.to_owned(),
            starts: other.map_or_else(
                || "it has no command".to_owned(),
                |command| format!("it starts {}", command.value),
            ),
        }),
    }
}

fn no_table(text: &str, at: usize, name: &str) -> EditError {
    EditError::NoTable {
        line: line_of(text, at),
        name: name.to_owned(),
    }
}

fn server_table(form: &Form, entry: &Entry) -> Written {
    let fields = fields(form, entry).map(|(key, value)| (key.to_owned(), Written::Value(value)));
    Written::Table(fields.collect())
}

fn servers_table(form: &Form, entry: &Entry) -> Written {
    Written::Table(vec![(entry.name.clone(), server_table(form, entry))])
}
