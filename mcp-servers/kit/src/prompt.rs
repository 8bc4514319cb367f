//! Prompts: messages that a person picks and a model reads.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::content::Content;
use crate::context::CallContext;
use crate::error::ToolError;

/// What is said of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptMeta {
    /// Name within the server.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// What it must or may be given.
    pub arguments: Vec<PromptArgument>,
}

/// One argument of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub description: String,
    /// Whether it must be given.
    pub required: bool,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptMessage {
    /// Who says it.
    pub speaker: Speaker,
    /// What is said.
    pub content: Content,
}

impl PromptMessage {
    /// Said by the person.
    pub fn user(content: Content) -> Self {
        Self {
            speaker: Speaker::User,
            content,
        }
    }
}

/// The arguments of a prompt, by name.
pub type PromptArguments = BTreeMap<String, String>;

type Render = dyn Fn(PromptArguments, CallContext) -> BoxFuture<'static, Result<Vec<PromptMessage>, ToolError>>
    + Send
    + Sync;

#[derive(Clone)]
pub(crate) struct ServedPrompt {
    pub(crate) meta: PromptMeta,
    render: Arc<Render>,
}

impl ServedPrompt {
    pub(crate) fn new<F, Fut>(meta: PromptMeta, render: F) -> Self
    where
        F: Fn(PromptArguments, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<PromptMessage>, ToolError>> + Send + 'static,
    {
        let render = move |arguments, context| render(arguments, context).boxed();
        Self {
            meta,
            render: Arc::new(render),
        }
    }

    /// The messages, once every argument that must be given is there.
    pub(crate) async fn messages(
        &self,
        arguments: PromptArguments,
        context: CallContext,
    ) -> Result<Vec<PromptMessage>, ToolError> {
        let missing: Vec<&str> = self
            .meta
            .arguments
            .iter()
            .filter(|argument| argument.required && !arguments.contains_key(&argument.name))
            .map(|argument| argument.name.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(ToolError::new(
                format!(
                    "the prompt `{}` was not given {}",
                    self.meta.name,
                    missing.join(", ")
                ),
                "give every required argument as a string",
            ));
        }
        (self.render)(arguments, context).await
    }
}
