//! Makes the tables of files.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use rusqlite::Connection;

use crate::database::files::csv::Csv;
use crate::database::files::excel::{self, Sheet};
use crate::database::files::find::{Format, Source};
use crate::database::files::home::MARK;
use crate::database::files::json::Json;
use crate::database::files::load::{self, Rows};
use crate::database::files::names::Names;
use crate::database::files::parquet::Parquet;
use crate::database::files::text::Encoding;
use crate::database::files::watch::Watch;
use crate::database::files::{About, FileError, Origin};

/// Makes a database of files, in a file that nobody else knows of yet.
pub(super) fn database(
    path: &Path,
    sources: &[Source],
    mut watch: Watch<'_>,
) -> Result<About, FileError> {
    let connection = Connection::open(path).map_err(|error| FileError::Keep {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let failed = |error: rusqlite::Error| load::keeping(&connection, &error);
    // What is half done is thrown away: nothing needs to be undone or to survive.
    let begin = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
                 PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -65536; BEGIN";
    connection.execute_batch(begin).map_err(failed)?;
    let mut tables = Tables {
        connection: &connection,
        names: Names::default(),
        about: About::default(),
    };
    for source in sources {
        watch.file(source);
        let read = panic::catch_unwind(AssertUnwindSafe(|| tables.read(source, &watch)));
        // Readers of others' formats do not expect everything that can be in a file.
        let read = read.unwrap_or_else(|_| {
            Err(source.is_no("what its name says", "it is damaged; make it again"))
        });
        match read {
            Err(FileError::Empty { path }) if source.found => {
                let path = path.display();
                let note = format!("`{path}` has nothing in it and is left out");
                tables.about.notes.push(note);
            }
            read => read?,
        }
        source.is_as_it_was()?;
    }
    if tables.about.origins.is_empty() {
        let folder = sources.first().and_then(|source| source.path.parent());
        return Err(FileError::NoTables {
            path: folder.unwrap_or(path).to_owned(),
        });
    }
    let end = format!("COMMIT; PRAGMA application_id = {MARK}");
    connection.execute_batch(&end).map_err(failed)?;
    watch.end();
    Ok(tables.about)
}

/// The tables so far.
struct Tables<'a> {
    connection: &'a Connection,
    names: Names,
    about: About,
}

impl Tables<'_> {
    /// Makes the tables of one file.
    fn read(&mut self, source: &Source, watch: &Watch<'_>) -> Result<(), FileError> {
        match source.format {
            Format::Marked(_) => {
                let mut csv = Csv::open(source, watch)?;
                self.table(&source.stem, None, source, &mut csv, watch)?;
                self.note(source, csv.encoding());
            }
            Format::JsonLines | Format::Json => {
                let mut json = Json::open(source, watch)?;
                self.table(&source.stem, None, source, &mut json, watch)?;
                self.note(source, json.encoding());
            }
            Format::Parquet => {
                let mut parquet = Parquet::open(source, watch)?;
                self.table(&source.stem, None, source, &mut parquet, watch)?;
            }
            Format::Excel => self.sheets(source, watch)?,
        }
        Ok(())
    }

    /// Makes the tables of a workbook, one of each sheet that has anything in it.
    fn sheets(&mut self, source: &Source, watch: &Watch<'_>) -> Result<(), FileError> {
        let mut book = excel::open(source, watch)?;
        let mut filled = Vec::new();
        for name in excel::sheets(&book) {
            let sheet = Sheet::open(&mut book, source, watch, name)?;
            filled.extend(sheet.map(|sheet| sheet.name));
        }
        if filled.is_empty() {
            return Err(FileError::Empty {
                path: source.path.clone(),
            });
        }
        let alone = filled.len() == 1;
        for name in filled {
            let words = if alone {
                source.stem.clone()
            } else {
                format!("{}_{name}", source.stem)
            };
            let sheet = Sheet::open(&mut book, source, watch, name.clone())?;
            if let Some(mut sheet) = sheet {
                self.table(&words, Some(name), source, &mut sheet, watch)?;
            }
        }
        Ok(())
    }

    fn table(
        &mut self,
        words: &str,
        sheet: Option<String>,
        source: &Source,
        rows: &mut dyn Rows,
        watch: &Watch<'_>,
    ) -> Result<(), FileError> {
        let table = self.names.table(words);
        load::table(self.connection, &table, source, rows, watch)?;
        self.about.origins.push(Origin {
            table,
            path: source.path.clone(),
            sheet,
        });
        Ok(())
    }

    fn note(&mut self, source: &Source, encoding: Encoding) {
        if encoding == Encoding::Windows1252 {
            let path = source.path.display();
            let note = format!("`{path}` is not UTF-8; it was read as Windows-1252 (Latin-1)");
            self.about.notes.push(note);
        }
    }
}
