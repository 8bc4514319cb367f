//! Sheets of Excel's and OpenDocument's workbooks.
//!
//! The first row with anything in it is the first of the table; rows without anything are left out.
//! Formulas are what was last calculated, errors are NULL, days and times are text in ISO form.
//! Where a sheet is written row by row (xlsx, xlsb), no more of it than a row is held.

mod ods;
mod open;

use std::borrow::Cow;
use std::fmt::Write;
use std::fs::File;
use std::io::BufReader;

use calamine::{Cell, Data, DataRef, ExcelDateTime, Range, Reader, SheetType, Sheets};

use crate::database::files::FileError;
use crate::database::files::find::Source;
use crate::database::files::header::First;
use crate::database::files::load::{Rows, Take};
use crate::database::files::types::Value;
use crate::database::files::watch::Watch;

pub(super) use open::open;

pub(super) type Book = Sheets<BufReader<File>>;

/// Columns that a sheet may have; as many as Excel has.
const MAX_COLUMN: usize = 16_384;

pub(super) struct Sheet<'a> {
    book: &'a mut Book,
    source: &'a Source,
    watch: &'a Watch<'a>,
    pub(super) name: String,
    /// The sheet where it can only be read as a whole.
    whole: Option<Range<Data>>,
    names: Vec<String>,
    skipped: usize,
}

/// The sheets of a book that hold cells, in their order.
pub(super) fn sheets(book: &Book) -> Vec<String> {
    let sheets = book.sheets_metadata().iter();
    let sheets = sheets.filter(|sheet| sheet.typ == SheetType::WorkSheet);
    sheets.map(|sheet| sheet.name.clone()).collect()
}

impl<'a> Sheet<'a> {
    /// Opens a sheet; `None` where nothing is in it.
    pub(super) fn open(
        book: &'a mut Book,
        source: &'a Source,
        watch: &'a Watch<'a>,
        name: String,
    ) -> Result<Option<Self>, FileError> {
        let whole = match book {
            Sheets::Xls(_) | Sheets::Ods(_) => {
                let range = book.worksheet_range(&name);
                Some(range.map_err(|error| failed(source, &name, &error))?)
            }
            Sheets::Xlsx(_) | Sheets::Xlsb(_) => None,
        };
        let mut sheet = Self {
            book,
            source,
            watch,
            name,
            whole,
            names: Vec::new(),
            skipped: 0,
        };
        let mut first = First::default();
        sheet.rows(&mut |row| Ok(first.take(row)))?;
        if first.is_empty() {
            return Ok(None);
        }
        if let Some(names) = first.names() {
            sheet.names = names;
            sheet.skipped = 1;
        }
        Ok(Some(sheet))
    }

    /// Goes through the rows that have anything in them.
    fn rows(&mut self, take: &mut Take<'_>) -> Result<(), FileError> {
        let mut take = |row: &[Value<'_>]| {
            self.watch.row()?;
            let blank = row.iter().all(|value| *value == Value::Null);
            if blank { Ok(true) } else { take(row) }
        };
        if let Some(whole) = &self.whole {
            let left = whole.start().map_or(0, |(_, column)| column as usize);
            for row in whole.rows() {
                let mut values = vec![Value::Null; left];
                values.extend(row.iter().map(data));
                if !take(&values)? {
                    break;
                }
            }
            return Ok(());
        }
        match self.book {
            Sheets::Xlsx(book) => {
                let cells = book.worksheet_cells_reader(&self.name);
                let mut cells = cells.map_err(|error| failed(self.source, &self.name, &error))?;
                let mut next = || {
                    let next = cells.next_cell();
                    next.map_err(|error| failed(self.source, &self.name, &error))
                };
                streamed(self.source, &self.name, &mut next, &mut take)
            }
            Sheets::Xlsb(book) => {
                let cells = book.worksheet_cells_reader(&self.name);
                let mut cells = cells.map_err(|error| failed(self.source, &self.name, &error))?;
                let mut next = || {
                    let next = cells.next_cell();
                    next.map_err(|error| failed(self.source, &self.name, &error))
                };
                streamed(self.source, &self.name, &mut next, &mut take)
            }
            Sheets::Xls(_) | Sheets::Ods(_) => Ok(()),
        }
    }
}

/// Rows out of cells that come row by row.
fn streamed<'c>(
    source: &Source,
    sheet: &str,
    next: &mut dyn FnMut() -> Result<Option<Cell<DataRef<'c>>>, FileError>,
    take: &mut Take<'_>,
) -> Result<(), FileError> {
    let mut row: Vec<Value<'c>> = Vec::new();
    let mut at = 0;
    while let Some(cell) = next()? {
        let (number, column) = cell.get_position();
        let column = column as usize;
        if number < at || column >= MAX_COLUMN {
            let reason = "its cells are not in order; save it once more".to_owned();
            return Err(FileError::Sheet {
                path: source.path.clone(),
                sheet: sheet.to_owned(),
                reason,
            });
        }
        if number > at {
            if !take(&row)? {
                return Ok(());
            }
            row.clear();
            at = number;
        }
        let value = streamed_value(cell.get_value());
        if value == Value::Null {
            continue;
        }
        if row.len() <= column {
            row.resize(column.saturating_add(1), Value::Null);
        }
        if let Some(place) = row.get_mut(column) {
            *place = value;
        }
    }
    take(&row).map(|_| ())
}

impl Rows for Sheet<'_> {
    fn each(&mut self, take: &mut Take<'_>) -> Result<(), FileError> {
        let mut skip = self.skipped;
        self.rows(&mut |row| {
            if skip > 0 {
                skip = skip.saturating_sub(1);
                return Ok(true);
            }
            take(row)
        })
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

fn failed(source: &Source, sheet: &str, error: &dyn std::fmt::Display) -> FileError {
    FileError::Sheet {
        path: source.path.clone(),
        sheet: sheet.to_owned(),
        reason: format!("{error}; save it once more"),
    }
}

fn data(data: &Data) -> Value<'_> {
    match data {
        Data::Empty | Data::Error(_) => Value::Null,
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => told(text),
        Data::Int(number) => Value::Integer(*number),
        Data::Float(number) => number_value(*number),
        Data::Bool(truth) => Value::Boolean(*truth),
        Data::DateTime(moment) => Value::Text(Cow::Owned(iso(*moment))),
    }
}

fn streamed_value<'c>(data: &DataRef<'c>) -> Value<'c> {
    match data {
        DataRef::Empty | DataRef::Error(_) => Value::Null,
        DataRef::SharedString(text) => told(text),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            told(text).owned()
        }
        DataRef::Int(number) => Value::Integer(*number),
        DataRef::Float(number) => number_value(*number),
        DataRef::Bool(truth) => Value::Boolean(*truth),
        DataRef::DateTime(moment) => Value::Text(Cow::Owned(iso(*moment))),
    }
}

fn told(text: &str) -> Value<'_> {
    match text {
        "" => Value::Null,
        text => Value::Text(Cow::Borrowed(text)),
    }
}

/// A number; sheets know no whole ones, people do.
fn number_value(number: f64) -> Value<'static> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it was just seen to be whole"
        )]
        return Value::Integer(number as i64);
    }
    Value::Real(number)
}

/// A day, a time, a moment or a duration.
fn iso(moment: ExcelDateTime) -> String {
    let days = moment.as_f64();
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    let mut text = String::new();
    // A number below one is a time of no day; beyond that, only a duration is no moment.
    let day_too = !moment.is_duration() && !(0.0..1.0).contains(&days);
    if day_too {
        let _ = write!(text, "{year:04}-{month:02}-{day:02}");
        if (hour, minute, second, milli) == (0, 0, 0, 0) {
            return text;
        }
        text.push(' ');
        let _ = write!(text, "{hour:02}:{minute:02}:{second:02}");
    } else if moment.is_duration() {
        return duration(days);
    } else {
        let _ = write!(text, "{hour:02}:{minute:02}:{second:02}");
    }
    if milli > 0 {
        let _ = write!(text, ".{milli:03}");
    }
    text
}

/// Hours beyond a day are counted on, as the sheet shows them.
fn duration(days: f64) -> String {
    let millis = (days.abs() * 86_400_000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and not negative; too large a number ends at the largest"
    )]
    let millis = millis as u64;
    let sign = if days < 0.0 && millis > 0 { "-" } else { "" };
    let (seconds, milli) = (millis / 1_000, millis % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = if milli > 0 {
        format!(".{milli:03}")
    } else {
        String::new()
    };
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn days_and_times_are_in_iso_form() {
        let moment = |days| iso(ExcelDateTime::new(days, ExcelDateTimeType::DateTime, false));
        assert_eq!(moment(45_351.0), "2024-02-29");
        assert_eq!(moment(45_351.5), "2024-02-29 12:00:00");
        assert_eq!(moment(45_943.541), "2025-10-13 12:59:02.400");
        assert_eq!(moment(0.75), "18:00:00");
        let length = |days| {
            iso(ExcelDateTime::new(
                days,
                ExcelDateTimeType::TimeDelta,
                false,
            ))
        };
        assert_eq!(length(1.5), "36:00:00");
        assert_eq!(length(-0.25), "-06:00:00");
        let apple = ExcelDateTime::new(43_889.0, ExcelDateTimeType::DateTime, true);
        assert_eq!(iso(apple), "2024-02-29");
    }

    #[test]
    fn numbers_without_a_fraction_are_whole() {
        assert_eq!(number_value(36.0), Value::Integer(36));
        assert_eq!(number_value(-0.5), Value::Real(-0.5));
        assert_eq!(number_value(1e300), Value::Real(1e300));
    }
}
