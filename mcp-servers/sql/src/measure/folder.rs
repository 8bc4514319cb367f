//! Questions, schemas and databases of a folder, in the forms that public sets have:
//!
//! - `questions.jsonl`: one object a line with `question`, `db_id`, the gold statement as `query` or
//!   `SQL`, maybe `evidence`, maybe `predictions` (the statements of systems by their names);
//! - `database/*.sqlite`: the databases, by their names;
//! - `tables.json` (as Spider's) or `schemas.json` (as BIRD's): schemas of databases;
//! - `*_sqlite.csv`, `*_postgres.csv`, `*_mysql.csv`: `question`, `query` (accepted answers, see
//!   `variants`), `db_name`; `idk.csv`: questions that their databases cannot answer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::dialect::Dialect;
use crate::measure::variants::variants;
use crate::schema::Schema;

mod schemas;

/// A folder to measure on.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    /// Questions with answers.
    pub questions: Vec<Question>,
    /// Questions that cannot be answered, without gold statements.
    pub unanswerable: Vec<Question>,
    /// Schemas by the names of their databases; empty where there is no such file.
    pub schemas: BTreeMap<String, Schema>,
    /// SQLite files by the names of their databases.
    pub databases: BTreeMap<String, PathBuf>,
}

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its database.
    pub database: String,
    /// What is asked.
    pub question: String,
    /// What somebody who asks knows beside.
    pub evidence: Option<String>,
    /// The dialect of the statements.
    pub dialect: Dialect,
    /// Statements that answer it; any of them is right.
    pub gold: Vec<String>,
    /// Statements of systems by the systems' names.
    pub predictions: BTreeMap<String, String>,
}

/// Why a folder cannot be measured on.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Nothing that can be measured is there.
    #[error(
        "{}: neither questions.jsonl nor a file *_sqlite.csv, *_postgres.csv or *_mysql.csv is there; see docs/sql-server.md \
         for the form of a folder", .0.display()
    )]
    Nothing(PathBuf),
    /// A file cannot be read.
    #[error("{}: {reason}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line where there is one.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Line {
    db_id: String,
    question: String,
    #[serde(alias = "SQL")]
    query: String,
    #[serde(default)]
    evidence: Option<String>,
    #[serde(default)]
    predictions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Record {
    question: String,
    query: String,
    db_name: String,
}

impl Folder {
    /// Reads a folder.
    ///
    /// # Errors
    /// When there are no questions in it, or a file is not of the form it should have.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        let mut read = Self::default();
        let lines = folder.join("questions.jsonl");
        if lines.is_file() {
            read.questions = questions(&lines)?;
        }
        for (file, dialect) in tables_of_questions(folder)? {
            read.questions.extend(records(&file, dialect)?);
        }
        let idk = folder.join("idk.csv");
        if idk.is_file() {
            read.unanswerable = records(&idk, Dialect::Sqlite)?;
            for question in &mut read.unanswerable {
                question.gold.clear();
            }
        }
        if read.questions.is_empty() {
            return Err(FolderError::Nothing(folder.to_owned()));
        }
        read.schemas = schemas::read(folder)?;
        read.databases = databases(&folder.join("database"))?;
        Ok(read)
    }
}

/// The CSV files of a folder whose names end in a dialect, in the order of dialects and names.
fn tables_of_questions(folder: &Path) -> Result<Vec<(PathBuf, Dialect)>, FolderError> {
    let entries = folder.read_dir().map_err(|error| failed(folder, error))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(|error| failed(folder, error))?.path());
    }
    names.sort();
    let mut found = Vec::new();
    for (ending, dialect) in [
        ("_sqlite.csv", Dialect::Sqlite),
        ("_postgres.csv", Dialect::Postgres),
        ("_mysql.csv", Dialect::Mysql),
    ] {
        let named = names
            .iter()
            .filter(|path| path.to_string_lossy().ends_with(ending));
        found.extend(named.map(|path| (path.clone(), dialect)));
    }
    Ok(found)
}

fn failed(file: &Path, reason: impl ToString) -> FolderError {
    FolderError::File {
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}

fn questions(file: &Path) -> Result<Vec<Question>, FolderError> {
    let opened = File::open(file).map_err(|error| failed(file, error))?;
    let mut questions = Vec::new();
    for (number, line) in BufReader::new(opened).lines().enumerate() {
        let line = line.map_err(|error| failed(file, error))?;
        if line.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&line).map_err(|error| {
            let number = number.saturating_add(1);
            failed(file, format!("line {number}: {error}"))
        })?;
        questions.push(Question {
            database: line.db_id,
            question: line.question,
            evidence: line.evidence.filter(|evidence| !evidence.is_empty()),
            dialect: Dialect::Sqlite,
            gold: vec![line.query],
            predictions: line.predictions,
        });
    }
    Ok(questions)
}

fn records(file: &Path, dialect: Dialect) -> Result<Vec<Question>, FolderError> {
    let mut reader = csv::Reader::from_path(file).map_err(|error| failed(file, error))?;
    let records = reader.deserialize::<Record>();
    records
        .map(|record| {
            let record = record.map_err(|error| failed(file, error))?;
            Ok(Question {
                database: record.db_name,
                question: record.question,
                evidence: None,
                dialect,
                gold: variants(&record.query),
                predictions: BTreeMap::new(),
            })
        })
        .collect()
}

fn databases(folder: &Path) -> Result<BTreeMap<String, PathBuf>, FolderError> {
    if !folder.is_dir() {
        return Ok(BTreeMap::new());
    }
    let entries = folder.read_dir().map_err(|error| failed(folder, error))?;
    let mut databases = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        let kind = path.extension().is_some_and(|kind| kind == "sqlite");
        if let Some(name) = path.file_stem().filter(|_| kind) {
            databases.insert(name.to_string_lossy().into_owned(), path);
        }
    }
    Ok(databases)
}
