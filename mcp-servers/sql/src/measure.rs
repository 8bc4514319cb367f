//! Measuring on questions whose answers are known.
//!
//! - `folder`: questions, schemas and databases of a folder, in the forms that public sets have.
//! - `variants`: accepted answers written as one, told apart.
//! - `guarding`: whether the guard lets them through.
//! - `linking`: whether the tables that answers need are found.
//! - `parser`: how much the parser answers, and how much of that is right.
//! - `asking`: the databases of a folder.
//! - `choice`: the answer chosen among several. `repair`: statements that fail, repaired.

mod asking;
mod choice;
mod folder;
mod guarding;
mod linking;
mod parser;
mod repair;
mod variants;

pub use crate::same::{same, sorts};
pub use asking::MeasureError;
pub use choice::{ChoiceMeasure, ChoiceOf, Confidence, measure_choice};
pub use folder::{Folder, FolderError, Question};
pub use guarding::{Guarding, guarding};
pub use linking::{Linking, linking};
pub use parser::{Abstention, Outcome, ParserFigures, Verdict, abstentions, outcomes};
pub use repair::{RepairMeasure, RepairOf, measure_repair};
