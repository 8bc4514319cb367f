//! The ReAct machine: ask it for the next step, do the step, feed the result back.
//!
//! It does no IO and reads no clock, so every run of it can be stored at any step, moved to
//! another process, replayed and tested. After Yao et al., "ReAct" (2022): the model reasons,
//! acts through tools, observes, and repeats until it answers.
//!
//! It always ends with words for a person: on a limit, on a failing engine, on a model that
//! repeats itself or cites what nobody found. See [`crate::answer::StopReason`].

mod ending;
mod summary;
mod trim;
mod turn;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Answer;
use crate::citation::Citation;
use crate::definition::{AgentDefinition, Limits};
use crate::message::{ChatReply, ChatRequest, Message, Sampling, Usage};
use crate::tool::{ToolCall, ToolOutcome, ToolSpec};

pub use self::window::Room;
use self::window::{Goal, Plan};

/// Version of the machine's stored form. Form 1 knew nothing of compaction, and up to form 2 tools
/// were judged before their calls were; both are read as well.
pub const MACHINE_VERSION: u32 = 3;

/// The oldest form that is read.
const OLDEST_VERSION: u32 = 1;

/// What the machine wants done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Call the model and feed back [`Input::Reply`] or [`Input::ModelFailed`].
    CallModel(Box<ChatRequest>),
    /// Judge each of these calls, by the policy and by a person where it says so, and feed back
    /// [`Input::Judged`] for each.
    JudgeCalls(Vec<ToolCall>),
    /// Run these calls, at once if possible, and feed back [`Input::ToolResult`] for each, in
    /// whatever order they end.
    CallTools(Vec<ToolCall>),
    /// Nothing: it has ended.
    Done(Box<Answer>),
}

/// What is fed back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    /// The model replied.
    Reply {
        /// What it said.
        reply: ChatReply,
    },
    /// The model failed for good; retries are the engine's business.
    ModelFailed {
        /// Why.
        message: String,
    },
    /// It was decided whether a call may run.
    Judged {
        /// Which call.
        call_id: String,
        /// Whether it may run.
        allowed: bool,
        /// What the model is told when it may not.
        reason: String,
        /// Other arguments than the model gave, from the person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Value>,
    },
    /// A call ended.
    ToolResult {
        /// Which call.
        call_id: String,
        /// What it came to.
        outcome: ToolOutcome,
        /// Who said it, where nobody vouches for them: the model then reads it as data of theirs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        untrusted: Option<String>,
    },
    /// The budget does not allow what the machine wants next. It ends at a model call; while
    /// calls are open, it answers next, from what it has.
    BudgetSpent {
        /// Which bound.
        message: String,
    },
    /// The request that the machine asks for is too large for its engine. It becomes smaller, over
    /// some calls of the model if need be, or the machine ends because it cannot.
    Compact {
        /// What there is room for.
        room: Room,
    },
    /// The run is cancelled from outside. Accepted at any step.
    Cancelled,
}

/// An input that does not fit the step the machine is at. The machine is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// Nothing of this kind was asked for.
    #[error("the machine did not ask for {got}; it waits for {waiting_for}")]
    NotAskedFor {
        /// What was fed.
        got: &'static str,
        /// What it waits for.
        waiting_for: &'static str,
    },
    /// No open call has this id.
    #[error("no open call has the id `{call_id}`; open calls: {}", .open.join(", "))]
    UnknownCall {
        /// The id that was fed.
        call_id: String,
        /// The ids that are open.
        open: Vec<String>,
    },
    /// A stored machine is of a version this program does not know.
    #[error("this machine was stored in form {found}; this program reads form {MACHINE_VERSION}")]
    Version {
        /// The stored version.
        found: u32,
    },
    /// A stored machine does not parse.
    #[error("a stored machine cannot be read: {0}")]
    Stored(String),
}

/// One agent at work on one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentMachine {
    version: u32,
    limits: Limits,
    sampling: Sampling,
    tools: Vec<ToolSpec>,
    messages: Vec<Message>,
    phase: Phase,
    citations: Vec<Citation>,
    model_calls: u32,
    tool_calls: u32,
    usage: Usage,
    /// The next model call is the last, and has no tools.
    last_turn: Option<LastTurn>,
    /// How often the model was asked to mend its citations.
    corrections: u32,
    /// How often it said nothing.
    empty_replies: u32,
    /// How often each call came to the same result.
    repeats: BTreeMap<String, Repeat>,
    /// Calls of the model that wrote summaries; they do not count against the limit on turns.
    #[serde(default)]
    summary_calls: u32,
    /// How often older rounds were put together into one message.
    #[serde(default)]
    compactions: u32,
    /// Ids of calls that are no longer in the conversation.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    forgotten_calls: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
enum Phase {
    Model,
    Summary { summing: Summing },
    Tools { open: Vec<OpenCall> },
    Done { answer: Box<Answer> },
}

/// A summary in the making. Sizes are estimates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Summing {
    /// What it is to stand for.
    plan: Plan,
    /// How long the conversation may be after it.
    goal: Goal,
    /// Tokens of what is summarised at once.
    part: u64,
    /// Summaries of summaries are of a higher level.
    level: u32,
    /// Texts still to be summarised.
    pending: Vec<String>,
    /// Summaries of those before them.
    done: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OpenCall {
    call: ToolCall,
    state: CallState,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum CallState {
    Judging,
    Running,
    Ended {
        outcome: ToolOutcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        untrusted: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LastTurn {
    ModelCalls,
    ToolCalls,
    NoProgress,
    Budget,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Repeat {
    result: String,
    times: u32,
}

impl AgentMachine {
    /// A machine at its first step, whose model sees these tools.
    pub fn new(definition: &AgentDefinition, tools: Vec<ToolSpec>, question: &str) -> Self {
        let messages = vec![
            Message::System {
                text: definition.prompt.clone(),
            },
            Message::User {
                text: question.to_owned(),
            },
        ];
        let mut machine = Self {
            version: MACHINE_VERSION,
            limits: definition.settings.limits,
            sampling: definition.settings.sampling.clone(),
            tools,
            messages,
            phase: Phase::Model,
            citations: Vec::new(),
            model_calls: 0,
            tool_calls: 0,
            usage: Usage::default(),
            last_turn: None,
            corrections: 0,
            empty_replies: 0,
            repeats: BTreeMap::new(),
            summary_calls: 0,
            compactions: 0,
            forgotten_calls: BTreeSet::new(),
        };
        machine.enter_model();
        machine
    }

    /// What to do next. Asking changes nothing: the same step is given until it is done.
    pub fn next(&self) -> Step {
        match &self.phase {
            Phase::Model => Step::CallModel(Box::new(self.request())),
            Phase::Summary { summing } => Step::CallModel(Box::new(self.summary_request(summing))),
            Phase::Done { answer } => Step::Done(answer.clone()),
            Phase::Tools { open } => {
                let in_state = |wanted: &CallState| {
                    let calls = open.iter().filter(|open| open.state == *wanted);
                    calls.map(|open| open.call.clone()).collect::<Vec<_>>()
                };
                let judging = in_state(&CallState::Judging);
                if judging.is_empty() {
                    Step::CallTools(in_state(&CallState::Running))
                } else {
                    Step::JudgeCalls(judging)
                }
            }
        }
    }

    /// Takes the result of a step.
    ///
    /// # Errors
    /// When the input does not fit the step; the machine is then unchanged.
    pub fn feed(&mut self, input: Input) -> Result<(), MachineError> {
        if let Phase::Done { .. } = self.phase {
            return Err(MachineError::NotAskedFor {
                got: input.kind(),
                waiting_for: "nothing: it has ended",
            });
        }
        match (input, &mut self.phase) {
            (Input::Cancelled, _) => self.end_cancelled(),
            (Input::Compact { room }, Phase::Model | Phase::Summary { .. }) => self.compact(room),
            (Input::Reply { reply }, Phase::Summary { .. }) => self.take_summary(reply),
            (Input::ModelFailed { .. } | Input::BudgetSpent { .. }, Phase::Summary { .. }) => {
                self.give_summary_up();
            }
            (Input::BudgetSpent { message }, Phase::Model) => self.end_spent(&message),
            (Input::BudgetSpent { .. }, Phase::Tools { .. }) => {
                self.last_turn = Some(LastTurn::Budget);
            }
            (Input::Reply { reply }, Phase::Model) => self.take_reply(reply),
            (Input::ModelFailed { message }, Phase::Model) => self.end_failed(&message),
            (
                Input::Judged {
                    call_id,
                    allowed,
                    reason,
                    arguments,
                },
                Phase::Tools { open },
            ) => {
                let call = find(open, &call_id, &CallState::Judging)?;
                if let Some(arguments) = arguments {
                    // The model sees what was really called.
                    amend(&mut self.messages, &call_id, &arguments);
                    call.call.arguments = arguments;
                }
                call.state = if allowed {
                    CallState::Running
                } else {
                    CallState::refused(reason)
                };
                self.close_tools_if_ended();
            }
            (
                Input::ToolResult {
                    call_id,
                    outcome,
                    untrusted,
                },
                Phase::Tools { open },
            ) => {
                find(open, &call_id, &CallState::Running)?.state =
                    CallState::Ended { outcome, untrusted };
                self.close_tools_if_ended();
            }
            (input, phase) => {
                return Err(MachineError::NotAskedFor {
                    got: input.kind(),
                    waiting_for: phase.waiting_for(),
                });
            }
        }
        Ok(())
    }

    /// The names of the tools that the model sees.
    pub fn offered(&self) -> impl Iterator<Item = &str> {
        self.tools.iter().map(|tool| tool.name.as_str())
    }

    /// Lets the model see these tools as well, after those it sees already: what it has read of
    /// them stays where it is.
    pub fn offer(&mut self, tools: Vec<ToolSpec>) {
        for tool in tools {
            if !self.tools.iter().any(|known| known.name == tool.name) {
                self.tools.push(tool);
            }
        }
    }

    /// The conversation so far, oldest first.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Every passage that tools have returned so far.
    pub fn citations(&self) -> &[Citation] {
        &self.citations
    }

    /// The machine as it is stored.
    pub fn to_json(&self) -> Result<String, MachineError> {
        serde_json::to_string(self).map_err(|error| MachineError::Stored(error.to_string()))
    }

    /// A machine as it was stored.
    ///
    /// # Errors
    /// When the text is no machine, or one of another version.
    pub fn from_json(text: &str) -> Result<Self, MachineError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let stored = |error: serde_json::Error| MachineError::Stored(error.to_string());
        let Versioned { version } = serde_json::from_str(text).map_err(stored)?;
        if !(OLDEST_VERSION..=MACHINE_VERSION).contains(&version) {
            return Err(MachineError::Version { found: version });
        }
        let mut value: Value = serde_json::from_str(text).map_err(stored)?;
        if version < 3 {
            judge_calls_instead_of_tools(&mut value);
        }
        let machine = Self::deserialize(value).map_err(stored)?;
        // What later forms added has defaults.
        Ok(Self {
            version: MACHINE_VERSION,
            ..machine
        })
    }

    /// How often older rounds of the conversation were put together into one message.
    pub fn compactions(&self) -> u32 {
        self.compactions
    }

    /// Whether the call it asks for writes a summary.
    pub fn summarises(&self) -> bool {
        matches!(self.phase, Phase::Summary { .. })
    }

    fn request(&self) -> ChatRequest {
        let tools = match self.last_turn {
            None => self.tools.clone(),
            Some(_) => Vec::new(),
        };
        ChatRequest {
            messages: self.messages.clone(),
            tools,
            sampling: self.sampling.clone(),
            response_schema: None,
            grammar: None,
            thinking: None,
        }
    }
}

/// Brings a machine of form 2 to form 3.
fn judge_calls_instead_of_tools(machine: &mut Value) {
    let tools = machine.get_mut("tools").and_then(Value::as_array_mut);
    for tool in tools.into_iter().flatten() {
        if let Some(spec) = tool.get_mut("spec").map(Value::take) {
            *tool = spec;
        }
    }
    let open = machine.pointer_mut("/phase/open");
    let open = open.and_then(Value::as_array_mut);
    for call in open.into_iter().flatten() {
        if let Some(state) = call.pointer_mut("/state/state")
            && *state == "asking"
        {
            *state = Value::from("judging");
        }
    }
}

fn amend(messages: &mut [Message], call_id: &str, arguments: &Value) {
    if let Some(Message::Assistant { calls, .. }) = messages.last_mut()
        && let Some(call) = calls.iter_mut().find(|call| call.id == call_id)
    {
        call.arguments = arguments.clone();
    }
}

fn find<'a>(
    open: &'a mut [OpenCall],
    call_id: &str,
    state: &CallState,
) -> Result<&'a mut OpenCall, MachineError> {
    let ids = || {
        let waiting = open.iter().filter(|call| call.state == *state);
        waiting.map(|call| call.call.id.clone()).collect()
    };
    let error = MachineError::UnknownCall {
        call_id: call_id.to_owned(),
        open: ids(),
    };
    open.iter_mut()
        .find(|call| call.call.id == call_id && call.state == *state)
        .ok_or(error)
}

impl CallState {
    fn refused(message: String) -> Self {
        CallState::Ended {
            outcome: ToolOutcome::Error { message },
            untrusted: None,
        }
    }
}

impl Phase {
    fn waiting_for(&self) -> &'static str {
        match self {
            Phase::Model => "a reply of the model",
            Phase::Summary { .. } => "a summary by the model",
            Phase::Tools { .. } => "results or judgements of its tool calls",
            Phase::Done { .. } => "nothing: it has ended",
        }
    }
}

impl Input {
    fn kind(&self) -> &'static str {
        match self {
            Input::Reply { .. } => "a reply",
            Input::ModelFailed { .. } => "a failure of the model",
            Input::Judged { .. } => "a judgement",
            Input::ToolResult { .. } => "a tool result",
            Input::BudgetSpent { .. } => "a spent budget",
            Input::Compact { .. } => "a compaction",
            Input::Cancelled => "a cancellation",
        }
    }
}
