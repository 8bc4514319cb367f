//! Everything that happens in a run, as values. A run's log is a sequence of these.

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::message::{ChatReply, Usage};
use crate::tool::{ToolCall, ToolOutcome};

/// Version of the events' form; a reader refuses what it does not know.
pub const EVENT_VERSION: u32 = 1;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    Started {
        /// Form of this log.
        version: u32,
        /// The agent.
        agent: String,
        /// The engine.
        engine: String,
        /// What was asked.
        question: String,
    },
    /// The model was called.
    ModelCalled {
        /// Which call, from 1.
        call: u32,
        /// Messages in the request.
        messages: usize,
        /// Tools on offer.
        tools: usize,
    },
    /// It replied.
    ModelReplied {
        /// What it said.
        reply: ChatReply,
    },
    /// It failed.
    ModelFailed {
        /// Why.
        message: String,
    },
    /// A tool was called.
    ToolCalled {
        /// With what.
        call: ToolCall,
    },
    /// A tool reported how far it is.
    ToolProgressed {
        /// Which call.
        call_id: String,
        /// What it said.
        message: String,
    },
    /// A tool call ended.
    ToolReturned {
        /// Which call.
        call_id: String,
        /// What it came to.
        outcome: ToolOutcome,
    },
    /// A person was asked whether a call may run.
    ApprovalAsked {
        /// The call.
        call: ToolCall,
    },
    /// The person, or the lack of one, decided.
    ApprovalGiven {
        /// Which call.
        call_id: String,
        /// The decision.
        allowed: bool,
    },
    /// The run ended.
    Ended {
        /// With this.
        answer: Answer,
    },
}

impl Event {
    /// Tokens this event cost.
    pub fn usage(&self) -> Usage {
        match self {
            Event::ModelReplied { reply } => reply.usage,
            _ => Usage::default(),
        }
    }
}
