//! How many of the tables that answers need are found, all databases together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ropewalk_embed::EmbedError;
use serde::Serialize;

use crate::guard::{Guard, Rules};
use crate::link::{Linker, Meanings};
use crate::measure::Folder;
use crate::schema::Schema;

/// How well tables are linked, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Linking {
    /// Tables among which those of a question are looked for.
    pub tables: usize,
    /// Questions that were asked.
    pub questions: usize,
    /// Tables needed that are among the first ten, averaged over questions.
    #[serde(rename = "recall@10")]
    pub recall_10: f64,
    /// Questions of which all tables are among the first five.
    #[serde(rename = "all@5")]
    pub all_5: f64,
    /// Questions of which all tables are among the first ten.
    #[serde(rename = "all@10")]
    pub all_10: f64,
}

/// Measures linking over all schemas of a folder; `None` where it has none. What somebody who asks
/// knows beside is part of a question where `evidence`.
///
/// # Errors
/// When the embedder fails.
pub fn linking(
    folder: &Folder,
    meanings: Option<Arc<Meanings>>,
    evidence: bool,
) -> Result<Option<Linking>, EmbedError> {
    let schemas: BTreeMap<&String, Arc<Schema>> = folder
        .schemas
        .iter()
        .map(|(name, schema)| (name, Arc::new(schema.clone())))
        .collect();
    let given = schemas.iter();
    let given = given.map(|(name, schema)| ((*name).clone(), Arc::clone(schema)));
    let linker = Linker::new(given, meanings);
    let (mut found, mut five, mut ten, mut questions) = (0.0, 0.0, 0.0, 0.0);
    for question in &folder.questions {
        let Some(schema) = schemas.get(&question.database) else {
            continue;
        };
        let Ok(guard) = Guard::new(question.dialect, Rules::default()) else {
            continue;
        };
        let gold = question
            .gold
            .first()
            .and_then(|gold| guard.check(gold).ok());
        let needed: BTreeSet<String> = gold
            .iter()
            .flat_map(|gold| &gold.tables)
            .filter_map(|name| schema.table(name))
            .map(|table| table.name.clone())
            .collect();
        if needed.is_empty() {
            continue;
        }
        let text = match &question.evidence {
            Some(known) if evidence => format!("{} {known}", question.question),
            _ => question.question.clone(),
        };
        let linked = linker.tables(&text, 10)?;
        let among = |count: usize| {
            let first = linked.iter().take(count);
            let own = first.filter(|linked| linked.database == question.database);
            own.filter(|linked| needed.contains(&linked.table)).count()
        };
        let all = |count: usize| f64::from(among(count) == needed.len());
        found += among(10) as f64 / needed.len() as f64;
        five += all(5);
        ten += all(10);
        questions += 1.0;
    }
    let percent = |sum: f64| (1_000.0 * sum / f64::max(questions, 1.0)).round() / 10.0;
    Ok((questions > 0.0).then(|| Linking {
        tables: schemas.values().map(|schema| schema.tables.len()).sum(),
        questions: questions as usize,
        recall_10: percent(found),
        all_5: percent(five),
        all_10: percent(ten),
    }))
}
