//! Whether the guard lets every answer through that is known to be right.

use serde::Serialize;

use crate::guard::{Guard, Rules};
use crate::measure::Folder;

/// What the guard did with statements that only read.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Guarding {
    /// Statements that were checked.
    pub statements: usize,
    /// Those that were refused.
    pub false_rejects: usize,
    /// The first few of them, with the reasons.
    pub refused: Vec<String>,
}

/// How many refused statements are shown.
const SHOWN: usize = 10;

/// Checks every gold statement of a folder in its dialect.
#[must_use]
pub fn guarding(folder: &Folder) -> Guarding {
    let mut measured = Guarding::default();
    for question in &folder.questions {
        let Ok(guard) = Guard::new(question.dialect, Rules::default()) else {
            continue;
        };
        for gold in &question.gold {
            measured.statements = measured.statements.saturating_add(1);
            if let Err(refusal) = guard.check(gold) {
                measured.false_rejects = measured.false_rejects.saturating_add(1);
                if measured.refused.len() < SHOWN {
                    let dialect = question.dialect.name();
                    measured
                        .refused
                        .push(format!("{dialect}: {refusal}: {gold}"));
                }
            }
        }
    }
    measured
}
