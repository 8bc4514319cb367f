//! A question to an answer.
//!
//! What was answered before is answered again; a figure that is defined is computed as it is
//! defined; otherwise statements are written, by a model where one is offered ([`Writer`]) and by
//! the parser always, and the rows they give decide between them. An answer that is not sure enough
//! is not given: what would make it sure is said instead.
//!
//! - `written`: statements by a model, in rounds.

mod written;

use std::sync::Arc;

use ropewalk_mcp_kit::ToolError;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::asked::Asked;
use crate::catalogue::{Entry, beside};
use crate::choose::{self, ChoiceError};
use crate::database::{Limits, Rows};
use crate::link::Linker;
use crate::parse::Reading;
use crate::schema::Schema;
use crate::source::Answered as Asking;

pub use written::{Order, Writer};

/// Examples that are looked at.
const EXAMPLES: usize = 3;

/// Confidence from which one of several statements by a model is an answer.
const CHOSEN: f64 = 0.35;

/// How an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It was answered before, or written down as an example.
    Example,
    /// It asks for a figure that is defined.
    Metric,
    /// It was read without a model.
    Parser,
    /// A model wrote statements.
    Model,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// An answer.
    Answered(Box<Answered>),
    /// None that is sure enough.
    Abstained(Abstained),
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The statement as it was sent.
    pub sql: String,
    /// What it gives.
    pub rows: Rows,
    /// How it was found.
    pub how: How,
    /// How sure it is, 0 to 1.
    pub confidence: f32,
    /// How the question was read, in plain words.
    pub explanation: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Abstained {
    /// Why, in a sentence.
    pub reason: String,
    /// What is not clear.
    pub doubts: Vec<String>,
    /// The closest statement.
    pub closest: Option<String>,
    /// How sure that one would be, 0 to 1.
    pub confidence: f32,
}

/// Whom and what is asked.
pub struct Questioning<'a> {
    /// The database.
    pub entry: &'a Arc<Entry>,
    /// What finds tables.
    pub linker: &'a Arc<Linker>,
    /// How much of an answer.
    pub limits: Limits,
    /// A model, where one is offered.
    pub writer: Option<&'a dyn Writer>,
    /// Stops everything.
    pub cancel: &'a CancellationToken,
}

impl Questioning<'_> {
    /// The answer to a question.
    ///
    /// # Errors
    /// When the database or the model cannot be asked.
    pub async fn answer(&self, question: &str) -> Result<Answer, ToolError> {
        if let Some(answer) = self.answered_before(question).await? {
            return Ok(answer);
        }
        if let Some(answer) = self.as_defined(question).await? {
            return Ok(answer);
        }
        let schema = self.entry.schema().await.map_err(failed)?;
        let reading = self.read(question, &schema).await?;
        match self.writer {
            Some(writer) => self.chosen(question, &schema, reading, writer).await,
            None => self.by_parser(reading).await,
        }
    }

    async fn answered_before(&self, question: &str) -> Result<Option<Answer>, ToolError> {
        let like = self.like(question).await?;
        let Some(same) = like.into_iter().find(|like| like.same) else {
            return Ok(None);
        };
        // What is in the database may have changed since; then it is answered anew.
        let Ok(asked) = self.query(&same.example.sql).await else {
            return Ok(None);
        };
        let explanation = vec!["it was answered before with this statement".to_owned()];
        Ok(Some(answered(asked, How::Example, 1.0, explanation)))
    }

    async fn as_defined(&self, question: &str) -> Result<Option<Answer>, ToolError> {
        let metrics = self.entry.metrics_in(question);
        let asked = metrics
            .into_iter()
            .find_map(|metric| Some((metric, metric.asked(question)?)));
        let Some((metric, by)) = asked else {
            return Ok(None);
        };
        let asked = self.query(&metric.sql(&by)).await.map_err(failed)?;
        let mut explanation = vec![format!("{}: {}", metric.name, metric.definition)];
        if !by.is_empty() {
            explanation.push(format!("by {}", by.join(", ")));
        }
        Ok(Some(answered(asked, How::Metric, 1.0, explanation)))
    }

    /// The question read without a model, tried on the database.
    async fn read(&self, question: &str, schema: &Arc<Schema>) -> Result<Reading, ToolError> {
        let first = self.tables(question, schema).await?;
        let parser = self
            .entry
            .parser(schema, &first, self.cancel)
            .await
            .map_err(failed)?;
        let text = question.to_owned();
        let reading = beside(move || parser.parse(&text)).await;
        let settled = reading.settled(&self.entry.source, self.cancel).await;
        settled.map_err(failed)
    }

    async fn by_parser(&self, reading: Reading) -> Result<Answer, ToolError> {
        if let Some(sql) = &reading.sql {
            let asked = self.query(sql).await.map_err(failed)?;
            let Reading {
                confidence,
                explanation,
                ..
            } = reading;
            return Ok(answered(asked, How::Parser, confidence, explanation));
        }
        Ok(Answer::Abstained(Abstained {
            reason: "it is not clear what is asked of this database".to_owned(),
            confidence: reading.confidence,
            doubts: reading.doubts,
            closest: reading.best.map(|best| best.sql),
        }))
    }

    /// The best of what a model wrote and of what was read without it.
    async fn chosen(
        &self,
        question: &str,
        schema: &Arc<Schema>,
        reading: Reading,
        writer: &dyn Writer,
    ) -> Result<Answer, ToolError> {
        let written = self.written(question, schema, writer, &[]).await?;
        let mut candidates = written.statements;
        if candidates.is_empty()
            && let Some(reason) = written.cannot
        {
            return Ok(Answer::Abstained(Abstained {
                reason: format!("the model finds no answer in these tables: {reason}"),
                confidence: reading.confidence,
                doubts: reading.doubts,
                closest: reading.best.map(|best| best.sql),
            }));
        }
        let by_model = candidates.len();
        candidates.extend(reading.sql.clone());
        let choice = match self.choice(question, schema, &candidates).await {
            Err(ChoiceError::NoAnswer { first, .. }) => {
                // Once more, with what was wrong.
                let failed: Vec<(String, String)> = candidates
                    .first()
                    .map(|sql| (sql.clone(), first.to_string()))
                    .into_iter()
                    .collect();
                let again = self.written(question, schema, writer, &failed).await?;
                self.choice(question, schema, &again.statements).await
            }
            other => other,
        };
        let choice = match choice {
            Ok(choice) => choice,
            Err(ChoiceError::Database(error)) => return Err(failed(error)),
            Err(error) => {
                return Ok(Answer::Abstained(Abstained {
                    reason: format!("no statement has an answer: {error}"),
                    confidence: 0.0,
                    doubts: reading.doubts,
                    closest: candidates.into_iter().next(),
                }));
            }
        };
        let agree = (choice.agreement * choice.considered.len() as f64).round();
        let mut explanation = vec![format!(
            "{agree} of {} statements agree",
            choice.considered.len()
        )];
        let changes = choice.considered.get(choice.index);
        explanation.extend(
            changes
                .into_iter()
                .flat_map(|chosen| chosen.changes.clone()),
        );
        if choice.confidence < CHOSEN {
            return Ok(Answer::Abstained(Abstained {
                reason: "the statements that were tried give different answers".to_owned(),
                confidence: choice.confidence as f32,
                doubts: explanation,
                closest: Some(choice.sql),
            }));
        }
        let how = if choice.index < by_model {
            How::Model
        } else {
            How::Parser
        };
        let confidence = choice.confidence as f32;
        let Asking { approved, rows } = choice.answered;
        let limits = self.limits.within(self.entry.source.limits());
        let asked = match rows.within(&limits) {
            Some(rows) => Asking { approved, rows },
            None => self.query(&choice.sql).await.map_err(failed)?,
        };
        Ok(answered(asked, how, confidence, explanation))
    }

    async fn choice(
        &self,
        question: &str,
        schema: &Arc<Schema>,
        candidates: &[String],
    ) -> Result<choose::Choice, ChoiceError> {
        // Both were made to read the question.
        let made = self.entry.parser(schema, &[], self.cancel).await;
        let links = made.map_err(ChoiceError::Database)?.links();
        let values = self.entry.values(schema, &[], self.cancel).await;
        let values = values.map_err(ChoiceError::Database)?;
        let source = &self.entry.source;
        let asked = Asked::knowing(source, schema, links, Some(values), self.cancel);
        choose::choice(question, candidates, &asked).await
    }

    async fn like(&self, question: &str) -> Result<Vec<crate::library::Like>, ToolError> {
        let (entry, text) = (Arc::clone(self.entry), question.to_owned());
        beside(move || entry.library.like(&text, EXAMPLES))
            .await
            .map_err(failed)
    }

    async fn query(&self, sql: &str) -> Result<Asking, crate::source::SourceError> {
        self.entry
            .source
            .query(sql, &self.limits, self.cancel)
            .await
    }
}

fn answered(asked: Asking, how: How, confidence: f32, explanation: Vec<String>) -> Answer {
    Answer::Answered(Box::new(Answered {
        sql: asked.approved.sql,
        rows: asked.rows,
        how,
        confidence,
        explanation,
    }))
}

fn failed(error: impl std::error::Error) -> ToolError {
    ToolError::from_error(&error)
}

#[cfg(test)]
mod tests;
