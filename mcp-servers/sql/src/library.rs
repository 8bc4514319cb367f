//! The query library: questions with statements that answer them, found by likeness.
//!
//! Some are written down with the semantic layer; others are learned: an answer that a person
//! approved is kept in a file and found the next time.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ropewalk_embed::{EmbedError, Field, FieldIndex, cosine, terms};
use rusqlite::{Connection, params};
use thiserror::Error;

use crate::link::Meanings;
use crate::semantics::Example;

/// Share of meaning in a score; the rest is words.
const MEANING: f32 = 0.7;

const WORDS: Field = Field {
    weight: 1.0,
    length: 0.5,
};

/// Examples of one database.
pub struct Library {
    database: String,
    given: Vec<Example>,
    learned: Mutex<Learned>,
    meanings: Option<Arc<Meanings>>,
}

struct Learned {
    file: Option<Connection>,
    examples: Vec<Example>,
}

/// An example that is like a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Like {
    /// The example.
    pub example: Example,
    /// How alike the questions are, 0 to 1.
    pub score: f32,
    /// Whether it asks the same, but for capitals and punctuation.
    pub same: bool,
}

/// Why the file of learned examples cannot be used.
#[derive(Debug, Error)]
#[error("the file of learned examples: {0}")]
pub struct LibraryError(#[from] rusqlite::Error);

impl Library {
    /// The examples given for a database, and those learned in `file`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(
        database: &str,
        given: Vec<Example>,
        file: Option<&Path>,
        meanings: Option<Arc<Meanings>>,
    ) -> Result<Self, LibraryError> {
        let file = match file {
            None => None,
            Some(file) => {
                let connection = Connection::open(file)?;
                connection.busy_timeout(std::time::Duration::from_secs(5))?;
                connection.execute_batch(
                    "PRAGMA journal_mode = WAL;
                     CREATE TABLE IF NOT EXISTS example (
                         database TEXT NOT NULL, question TEXT NOT NULL, sql TEXT NOT NULL,
                         PRIMARY KEY (database, question));",
                )?;
                Some(connection)
            }
        };
        let learned = Learned {
            examples: Vec::new(),
            file,
        };
        let library = Self {
            database: database.to_owned(),
            given,
            learned: Mutex::new(learned),
            meanings,
        };
        library.refresh()?;
        Ok(library)
    }

    /// Keeps an example that a person approved, in place of one that asks the same.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn learn(&self, example: Example) -> Result<(), LibraryError> {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &learned.file {
            file.execute(
                "INSERT OR REPLACE INTO example VALUES (?1, ?2, ?3)",
                params![self.database, example.question, example.sql],
            )?;
        }
        learned
            .examples
            .retain(|kept| kept.question != example.question);
        learned.examples.push(example);
        Ok(())
    }

    /// Forgets what was learned of a question; whether there was something.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget(&self, question: &str) -> Result<bool, LibraryError> {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &learned.file {
            file.execute(
                "DELETE FROM example WHERE database = ?1 AND question = ?2",
                params![self.database, question],
            )?;
        }
        let before = learned.examples.len();
        learned.examples.retain(|kept| kept.question != question);
        Ok(learned.examples.len() < before)
    }

    /// Up to `limit` examples like a question, best first; learned ones before given ones of the
    /// same question. It embeds what it has not met: not for an async thread.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn like(&self, question: &str, limit: usize) -> Result<Vec<Like>, EmbedError> {
        // Another process may have learned something.
        let _ = self.refresh();
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut examples = learned.examples.clone();
        drop(learned);
        for given in &self.given {
            if !examples
                .iter()
                .any(|known| asks_same(&known.question, &given.question))
            {
                examples.push(given.clone());
            }
        }
        let words: Vec<[Vec<String>; 1]> = examples
            .iter()
            .map(|example| [terms(&example.question)])
            .collect();
        let mut scores = FieldIndex::new(&words, &[WORDS]).scores(question);
        let most = scores.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        scores.iter_mut().for_each(|score| *score /= most);
        if let Some(meanings) = &self.meanings {
            let asked = meanings.of(question)?;
            let texts: Vec<String> = examples
                .iter()
                .map(|example| example.question.clone())
                .collect();
            for (score, vector) in scores.iter_mut().zip(meanings.all(&texts)?) {
                *score = MEANING * cosine(&asked, &vector).max(0.0) + (1.0 - MEANING) * *score;
            }
        }
        let mut like: Vec<Like> = examples
            .into_iter()
            .zip(scores)
            .map(|(example, score)| Like {
                same: asks_same(&example.question, question),
                example,
                score,
            })
            .filter(|like| like.same || like.score > 0.0)
            .collect();
        like.sort_by(|one, two| {
            two.same
                .cmp(&one.same)
                .then(two.score.total_cmp(&one.score))
        });
        like.truncate(limit);
        Ok(like)
    }

    fn refresh(&self) -> Result<(), LibraryError> {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &learned.file else {
            return Ok(());
        };
        let mut statement = file.prepare_cached(
            "SELECT question, sql FROM example WHERE database = ?1 ORDER BY rowid",
        )?;
        let rows = statement.query_map(params![self.database], |row| {
            Ok(Example {
                question: row.get(0)?,
                sql: row.get(1)?,
            })
        })?;
        let examples = rows.collect::<Result<_, _>>()?;
        drop(statement);
        learned.examples = examples;
        Ok(())
    }
}

/// Whether two questions are the same but for capitals, spaces and punctuation.
fn asks_same(one: &str, two: &str) -> bool {
    ropewalk_embed::words(one) == ropewalk_embed::words(two)
}

#[cfg(test)]
mod tests {
    use super::Library;
    use crate::semantics::Example;

    fn example(question: &str, sql: &str) -> Example {
        Example {
            question: question.to_owned(),
            sql: sql.to_owned(),
        }
    }

    #[test]
    fn what_was_approved_is_found_again_by_another_program() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("examples.db");
        let given = vec![example("How many sales?", "SELECT count(*) FROM sale")];
        let open = || Library::open("shop", given.clone(), Some(&file), None).unwrap();
        let (one, other) = (open(), open());
        one.learn(example("Which article sold best?", "SELECT 1"))
            .unwrap();
        one.learn(example("Which article sold best?", "SELECT 2"))
            .unwrap();
        one.learn(example("how many sales", "SELECT 3")).unwrap();
        let like = other.like("which article sold best", 5).unwrap();
        assert!(
            like[0].same && like[0].example.sql == "SELECT 2",
            "{like:?}"
        );
        let like = other.like("How many sales?", 5).unwrap();
        assert!(
            like[0].same && like[0].example.sql == "SELECT 3",
            "{like:?}"
        );
        assert!(
            Library::open("zoo", Vec::new(), Some(&file), None)
                .unwrap()
                .like("sales", 5)
                .unwrap()
                .is_empty()
        );
        assert!(one.forget("how many sales").unwrap());
        assert_eq!(
            other.like("How many sales?", 1).unwrap()[0].example.sql,
            "SELECT count(*) FROM sale"
        );
    }
}
