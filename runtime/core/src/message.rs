//! What is said between people, models and tools, and what a model is asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tool::{ToolCall, ToolOutcome, ToolSpec};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// Instructions that frame the whole conversation.
    System {
        /// The instructions.
        text: String,
    },
    /// What a person said.
    User {
        /// Their words.
        text: String,
    },
    /// What a model said, and the calls it asked for.
    Assistant {
        /// Words for the reader; may be empty when there are calls.
        text: String,
        /// Calls to perform, in the order the model gave them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
    },
    /// What one call came to.
    Tool {
        /// The id of the [`ToolCall`] this answers.
        call_id: String,
        /// The tool that was called.
        name: String,
        /// Its result or its error.
        outcome: ToolOutcome,
    },
}

/// How a reply is sampled. Empty fields leave the engine's own default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// 0 is greedy; higher is more varied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Keep the smallest set of tokens whose probabilities sum to this (0 to 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// Keep only this many of the most likely tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Keep only tokens at least this likely, as a share of the most likely one (0 to 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// Divides the logits of tokens that stand in the conversation already; 1 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f32>,
    /// Taken off the logits of tokens that stand in the reply already; 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// Report the log probability of each token, with so many alternatives beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u8>,
    /// Same seed and same request, same reply (where the engine can).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Most tokens the reply may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Texts that end the reply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

impl Sampling {
    /// What this says, and what `defaults` say where it says nothing.
    #[must_use]
    pub fn or(&self, defaults: &Sampling) -> Sampling {
        Sampling {
            temperature: self.temperature.or(defaults.temperature),
            top_p: self.top_p.or(defaults.top_p),
            top_k: self.top_k.or(defaults.top_k),
            min_p: self.min_p.or(defaults.min_p),
            repetition_penalty: self.repetition_penalty.or(defaults.repetition_penalty),
            presence_penalty: self.presence_penalty.or(defaults.presence_penalty),
            logprobs: self.logprobs.or(defaults.logprobs),
            seed: self.seed.or(defaults.seed),
            max_tokens: self.max_tokens.or(defaults.max_tokens),
            stop: if self.stop.is_empty() {
                defaults.stop.clone()
            } else {
                self.stop.clone()
            },
        }
    }
}

/// One question to an engine: the whole conversation, and the tools on offer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// Tools the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// How to sample.
    #[serde(default)]
    pub sampling: Sampling,
    /// A JSON schema that the reply's text must satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_schema: Option<Value>,
    /// A grammar that the reply's text must be of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<Grammar>,
    /// Whether a model that can think before it answers does so; its own default when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<bool>,
}

/// What a reply's text must look like, where JSON is not what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grammar {
    /// A regular expression for the whole text.
    Regex(String),
    /// A context-free grammar in the Lark dialect of llguidance; its rule `start` is the text.
    Lark(String),
}

/// A token of a reply and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenLogprob {
    /// Its text; what is not UTF-8 by itself is replaced.
    pub token: String,
    /// Natural logarithm of its probability, before temperature and cuts.
    pub logprob: f32,
    /// The most likely tokens in its place, the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<(String, f32)>,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model had said what it wanted.
    #[default]
    Stop,
    /// It asks for tool calls.
    ToolCalls,
    /// It ran into a limit on length.
    Length,
    /// The provider withheld the rest.
    ContentFilter,
}

/// Tokens that a call cost. Engines that do not count report zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens of those read that came from a cache of earlier requests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// What it cost, in millionths of the currency of the engine's prices; zero where they are not
    /// known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_micros: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
        }
    }
}

/// An engine's answer to a [`ChatRequest`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatReply {
    /// Words for the reader.
    #[serde(default)]
    pub text: String,
    /// Reasoning the model shows apart from its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Calls it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// Why it ended.
    pub finish: FinishReason,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
    /// Its tokens' probabilities, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<TokenLogprob>,
    /// The engine declines to answer: what it was given does not support one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub abstained: bool,
    /// The engine that answered, where the one that was asked chose among several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Engines that were tried or passed over before that one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
}

/// An engine whose answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PassedOver {
    /// Which engine.
    pub engine: String,
    /// Why not.
    pub reason: String,
}

/// A piece of a reply while it is being written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "delta", rename_all = "snake_case")]
pub enum Delta {
    /// More of the answer's text.
    Text {
        /// The new characters.
        text: String,
    },
    /// More of the reasoning.
    Thinking {
        /// The new characters.
        text: String,
    },
    /// More of a tool call's arguments.
    CallArguments {
        /// Position of the call within the reply.
        index: usize,
        /// The tool's name, once known.
        name: String,
        /// The new characters of the arguments' JSON.
        fragment: String,
    },
}
