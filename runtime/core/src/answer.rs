//! What a machine ends with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::citation::Citation;
use crate::message::Usage;

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It answered.
    Answered,
    /// What it found does not support an answer, and it says so.
    Abstained,
    /// It reached its limit of model calls.
    ModelCallLimit,
    /// It reached its limit of tool calls.
    ToolCallLimit,
    /// It repeated the same call with the same result.
    NoProgress,
    /// The engine failed.
    ModelFailed,
    /// The engine said nothing, twice.
    EmptyReply,
    /// It kept citing passages that no tool returned.
    CitationsRefused,
    /// Its budget was spent.
    Budget,
    /// The question and what must stand beside it are larger than the engine's context.
    ContextFull,
    /// The run was cancelled from outside.
    Cancelled,
}

/// The end of a run: always words for a person, whatever happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// What the person reads.
    pub text: String,
    /// Why the machine ended.
    pub stop: StopReason,
    /// The passages the text cites, in the order of their first mention. Where nothing could be
    /// answered: the closest passages that were found.
    pub citations: Vec<Citation>,
    /// Passages were found but the text cites none of them.
    pub uncited: bool,
    /// The engine was cut off by its length limit.
    pub truncated: bool,
    /// How often the model was called.
    pub model_calls: u32,
    /// How many tool calls were made.
    pub tool_calls: u32,
    /// Tokens of all model calls.
    pub usage: Usage,
}

impl Answer {
    /// Whether the run ended without an answer to the question.
    pub fn abstained(&self) -> bool {
        self.stop != StopReason::Answered
    }
}
