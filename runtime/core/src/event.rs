//! Everything that happens in a run, as values. A run's log is a sequence of these, and its state
//! is the fold of its log: what a page shows, what a trace draws and what a crash leaves behind
//! all come from here.
//!
//! A *path* names one activation of a node: `draft`, `draft#2` on its second visit,
//! `sections[3]` for one item of a map, `write/draft` for a node of a subgraph.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::graph::bundle::Bundle;
use crate::graph::machine::NodeError;
use crate::graph::signature::Signature;
use crate::interrupt::{Interrupt, Reply};
use crate::message::{ChatReply, ChatRequest, Grammar, Message, Sampling, Usage};
use crate::policy::{Exposure, Judgement};
use crate::tool::{ToolCall, ToolOutcome, ToolSpec};

/// Version of the events' form; a reader refuses what it does not know.
///
/// Up to form 2 tools were judged when a run began, and not each call when it was made.
pub const EVENT_VERSION: u32 = 3;

/// The oldest form that is read.
pub const OLDEST_EVENT_VERSION: u32 = 2;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    RunStarted {
        /// Form of this log.
        version: u32,
        /// The graph.
        graph: String,
        /// What it is made of, to tell later whether it has changed.
        signature: Signature,
        /// Every definition it needs.
        bundle: Box<Bundle>,
        /// What it was given.
        inputs: Arc<Map<String, Value>>,
        /// The engine that reasons where a node names no other.
        engine: String,
        /// The tools there were.
        #[serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "tools_of_any_form"
        )]
        tools: Vec<ToolSpec>,
        /// Those of them whose results nobody vouches for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outside: Vec<String>,
        /// The run whose past it shares.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forked: Option<Origin>,
    },
    /// A process took the run up again.
    RunResumed {
        /// The engine that reasons from here on.
        engine: String,
        /// The graph from here on, where it has changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changed: Option<Box<(Signature, Bundle)>>,
        /// Tools whose results nobody vouches for, as far as it is not known yet.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outside: Vec<String>,
    },
    /// A node began. Nodes that end at once have no such event.
    NodeStarted {
        /// Which activation.
        path: String,
        /// The word the definition uses: `agent`, `tool` ...
        kind: String,
    },
    /// A node ended.
    NodeEnded {
        /// Which activation.
        path: String,
        /// What it came to.
        #[serde(flatten)]
        end: NodeRecord,
    },
    /// A node failed and is tried again.
    NodeRetried {
        /// Which activation.
        path: String,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        error: NodeError,
        /// Milliseconds before the next attempt.
        wait_ms: u64,
    },
    /// One item of a map ended.
    ItemEnded {
        /// Which.
        path: String,
        /// What it came to.
        outcome: ItemOutcome,
    },
    /// It was judged whether a call of a tool may run.
    CallJudged {
        /// Names the judgement within the run: the attempt, and the call.
        place: String,
        /// The tool.
        tool: String,
        /// How it came out.
        judgement: Judgement,
    },
    /// The run has read what it did not call for itself: a result from the cache.
    Exposed {
        /// Which activation.
        path: String,
        /// What it has read with it.
        reads: Exposure,
    },
    /// Something outside the run is about to be done.
    EffectStarted {
        /// Its place in the run: the same on every replay.
        slot: String,
        /// Names it to the outside, so that a server can answer twice with one effect.
        key: String,
        /// Doing it twice does no harm.
        repeatable: bool,
        /// What is asked for.
        request: EffectRequest,
    },
    /// A tool said how far it is. Not kept in stores.
    EffectProgressed {
        /// Which effect.
        slot: String,
        /// What it said.
        message: String,
    },
    /// A server had a model complete something while it worked on an effect.
    EffectSampled {
        /// Which effect.
        slot: String,
        /// The model.
        engine: String,
        /// What it cost.
        usage: Usage,
        /// Milliseconds it took.
        took_ms: u64,
    },
    /// It was done, or failed.
    EffectEnded {
        /// Which effect.
        slot: String,
        /// What it came to.
        outcome: EffectOutcome,
    },
    /// A person is asked.
    InterruptRaised {
        /// Names it within the run.
        id: String,
        /// The question.
        interrupt: Interrupt,
    },
    /// A person answered.
    InterruptAnswered {
        /// Which question.
        id: String,
        /// What they said.
        reply: Reply,
    },
    /// The run stands still until somebody resumes it.
    Suspended {
        /// Why.
        reason: String,
    },
    /// The run ended.
    RunEnded {
        /// How.
        outcome: RunOutcome,
    },
}

/// Tools as form 2 held them, with a permission beside each, and as they are now.
fn tools_of_any_form<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ToolSpec>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Judged { spec: ToolSpec },
        Plain(ToolSpec),
    }
    let kept = Vec::<Kept>::deserialize(from)?;
    let specs = kept.into_iter().map(|kept| match kept {
        Kept::Judged { spec } | Kept::Plain(spec) => spec,
    });
    Ok(specs.collect())
}

/// The run and the place that a fork begins from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The run.
    pub run: String,
    /// Events of it that the fork shares: those before this position.
    pub seq: u64,
}

/// What a node came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// What it wrote, by channel.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub writes: IndexMap<String, Arc<Value>>,
    /// The edges that were taken: `draft -> review`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<String>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<NodeError>,
    /// Whether the graph ended with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fatal: bool,
}

/// What an item of a map came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemOutcome {
    /// It worked.
    Done {
        /// The result.
        result: Arc<Value>,
        /// What is known of how it came about.
        details: Arc<Value>,
    },
    /// It did not.
    Failed(NodeError),
}

/// What is done outside the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EffectRequest {
    /// A call of a model.
    Model {
        /// The engine.
        engine: String,
        /// What it is asked.
        request: RecordedRequest,
    },
    /// A call of a tool.
    Tool {
        /// The call.
        call: ToolCall,
    },
    /// A registered function that touches the world.
    Function {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Arc<Value>,
    },
    /// Something that chance or the clock decided.
    Decision {
        /// What was decided.
        about: String,
    },
}

/// What a model was asked, without what its last request in the same place had already said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// So many messages are those of the request before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept: usize,
    /// The messages after them.
    pub messages: Vec<Message>,
    /// The tools on offer, where they are not those of the request before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ToolSpec>>,
    /// How to sample.
    #[serde(default)]
    pub sampling: Sampling,
    /// What the reply must satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_schema: Option<Value>,
    /// The grammar that the reply must be of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<Grammar>,
    /// Whether a model may think first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<bool>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl RecordedRequest {
    /// What of a request is new.
    pub fn after(previous: Option<&ChatRequest>, request: &ChatRequest) -> Self {
        let before = previous.map_or(&[][..], |previous| &previous.messages);
        let same = |(old, new): &(&Message, &Message)| old == new;
        let kept = before
            .iter()
            .zip(&request.messages)
            .take_while(same)
            .count();
        let tools_same = previous.is_some_and(|previous| previous.tools == request.tools);
        Self {
            kept,
            messages: request.messages.get(kept..).unwrap_or_default().to_vec(),
            tools: (!tools_same).then(|| request.tools.clone()),
            sampling: request.sampling.clone(),
            response_schema: request.response_schema.clone(),
            grammar: request.grammar.clone(),
            thinking: request.thinking,
        }
    }

    /// The whole request.
    pub fn whole(&self, previous: Option<&ChatRequest>) -> ChatRequest {
        let before = previous.map_or(&[][..], |previous| &previous.messages);
        let mut messages = before.get(..self.kept).unwrap_or(before).to_vec();
        messages.extend(self.messages.iter().cloned());
        let tools = match (&self.tools, previous) {
            (Some(tools), _) => tools.clone(),
            (None, Some(previous)) => previous.tools.clone(),
            (None, None) => Vec::new(),
        };
        ChatRequest {
            messages,
            tools,
            sampling: self.sampling.clone(),
            response_schema: self.response_schema.clone(),
            grammar: self.grammar.clone(),
            thinking: self.thinking,
        }
    }
}

/// What an effect came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EffectOutcome {
    /// A model's reply.
    Reply {
        /// What it said.
        reply: ChatReply,
    },
    /// A tool's result or error.
    Tool {
        /// The result.
        outcome: ToolOutcome,
    },
    /// A value.
    Value {
        /// The value.
        value: Arc<Value>,
    },
    /// It failed.
    Failed {
        /// Why.
        error: NodeError,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every node that was needed has run.
    Completed {
        /// The result, by channel.
        outputs: Arc<Map<String, Value>>,
    },
    /// A node failed, and nothing in the graph took care of it.
    Failed {
        /// The node.
        node: String,
        /// Why.
        error: NodeError,
    },
}

impl Event {
    /// Tokens this event cost.
    pub fn usage(&self) -> Usage {
        match self {
            Event::EffectEnded {
                outcome: EffectOutcome::Reply { reply },
                ..
            } => reply.usage,
            Event::EffectSampled { usage, .. } => *usage,
            _ => Usage::default(),
        }
    }

    /// The activation or effect this event is about.
    pub fn place(&self) -> Option<&str> {
        match self {
            Event::NodeStarted { path, .. }
            | Event::NodeEnded { path, .. }
            | Event::NodeRetried { path, .. }
            | Event::ItemEnded { path, .. }
            | Event::Exposed { path, .. } => Some(path),
            Event::CallJudged { place, .. } => Some(place),
            Event::EffectStarted { slot, .. }
            | Event::EffectProgressed { slot, .. }
            | Event::EffectSampled { slot, .. }
            | Event::EffectEnded { slot, .. } => Some(slot),
            Event::InterruptRaised { id, .. } | Event::InterruptAnswered { id, .. } => Some(id),
            Event::RunStarted { .. }
            | Event::RunResumed { .. }
            | Event::Suspended { .. }
            | Event::RunEnded { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_recorded_by_what_is_new_in_it() {
        let message = |text: &str| Message::User { text: text.into() };
        let first = ChatRequest {
            messages: vec![message("a"), message("b")],
            ..ChatRequest::default()
        };
        let mut second = first.clone();
        second.messages.push(message("c"));
        let recorded = RecordedRequest::after(Some(&first), &second);
        assert_eq!((recorded.kept, recorded.messages.len()), (2, 1));
        assert_eq!(recorded.tools, None);
        assert_eq!(recorded.whole(Some(&first)), second);
        let alone = RecordedRequest::after(None, &second);
        assert_eq!(alone.whole(None), second);
    }
}
