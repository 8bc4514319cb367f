//! How much the parser answers, how much of that is right, and what it leaves to others.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::measure::asking::{Known, Opened};
use crate::measure::{Folder, MeasureError, Question};
use crate::parse::{Parser, Reading, THRESHOLD};
use crate::source::SourceError;
use crate::values::{Bounds, ValueIndex};

/// What became of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Its database.
    pub database: String,
    /// What was asked.
    pub question: String,
    /// The first of the statements that answer it.
    pub gold: Option<String>,
    /// What it was read as.
    pub reading: Reading,
    /// Whether the best reading is right.
    pub verdict: Verdict,
}

/// Whether the best reading of a question is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It gives what a gold statement gives.
    Right,
    /// It gives something else.
    Wrong,
    /// There is none.
    None,
    /// Nothing is right: the question cannot be answered.
    Unanswerable,
}

/// Coverage and precision at the usual threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ParserFigures {
    /// Questions.
    pub questions: usize,
    /// Those answered.
    pub answered: usize,
    /// Those answered rightly.
    pub right: usize,
    /// The share that is answered.
    pub coverage: f64,
    /// The share of the answered ones that is right.
    pub precision: f64,
}

/// What is left to others at a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Abstention {
    /// The confidence from which a question is answered.
    pub threshold: f32,
    /// The share of the questions without answers that is left to others.
    pub true_abstention: f64,
    /// The share of the other questions that is.
    pub false_abstention: f64,
}

impl ParserFigures {
    /// The figures of outcomes of answerable questions at a threshold.
    #[must_use]
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, threshold: f32) -> Self {
        let mut figures = Self::default();
        for outcome in outcomes {
            if outcome.verdict == Verdict::Unanswerable {
                continue;
            }
            figures.questions = figures.questions.saturating_add(1);
            if outcome.reading.confidence >= threshold && outcome.verdict != Verdict::None {
                figures.answered = figures.answered.saturating_add(1);
                let right = usize::from(outcome.verdict == Verdict::Right);
                figures.right = figures.right.saturating_add(right);
            }
        }
        figures.coverage = share(figures.answered, figures.questions);
        figures.precision = share(figures.right, figures.answered);
        figures
    }

    /// The figures at the threshold that the parser uses.
    #[must_use]
    pub fn usual<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        Self::of(outcomes, THRESHOLD)
    }
}

/// What is left to others at thresholds from 0 to 1, closer to each other where most questions
/// without answers lie.
#[must_use]
pub fn abstentions(outcomes: &[Outcome]) -> Vec<Abstention> {
    let left = |unanswerable: bool, threshold: f32| {
        let of = outcomes
            .iter()
            .filter(|outcome| (outcome.verdict == Verdict::Unanswerable) == unanswerable);
        let all = of.clone().count();
        let left = of.filter(|outcome| outcome.reading.confidence < threshold);
        share(left.count(), all)
    };
    let mut thresholds: Vec<f32> = (0_u8..=20).map(|step| f32::from(step) / 20.0).collect();
    thresholds.extend([0.01, 0.02, 0.03]);
    thresholds.sort_by(f32::total_cmp);
    thresholds
        .into_iter()
        .map(|threshold| Abstention {
            threshold,
            true_abstention: left(true, threshold),
            false_abstention: left(false, threshold),
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "nobody asks as many questions")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// A database that questions are asked of.
struct Asked {
    opened: Opened,
    parser: Parser,
}

/// Reads all questions of a folder whose databases are there, and compares the answers.
///
/// # Errors
/// When a database cannot be opened or read. A gold statement that fails is no question.
pub async fn outcomes(folder: &Folder) -> Result<Vec<Outcome>, MeasureError> {
    let mut databases: BTreeMap<&str, Asked> = BTreeMap::new();
    let mut outcomes = Vec::new();
    for question in folder.questions.iter().chain(&folder.unanswerable) {
        let name = question.database.as_str();
        let Some(path) = folder.databases.get(name) else {
            continue;
        };
        if question.dialect != crate::Dialect::Sqlite {
            continue;
        }
        if !databases.contains_key(name) {
            databases.insert(name, open(name, path).await?);
        }
        if let Some(asked) = databases.get(name) {
            let outcome = outcome(asked, question).await;
            outcomes.extend(outcome.map_err(|error| failed(name, error))?);
        }
    }
    Ok(outcomes)
}

fn failed(database: &str, error: SourceError) -> MeasureError {
    MeasureError::Database {
        database: database.to_owned(),
        error,
    }
}

async fn open(name: &str, path: &std::path::Path) -> Result<Asked, MeasureError> {
    let opened = Opened::new(name, path).await?;
    let (source, schema) = (&opened.source, &opened.schema);
    let values = ValueIndex::read(source, schema, &Bounds::default(), &opened.cancel).await;
    let values = values.map_err(|error| failed(name, error))?;
    let parser = Parser::new(schema, Arc::new(values), source.dialect());
    Ok(Asked { opened, parser })
}

async fn outcome(asked: &Asked, question: &Question) -> Result<Option<Outcome>, SourceError> {
    let opened = &asked.opened;
    let reading = asked.parser.parse(&question.question);
    let reading = reading.settled(&opened.source, &opened.cancel).await?;
    let verdict = if question.gold.is_empty() {
        Verdict::Unanswerable
    } else {
        let known = Known::of(question, opened).await;
        if !known.has_gold() {
            return Ok(None);
        }
        match &reading.best {
            None => Verdict::None,
            Some(best) => match opened.asked().rows(&best.sql).await {
                Ok(rows) if known.is(&rows) => Verdict::Right,
                _ => Verdict::Wrong,
            },
        }
    };
    Ok(Some(Outcome {
        database: question.database.clone(),
        question: question.question.clone(),
        gold: question.gold.first().cloned(),
        reading,
        verdict,
    }))
}
