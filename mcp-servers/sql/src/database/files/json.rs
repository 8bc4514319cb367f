//! JSON objects as rows: one a line, in an array, or one after another.
//!
//! The columns are the names of all objects, in the order in which they first come. A name that an
//! object has not, or has with `null`, is NULL there; objects and arrays in it are kept as their
//! JSON. Numbers keep their digits, however many.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::database::files::FileError;
use crate::database::files::find::{Format, Source};
use crate::database::files::load::{MAX_COLUMNS, Rows, Take};
use crate::database::files::text::{self, Encoding};
use crate::database::files::types::Value;
use crate::database::files::watch::{Stop, Watch};

const KIND: &str = "JSON";

pub(super) struct Json<'a> {
    source: &'a Source,
    watch: &'a Watch<'a>,
    encoding: Encoding,
    columns: Columns,
}

/// Names, and where they are in the rows.
#[derive(Default)]
struct Columns {
    places: HashMap<String, usize>,
    names: Vec<String>,
}

impl<'a> Json<'a> {
    pub(super) fn open(source: &'a Source, watch: &'a Watch<'a>) -> Result<Self, FileError> {
        Ok(Self {
            source,
            watch,
            encoding: text::encoding(source, KIND, watch)?,
            columns: Columns::default(),
        })
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn lines(&mut self, mut text: impl BufRead, take: &mut Take<'_>) -> Result<(), FileError> {
        let mut line = Vec::new();
        let mut row = Vec::new();
        for number in 1.. {
            line.clear();
            let read = text.read_until(b'\n', &mut line);
            let read = read.map_err(|error| {
                let stopped = self.watch.stopped(&error, number);
                stopped.unwrap_or_else(|| text::failed(self.source, self.watch, error))
            })?;
            if read == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            self.watch.row()?;
            let object = Object {
                columns: &mut self.columns,
                row: &mut row,
            };
            let mut json = serde_json::Deserializer::from_slice(&line);
            let read = object.deserialize(&mut json).and_then(|()| json.end());
            read.map_err(|error| self.source.line(number, reason(&error, 0)))?;
            if !take(&values(&row))? {
                break;
            }
        }
        Ok(())
    }

    fn stream(&mut self, text: impl BufRead, take: &mut Take<'_>) -> Result<(), FileError> {
        let mut text = Counted {
            inner: text,
            line: 1,
            column: 0,
        };
        let mut row = Vec::new();
        let mut stopped = None;
        while text
            .is_more()
            .map_err(|error| text::failed(self.source, self.watch, error))?
        {
            let before = (text.line, text.column);
            let watch = self.watch;
            let items = Items {
                columns: &mut self.columns,
                row: &mut row,
                take: &mut |row| {
                    stopped = match watch.row().and_then(|()| take(&values(row))) {
                        Ok(true) => None,
                        Ok(false) => Some(Ok(())),
                        Err(error) => Some(Err(error)),
                    };
                    stopped.is_none()
                },
            };
            // Ends with the bracket of an object or an array, and reads nothing beyond.
            let mut json = serde_json::Deserializer::from_reader(&mut text);
            let read = items.deserialize(&mut json);
            if let Some(stopped) = stopped {
                return stopped;
            }
            read.map_err(|error| self.failed(&error, before))?;
        }
        Ok(())
    }

    /// What is wrong with a value that began at a line and a column.
    fn failed(&self, error: &serde_json::Error, (line, column): (u64, usize)) -> FileError {
        let column = if error.line() > 1 { 0 } else { column };
        let line = line.saturating_add(error.line() as u64).saturating_sub(1);
        if !error.is_io() {
            return self.source.line(line, reason(error, column));
        }
        // What is in the error cannot be taken out of it.
        let cancelled = self.watch.row().err();
        cancelled.unwrap_or_else(|| self.watch.error(&Stop::Row, line))
    }
}

impl Rows for Json<'_> {
    fn each(&mut self, take: &mut Take<'_>) -> Result<(), FileError> {
        let text = text::open(self.source, self.encoding, self.watch)?;
        let text = BufReader::with_capacity(64 << 10, text);
        match self.source.format {
            Format::Json => self.stream(text, take),
            _ => self.lines(text, take),
        }
    }

    fn names(&self) -> Vec<String> {
        self.columns.names.clone()
    }
}

fn reason(error: &serde_json::Error, before: usize) -> String {
    let told = error.to_string();
    let told = told.split(" at line ").next().unwrap_or_default();
    let column = error.column().saturating_add(before);
    format!("{told} (column {column})")
}

/// A text that knows how far it was read.
struct Counted<R> {
    inner: R,
    line: u64,
    column: usize,
}

impl<R: BufRead> Counted<R> {
    /// Whether there is anything but blanks.
    fn is_more(&mut self) -> io::Result<bool> {
        loop {
            let part = self.inner.fill_buf()?;
            if part.is_empty() {
                return Ok(false);
            }
            let blank = part.iter().take_while(|byte| byte.is_ascii_whitespace());
            let blank = blank.count();
            let more = blank < part.len();
            let passed = part.iter().take(blank);
            (self.line, self.column) = after(self.line, self.column, passed);
            self.inner.consume(blank);
            if more {
                return Ok(true);
            }
        }
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(room)?;
        let passed = room.iter().take(read);
        (self.line, self.column) = after(self.line, self.column, passed);
        Ok(read)
    }
}

/// Where one is in a text after some bytes of it.
fn after<'b>(line: u64, column: usize, bytes: impl Iterator<Item = &'b u8>) -> (u64, usize) {
    bytes.fold((line, column), |(line, column), byte| match byte {
        b'\n' => (line.saturating_add(1), 0),
        _ => (line, column.saturating_add(1)),
    })
}

/// A value of an object.
#[derive(Default)]
enum Cell {
    #[default]
    Missing,
    Raw(Box<RawValue>),
    Text(String),
}

fn values(row: &[Cell]) -> Vec<Value<'_>> {
    row.iter().map(value).collect()
}

fn value(cell: &Cell) -> Value<'_> {
    let raw = match cell {
        Cell::Missing => return Value::Null,
        Cell::Text(text) => return Value::Text(Cow::Borrowed(text)),
        Cell::Raw(raw) => raw.get(),
    };
    match raw {
        "null" => Value::Null,
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        raw if raw.starts_with(['{', '[']) => Value::Json(Cow::Borrowed(raw)),
        raw => Value::Number(Cow::Borrowed(raw)),
    }
}

/// Reads one object into a row.
struct Object<'c> {
    columns: &'c mut Columns,
    row: &'c mut Vec<Cell>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object for each row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.row.clear();
        while let Some(place) = map.next_key_seed(Name(self.columns))? {
            if place >= self.row.len() {
                self.row.resize_with(place.saturating_add(1), Cell::default);
            }
            let raw: Box<RawValue> = map.next_value()?;
            let cell = if raw.get().starts_with('"') {
                Cell::Text(serde_json::from_str(raw.get()).map_err(A::Error::custom)?)
            } else {
                Cell::Raw(raw)
            };
            match self.row.get_mut(place) {
                Some(free @ Cell::Missing) => *free = cell,
                _ => {
                    let name = self.columns.names.get(place).cloned().unwrap_or_default();
                    let error = format!("`{name}` is in the object twice; rename one of them");
                    return Err(A::Error::custom(error));
                }
            }
        }
        Ok(())
    }
}

/// Finds the place of a name, or gives it one.
struct Name<'c>(&'c mut Columns);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        if let Some(place) = self.0.places.get(name) {
            return Ok(*place);
        }
        let place = self.0.names.len();
        if place >= MAX_COLUMNS {
            let error = format!(
                "the objects have more than {MAX_COLUMNS} names by now, more than a table may \
                 have columns; put some of them into an object of their own"
            );
            return Err(E::custom(error));
        }
        self.0.places.insert(name.to_owned(), place);
        self.0.names.push(name.to_owned());
        Ok(place)
    }
}

/// Reads an array of objects, or one object, and gives each away as a row.
struct Items<'c> {
    columns: &'c mut Columns,
    row: &'c mut Vec<Cell>,
    /// Says whether more are wanted.
    take: &'c mut dyn FnMut(&[Cell]) -> bool,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object for each row, or an array of such")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let object = Object {
            columns: self.columns,
            row: &mut *self.row,
        };
        object.visit_map(map)?;
        (self.take)(self.row);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        loop {
            let object = Object {
                columns: &mut *self.columns,
                row: &mut *self.row,
            };
            if items.next_element_seed(object)?.is_none() {
                return Ok(());
            }
            if !(self.take)(self.row) {
                return Err(A::Error::custom("stopped"));
            }
        }
    }
}
