//! Tools as plain async functions, typed on both sides.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::arguments::ArgumentCheck;
use crate::context::CallContext;
use crate::schema;

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

/// What is said of a tool, and what it does to the world.
#[derive(Debug, Clone, Copy)]
pub struct ToolMeta {
    /// Name within the server.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// What it does, and when to use it.
    pub description: &'static str,
    /// Changes nothing.
    pub read_only: bool,
    /// May remove or overwrite.
    pub destructive: bool,
    /// A second identical call has no further effect.
    pub idempotent: bool,
    /// Reaches systems outside this machine.
    pub open_world: bool,
}

/// A failure that the calling model reads: what went wrong, and how to call better.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failed}{}", hint(.fix))]
pub struct ToolError {
    failed: String,
    fix: String,
}

fn hint(fix: &str) -> String {
    if fix.is_empty() {
        String::new()
    } else {
        format!(" ({fix})")
    }
}

impl ToolError {
    /// What failed, and what to do about it (may be empty).
    pub fn new(failed: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            failed: failed.into(),
            fix: fix.into(),
        }
    }

    /// An error whose own message says both.
    pub fn from_error(error: &dyn std::error::Error) -> Self {
        Self::new(error.to_string(), "")
    }
}

/// How serving fails.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with --http ADDRESS:PORT")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The connection could not be set up or broke.
    #[error("the MCP connection failed: {0}")]
    Connection(String),
}

/// A set of tools that can be served any number of times, over any transport. Cloning shares it.
#[derive(Clone)]
pub struct ToolServer {
    pub(crate) identity: Arc<ServerIdentity>,
    pub(crate) tools: Arc<BTreeMap<&'static str, ServedTool>>,
}

type Run = dyn Fn(Value, CallContext) -> BoxFuture<'static, Result<Value, ToolError>> + Send + Sync;

pub(crate) struct ServedTool {
    pub(crate) meta: ToolMeta,
    pub(crate) input: Arc<Map<String, Value>>,
    pub(crate) output: Arc<Map<String, Value>>,
    check: ArgumentCheck,
    /// The output schema once more, as a value.
    result: Value,
    run: Box<Run>,
}

impl ToolServer {
    /// A server without tools yet.
    pub fn new(identity: ServerIdentity) -> Self {
        Self {
            identity: Arc::new(identity),
            tools: Arc::new(BTreeMap::new()),
        }
    }

    /// Adds a tool. Its schemas come from the types of its arguments and its result; arguments
    /// are checked against them before `run` is called. A tool of the same name is replaced.
    #[must_use]
    pub fn tool<A, R, F, Fut>(mut self, meta: ToolMeta, run: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        F: Fn(A, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    {
        let input = schema::portable::<A>();
        let output = schema::portable_result::<R>();
        let check = ArgumentCheck::new(&input);
        let run = move |arguments: Value, context: CallContext| {
            let parsed = serde_json::from_value::<A>(arguments);
            match parsed {
                Ok(arguments) => {
                    let result = run(arguments, context);
                    async move {
                        serde_json::to_value(result.await?).map_err(|error| {
                            ToolError::new(format!("the result cannot be written: {error}"), "")
                        })
                    }
                    .boxed()
                }
                Err(error) => {
                    let error = ToolError::new(format!("the arguments do not fit: {error}"), "");
                    std::future::ready(Err(error)).boxed()
                }
            }
        };
        let served = ServedTool {
            meta,
            input: Arc::new(input),
            result: Value::Object(output.clone()),
            output: Arc::new(output),
            check,
            run: Box::new(run),
        };
        // Tools are added while the server is built, before it is shared.
        if let Some(tools) = Arc::get_mut(&mut self.tools) {
            tools.insert(meta.name, served);
        } else {
            tracing::error!(
                tool = meta.name,
                "a tool was added to a server already in use"
            );
        }
        self
    }
}

impl ToolServer {
    /// The tools as a client is told of them by `tools/list`, in the order of their names.
    pub fn definitions(&self) -> Vec<Value> {
        let tools = self.tools.values().map(crate::protocol::described);
        tools
            .filter_map(|tool| serde_json::to_value(tool).ok())
            .collect()
    }
}

impl ServedTool {
    /// Checks the arguments and runs the tool. A tool that panics fails its call, not the server.
    pub(crate) async fn call(
        &self,
        arguments: Value,
        context: CallContext,
    ) -> Result<Value, ToolError> {
        let arguments = self.check.check(arguments)?;
        let run = std::panic::AssertUnwindSafe(async { (self.run)(arguments, context).await });
        let result = run.catch_unwind().await.unwrap_or_else(|_| {
            Err(ToolError::new(
                format!("the tool `{}` crashed", self.meta.name),
                "this is a defect of the server; other calls still work",
            ))
        })?;
        // An empty `Option` is left out, as the advertised schema says.
        Ok(schema::without_nulls(result, &self.result))
    }
}
