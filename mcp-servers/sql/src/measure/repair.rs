//! How often a repaired statement is right, and how many still fail.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::Folder;
use crate::measure::asking::{MeasureError, Opened, known, open, percent};
use crate::repair::repair;

/// How often statements are right before and after they are repaired.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RepairMeasure {
    /// Whose statements they are.
    pub system: String,
    /// Questions that were asked.
    pub questions: usize,
    /// How many are right as they are, in percent.
    pub ex_before: f64,
    /// How many are right repaired, in percent.
    pub ex_after: f64,
    /// How many fail as they are.
    pub errors_before: usize,
    /// How many fail repaired.
    pub errors_after: usize,
    /// How many were right and are no longer.
    pub lost: usize,
    /// The same for each database.
    pub databases: BTreeMap<String, RepairOf>,
}

/// One database's part.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RepairOf {
    /// Questions about it.
    pub questions: usize,
    /// Statements that are right as they are.
    pub right_before: usize,
    /// Those that are right repaired.
    pub right_after: usize,
    /// Those that fail as they are.
    pub errors_before: usize,
    /// Those that fail repaired.
    pub errors_after: usize,
    /// Those that were right and are no longer.
    pub lost: usize,
}

/// Repairs the statements of one system: of `system`, or where none is named of the one with most
/// statements that fail, the first among equals.
///
/// # Errors
/// When a database cannot be read, or there is nothing to repair.
pub async fn measure_repair(
    folder: &Folder,
    system: Option<&str>,
) -> Result<RepairMeasure, MeasureError> {
    let opened = open(folder).await?;
    let system = match system {
        Some(system) => system.to_owned(),
        None => failing_most(folder, &opened)
            .await
            .ok_or(MeasureError::Nothing)?,
    };
    let mut measure = RepairMeasure {
        system: system.clone(),
        ..RepairMeasure::default()
    };
    for question in &folder.questions {
        let Some(sql) = question.predictions.get(&system) else {
            continue;
        };
        let Some(known) = known(question, &opened).await else {
            continue;
        };
        let asked = known.opened.asked();
        let before = asked.rows(sql).await;
        let after = repair(Some(&question.question), sql, &asked).await;
        let right_before = before.as_ref().is_ok_and(|rows| known.is(rows));
        let right_after = after
            .as_ref()
            .is_ok_and(|repaired| known.is(repaired.rows()));
        let of = measure
            .databases
            .entry(question.database.clone())
            .or_default();
        let add = |count: &mut usize, is: bool| *count = count.saturating_add(usize::from(is));
        add(&mut of.questions, true);
        add(&mut of.right_before, right_before);
        add(&mut of.right_after, right_after);
        add(&mut of.errors_before, before.is_err());
        add(&mut of.errors_after, after.is_err());
        add(&mut of.lost, right_before && !right_after);
    }
    let sum = |part: fn(&RepairOf) -> usize| measure.databases.values().map(part).sum::<usize>();
    let questions = sum(|of| of.questions);
    measure.ex_before = percent(sum(|of| of.right_before), questions);
    measure.ex_after = percent(sum(|of| of.right_after), questions);
    measure.errors_before = sum(|of| of.errors_before);
    measure.errors_after = sum(|of| of.errors_after);
    measure.lost = sum(|of| of.lost);
    measure.questions = questions;
    if questions == 0 {
        return Err(MeasureError::Nothing);
    }
    Ok(measure)
}

/// The system with most statements that fail.
async fn failing_most(folder: &Folder, opened: &BTreeMap<String, Opened>) -> Option<String> {
    let mut failed: BTreeMap<&String, usize> = BTreeMap::new();
    for question in &folder.questions {
        let Some(database) = opened.get(&question.database) else {
            continue;
        };
        let asked = database.asked();
        for (system, sql) in &question.predictions {
            let fails = asked.rows(sql).await.is_err();
            let count = failed.entry(system).or_default();
            *count = count.saturating_add(usize::from(fails));
        }
    }
    let most = failed.values().copied().max()?;
    let mut systems = failed.into_iter();
    let (system, _) = systems.find(|(_, count)| *count == most)?;
    Some(system.clone())
}
