//! What is served: tools, resources and prompts under one name.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::changes::{Change, Changes};
use crate::content::{Body, Content};
use crate::context::CallContext;
use crate::doctor::Check;
use crate::error::ToolError;
use crate::prompt::{PromptArguments, PromptMessage, PromptMeta, ServedPrompt};
use crate::resource::{ResourceMeta, ServedResource, TemplateValues};
use crate::tool::{ServedTool, ToolMeta};

/// Who a server is.
#[derive(Debug, Clone)]
pub struct ServerIdentity {
    /// Short name, as in a configuration file.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Version of the server.
    pub version: String,
    /// What a model should know before it uses the tools.
    pub instructions: String,
}

/// What is completed: an argument of a prompt, or a name in a template of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completing {
    /// Name of the prompt, or address of the template.
    pub of: String,
    /// The argument.
    pub argument: String,
    /// What was typed of it so far.
    pub typed: String,
    /// The arguments already given.
    pub given: BTreeMap<String, String>,
}

type Complete = dyn Fn(Completing) -> BoxFuture<'static, Vec<String>> + Send + Sync;

/// A set of tools, resources and prompts that can be served any number of times, over any
/// transport. Cloning shares it: what is added or taken away shows everywhere.
#[derive(Clone)]
pub struct ToolServer {
    pub(crate) identity: Arc<ServerIdentity>,
    pub(crate) changes: Changes,
    /// Whether clients are promised news.
    pub(crate) changing: bool,
    /// Whether it speaks to the client's log.
    pub(crate) logging: bool,
    pub(crate) complete: Option<Arc<Complete>>,
    /// What else is looked at before it is found fit.
    pub(crate) checks: Vec<Check>,
    offered: Arc<RwLock<Offered>>,
}

#[derive(Default)]
struct Offered {
    tools: BTreeMap<String, Arc<ServedTool>>,
    prompts: BTreeMap<String, ServedPrompt>,
    resources: BTreeMap<String, ServedResource>,
}

impl ToolServer {
    /// A server that offers nothing yet.
    pub fn new(identity: ServerIdentity) -> Self {
        Self {
            identity: Arc::new(identity),
            changes: Changes::default(),
            changing: false,
            logging: false,
            complete: None,
            checks: Vec::new(),
            offered: Arc::default(),
        }
    }

    /// Adds a tool that gives data. Its schemas come from the types of its arguments and its
    /// result; arguments are checked against them before `run` is called. A tool of the same name
    /// is replaced.
    #[must_use]
    pub fn tool<A, R, F, Fut>(self, meta: ToolMeta, run: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        F: Fn(A, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    {
        self.put_tool(ServedTool::typed(meta, run));
        self
    }

    /// Adds a tool that gives text, pictures, sound or documents instead of data.
    #[must_use]
    pub fn content_tool<A, F, Fut>(self, meta: ToolMeta, run: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(A, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<Content>, ToolError>> + Send + 'static,
    {
        self.put_tool(ServedTool::of_content(meta, run));
        self
    }

    /// Adds or replaces a tool whose schemas are only known at run time, on a server that may be
    /// in use. The schemas are made portable; without one for the output, the result is any JSON.
    pub fn add_tool<F, Fut>(&self, meta: ToolMeta, input: Value, output: Option<Value>, run: F)
    where
        F: Fn(Value, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, ToolError>> + Send + 'static,
    {
        self.put_tool(ServedTool::dynamic(meta, input, output, run));
    }

    /// Takes a tool away; whether there was one.
    pub fn remove_tool(&self, name: &str) -> bool {
        let removed = self.write(|offered| offered.tools.remove(name).is_some());
        if removed {
            self.changes.tell(Change::Tools);
        }
        removed
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt<F, Fut>(self, meta: PromptMeta, render: F) -> Self
    where
        F: Fn(PromptArguments, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<PromptMessage>, ToolError>> + Send + 'static,
    {
        self.add_prompt(meta, render);
        self
    }

    /// Adds or replaces a prompt on a server that may be in use.
    pub fn add_prompt<F, Fut>(&self, meta: PromptMeta, render: F)
    where
        F: Fn(PromptArguments, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<PromptMessage>, ToolError>> + Send + 'static,
    {
        let prompt = ServedPrompt::new(meta, render);
        self.write(|offered| offered.prompts.insert(prompt.meta.name.clone(), prompt));
        self.changes.tell(Change::Prompts);
    }

    /// Takes a prompt away; whether there was one.
    pub fn remove_prompt(&self, name: &str) -> bool {
        let removed = self.write(|offered| offered.prompts.remove(name).is_some());
        if removed {
            self.changes.tell(Change::Prompts);
        }
        removed
    }

    /// Adds a resource, or a template of resources: an address with `{name}` where it varies. A
    /// name stands for one segment of the address, and `read` is given what stands there.
    #[must_use]
    pub fn resource<F, Fut>(self, meta: ResourceMeta, read: F) -> Self
    where
        F: Fn(TemplateValues, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Body, ToolError>> + Send + 'static,
    {
        let resource = ServedResource::new(meta, read);
        self.write(|offered| {
            offered
                .resources
                .insert(resource.meta.uri.clone(), resource)
        });
        self.changes.tell(Change::Resources);
        self
    }

    /// Tells clients that watch an address that what is there has changed.
    pub fn resource_changed(&self, uri: impl Into<String>) {
        self.changes.tell(Change::Resource(uri.into()));
    }

    /// Offers completions for the arguments of prompts and the names in templates, best first.
    #[must_use]
    pub fn completing<F, Fut>(mut self, complete: F) -> Self
    where
        F: Fn(Completing) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<String>> + Send + 'static,
    {
        self.complete = Some(Arc::new(move |what| complete(what).boxed()));
        self
    }

    /// Promises clients news of what is added and taken away.
    #[must_use]
    pub fn with_changes(mut self) -> Self {
        self.changing = true;
        self
    }

    /// Says that the tools speak to the client's log.
    #[must_use]
    pub fn with_logging(mut self) -> Self {
        self.logging = true;
        self
    }

    /// The tools as a client is told of them by `tools/list`, in the order of their names.
    pub fn definitions(&self) -> Vec<Value> {
        let tools = self.tools();
        let told = tools.iter().map(|tool| crate::protocol::described(tool));
        told.filter_map(|tool| serde_json::to_value(tool).ok())
            .collect()
    }
}

impl ToolServer {
    fn put_tool(&self, tool: ServedTool) {
        self.write(|offered| {
            offered
                .tools
                .insert(tool.meta.name.to_string(), Arc::new(tool))
        });
        self.changes.tell(Change::Tools);
    }

    fn write<T>(&self, change: impl FnOnce(&mut Offered) -> T) -> T {
        change(&mut self.offered.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn read<T>(&self, look: impl FnOnce(&Offered) -> T) -> T {
        look(&self.offered.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// In the order of their names.
    pub(crate) fn tools(&self) -> Vec<Arc<ServedTool>> {
        self.read(|offered| offered.tools.values().cloned().collect())
    }

    pub(crate) fn tool_named(&self, name: &str) -> Option<Arc<ServedTool>> {
        self.read(|offered| offered.tools.get(name).cloned())
    }

    pub(crate) fn prompts(&self) -> Vec<ServedPrompt> {
        self.read(|offered| offered.prompts.values().cloned().collect())
    }

    pub(crate) fn prompt_named(&self, name: &str) -> Option<ServedPrompt> {
        self.read(|offered| offered.prompts.get(name).cloned())
    }

    /// Resources and templates, in the order of their addresses.
    pub(crate) fn resources(&self) -> Vec<ServedResource> {
        self.read(|offered| offered.resources.values().cloned().collect())
    }

    /// The resource an address belongs to: itself before any template.
    pub(crate) fn resource_at(&self, uri: &str) -> Option<(ServedResource, TemplateValues)> {
        self.read(|offered| {
            let exact = offered
                .resources
                .get(uri)
                .filter(|resource| !resource.is_template());
            if let Some(resource) = exact {
                return Some((resource.clone(), TemplateValues::new()));
            }
            let mut templates = offered.resources.values();
            templates.find_map(|resource| Some((resource.clone(), resource.matches(uri)?)))
        })
    }
}
