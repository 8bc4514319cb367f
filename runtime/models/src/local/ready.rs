//! What a request is before its first token: the prompt, and what the reply is held to.
//!
//! Both are kept for the next request. A prompt is counted, maybe twice, before it is answered; a
//! grammar over many tools takes longer to make than a token, and the tools come again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ropewalk_core::message::{ChatRequest, Grammar, Message};
use ropewalk_core::tool::ToolSpec;
use ropewalk_infer::chat::dialect::{Answer, Asked, Thinking, Unchecked};
use ropewalk_infer::chat::template::Conversation;
use ropewalk_infer::constraint::Matcher;
use ropewalk_infer::error::InferError;
use ropewalk_infer::model::{LocalModel, Prompt};
use serde_json::Value;

/// How many grammars are kept.
const MOST: usize = 16;

/// Prepares requests for one model.
#[derive(Debug)]
pub(super) struct Preparation {
    model: Arc<LocalModel>,
    prompt: Mutex<Option<(PromptKey, Arc<Prompt>)>>,
    grammars: Mutex<VecDeque<(HoldKey, Hold)>>,
}

/// A request, ready to be written.
pub(super) struct Ready {
    pub(super) prompt: Arc<Prompt>,
    pub(super) thinking: Thinking,
    pub(super) hold: Hold,
}

/// What a reply is held to.
#[derive(Debug, Clone, Default)]
pub(super) struct Hold {
    pub(super) matcher: Option<Matcher>,
    /// What is to be checked when the reply is there.
    pub(super) unchecked: Vec<Unchecked>,
}

/// What a prompt depends on, beside the day that templates may print.
#[derive(Debug, PartialEq)]
struct PromptKey {
    messages: Vec<Message>,
    tools: Vec<ToolSpec>,
    thinking: Option<bool>,
}

/// What a grammar depends on.
#[derive(Debug, PartialEq)]
struct HoldKey {
    tools: Vec<ToolSpec>,
    schema: Option<Value>,
    grammar: Option<Grammar>,
    thinking: Thinking,
}

impl Preparation {
    pub(super) fn new(model: Arc<LocalModel>) -> Self {
        Self {
            model,
            prompt: Mutex::default(),
            grammars: Mutex::default(),
        }
    }

    /// The prompt of a request.
    pub(super) fn prompt(&self, request: &ChatRequest) -> Result<Arc<Prompt>, InferError> {
        {
            let last = self.prompt.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((key, prompt)) = &*last
                && key.messages == request.messages
                && key.tools == request.tools
                && key.thinking == request.thinking
            {
                return Ok(Arc::clone(prompt));
            }
        }
        let prompt = Arc::new(self.model.prompt(Conversation {
            messages: &request.messages,
            tools: &request.tools,
            thinking: request.thinking,
            now: None,
        })?);
        let key = PromptKey {
            messages: request.messages.clone(),
            tools: request.tools.clone(),
            thinking: request.thinking,
        };
        *self.prompt.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((key, Arc::clone(&prompt)));
        Ok(prompt)
    }

    /// Everything that a request needs, where its prompt is shorter than the context. This may take
    /// longer than an async thread should be held.
    pub(super) fn ready(&self, request: &ChatRequest, context: usize) -> Result<Ready, InferError> {
        let prompt = self.prompt(request)?;
        if prompt.tokens.len() >= context {
            return Err(InferError::TooLong {
                prompt: prompt.tokens.len(),
                context,
            });
        }
        let thinking = self.model.dialect.thinking(&prompt.end, request.thinking);
        let hold = self.hold(request, thinking)?;
        Ok(Ready {
            prompt,
            thinking,
            hold,
        })
    }

    fn hold(&self, request: &ChatRequest, thinking: Thinking) -> Result<Hold, InferError> {
        if request.tools.is_empty()
            && request.response_schema.is_none()
            && request.grammar.is_none()
        {
            return Ok(Hold::default());
        }
        let is_it = |key: &HoldKey| {
            key.tools == request.tools
                && key.schema == request.response_schema
                && key.grammar == request.grammar
                && key.thinking == thinking
        };
        {
            let mut kept = self.grammars.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = kept.iter().position(|(key, _)| is_it(key))
                && let Some(found) = kept.remove(at)
            {
                let hold = found.1.clone();
                kept.push_back(found);
                return Ok(hold);
            }
        }
        let hold = self.make(request, thinking)?;
        let key = HoldKey {
            tools: request.tools.clone(),
            schema: request.response_schema.clone(),
            grammar: request.grammar.clone(),
            thinking,
        };
        let mut kept = self.grammars.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((key, hold.clone()));
        if kept.len() > MOST {
            kept.pop_front();
        }
        Ok(hold)
    }

    fn make(&self, request: &ChatRequest, thinking: Thinking) -> Result<Hold, InferError> {
        let answer = match (&request.response_schema, &request.grammar) {
            (Some(schema), _) => Answer::Schema(schema),
            (None, Some(grammar)) => Answer::Grammar(grammar),
            (None, None) => Answer::Text,
        };
        let held = self.model.dialect.constraint(Asked {
            tools: &request.tools,
            required: false,
            answer,
            thinking,
        })?;
        let matcher = held
            .constraint
            .as_ref()
            .map(|constraint| self.model.grammars.matcher(constraint))
            .transpose();
        match matcher {
            Ok(matcher) => Ok(Hold {
                matcher,
                unchecked: held.unchecked,
            }),
            // Together the schemas are too much: all of them are checked afterwards. A caller's own
            // grammar is an error, since nothing else could check it.
            Err(error) if request.grammar.is_none() => {
                let reason = error.to_string();
                let tools = request.tools.iter().map(|tool| Some(tool.name.clone()));
                let answer = request.response_schema.is_some().then_some(None);
                let unchecked = tools.chain(answer).map(|tool| Unchecked {
                    tool,
                    reason: reason.clone(),
                });
                Ok(Hold {
                    matcher: None,
                    unchecked: unchecked.collect(),
                })
            }
            Err(error) => Err(error),
        }
    }
}
