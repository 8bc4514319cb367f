//! How often the answer chosen among several is right.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::choose::choice;
use crate::database::Rows;
use crate::measure::Folder;
use crate::measure::asking::{Known, MeasureError, known, open, percent};
use crate::same::{same, sorts};

/// How often the chosen answer is right, in percent of the questions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ChoiceMeasure {
    /// Questions that were asked.
    pub questions: usize,
    /// The chosen answer.
    pub ex: f64,
    /// The rows that most candidates give, the first among equals.
    pub majority_ex: f64,
    /// The best of the candidates, as they are.
    pub oracle_ex: f64,
    /// The same for each database.
    pub databases: BTreeMap<String, ChoiceOf>,
    /// How often the chosen answer is right where it is at least this sure.
    pub by_confidence: Vec<Confidence>,
}

/// One database's part.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ChoiceOf {
    /// Questions about it.
    pub questions: usize,
    /// Those whose chosen answer is right.
    pub chosen: usize,
    /// Those where that of the majority is.
    pub majority: usize,
    /// Those where that of any candidate is.
    pub oracle: usize,
}

/// What is right where it is sure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confidence {
    /// At least so sure.
    pub at_least: f64,
    /// The share of questions of which that is so, in percent.
    pub answered: f64,
    /// How many of their answers are right, in percent.
    pub right: f64,
}

/// Chooses among the statements of all systems, in the order of their names.
///
/// # Errors
/// When a database cannot be read, or there is nothing to choose from.
pub async fn measure_choice(folder: &Folder) -> Result<ChoiceMeasure, MeasureError> {
    let opened = open(folder).await?;
    let mut measure = ChoiceMeasure::default();
    let mut sure = Vec::new();
    for question in folder
        .questions
        .iter()
        .filter(|question| !question.predictions.is_empty())
    {
        let Some(known) = known(question, &opened).await else {
            continue;
        };
        let candidates: Vec<String> = question.predictions.values().cloned().collect();
        let (majority, oracle) = counted(&known, &candidates).await;
        let of = measure
            .databases
            .entry(question.database.clone())
            .or_default();
        let add = |count: &mut usize, is: bool| *count = count.saturating_add(usize::from(is));
        let chosen = choice(&question.question, &candidates, &known.opened.asked()).await;
        let right = chosen.as_ref().is_ok_and(|chosen| known.is(chosen.rows()));
        sure.push((chosen.map_or(0.0, |chosen| chosen.confidence), right));
        add(&mut of.questions, true);
        add(&mut of.chosen, right);
        add(&mut of.majority, majority);
        add(&mut of.oracle, oracle);
    }
    let sum = |part: fn(&ChoiceOf) -> usize| measure.databases.values().map(part).sum::<usize>();
    let questions = sum(|of| of.questions);
    measure.ex = percent(sum(|of| of.chosen), questions);
    measure.majority_ex = percent(sum(|of| of.majority), questions);
    measure.oracle_ex = percent(sum(|of| of.oracle), questions);
    measure.questions = questions;
    for at_least in [0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95] {
        let kept: Vec<&(f64, bool)> = sure.iter().filter(|(sure, _)| *sure >= at_least).collect();
        let right = kept.iter().filter(|(_, right)| *right).count();
        measure.by_confidence.push(Confidence {
            at_least,
            answered: percent(kept.len(), sure.len()),
            right: percent(right, kept.len()),
        });
    }
    Ok(measure)
}

/// Whether the majority of candidates is right, and whether any is.
async fn counted(known: &Known<'_>, candidates: &[String]) -> (bool, bool) {
    let asked = known.opened.asked();
    let mut groups: Vec<(Rows, bool, usize)> = Vec::new();
    for sql in candidates {
        let Ok(rows) = asked.rows(sql).await else {
            continue;
        };
        let sorted = sorts(sql, known.question.dialect);
        let group = groups
            .iter_mut()
            .find(|(first, first_sorted, _)| same(first, &rows, sorted && *first_sorted));
        match group {
            Some((.., count)) => *count = count.saturating_add(1),
            None => groups.push((rows, sorted, 1)),
        }
    }
    let most = groups.iter().map(|(.., count)| *count).max();
    let first = groups.iter().find(|(.., count)| Some(*count) == most);
    let majority = first.is_some_and(|(rows, ..)| known.is(rows));
    (majority, groups.iter().any(|(rows, ..)| known.is(rows)))
}
