//! Everything that happens in a run, as values. A run's log is a sequence of these.

use serde::{Deserialize, Serialize};

use crate::agent::Input;
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
        /// What the model is told when the call may not run.
        reason: String,
    },
    /// The run was cancelled from outside.
    Cancelled,
    /// The run ended.
    Ended {
        /// With this.
        answer: Answer,
    },
}

impl Event {
    /// What this event fed the agent machine, if anything. A run's machine is the fold of its
    /// log: a fresh machine that is fed these, in order, arrives at the same state.
    pub fn input(&self) -> Option<Input> {
        Some(match self.clone() {
            Event::ModelReplied { reply } => Input::Reply { reply },
            Event::ModelFailed { message } => Input::ModelFailed { message },
            Event::ToolReturned { call_id, outcome } => Input::ToolResult { call_id, outcome },
            Event::ApprovalGiven {
                call_id,
                allowed,
                reason,
            } => Input::Approval {
                call_id,
                allowed,
                reason,
            },
            Event::Cancelled => Input::Cancelled,
            Event::Started { .. }
            | Event::ModelCalled { .. }
            | Event::ToolCalled { .. }
            | Event::ToolProgressed { .. }
            | Event::ApprovalAsked { .. }
            | Event::Ended { .. } => return None,
        })
    }

    /// Tokens this event cost.
    pub fn usage(&self) -> Usage {
        match self {
            Event::ModelReplied { reply } => reply.usage,
            _ => Usage::default(),
        }
    }
}
