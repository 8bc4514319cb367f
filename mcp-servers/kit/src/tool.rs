//! Tools as plain async functions, checked on both sides.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::arguments::ArgumentCheck;
use crate::content::Content;
use crate::context::CallContext;
use crate::error::ToolError;
use crate::schema;

/// What is said of a tool, and what it does to the world.
#[derive(Debug, Clone)]
pub struct ToolMeta {
    /// Name within the server.
    pub name: Cow<'static, str>,
    /// Name for people.
    pub title: Cow<'static, str>,
    /// What it does, and when to use it.
    pub description: Cow<'static, str>,
    /// Changes nothing.
    pub read_only: bool,
    /// May remove or overwrite.
    pub destructive: bool,
    /// A second identical call has no further effect.
    pub idempotent: bool,
    /// Reaches systems outside this machine.
    pub open_world: bool,
    /// May take minutes: a client that can is given a task to look after instead of being kept
    /// waiting.
    pub long: bool,
}

impl ToolMeta {
    /// A quick tool that changes nothing and stays on this machine; the fields that differ are set
    /// on it.
    pub fn reading(
        name: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            description: description.into(),
            read_only: true,
            destructive: false,
            idempotent: true,
            open_world: false,
            long: false,
        }
    }
}

/// What a tool gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    /// Data that fits the tool's output schema.
    Data(Value),
    /// Anything else.
    Content(Vec<Content>),
}

type Run =
    dyn Fn(Value, CallContext) -> BoxFuture<'static, Result<Output, ToolError>> + Send + Sync;

pub(crate) struct ServedTool {
    pub(crate) meta: ToolMeta,
    pub(crate) input: Arc<Map<String, Value>>,
    /// Present for a tool that gives data.
    pub(crate) output: Option<Arc<Map<String, Value>>>,
    check: ArgumentCheck,
    /// The output schema once more, as a value.
    result: Option<Value>,
    run: Box<Run>,
}

impl ServedTool {
    fn new(
        meta: ToolMeta,
        input: Map<String, Value>,
        output: Option<Map<String, Value>>,
        run: Box<Run>,
    ) -> Self {
        Self {
            check: ArgumentCheck::new(&input),
            meta,
            input: Arc::new(input),
            result: output.clone().map(Value::Object),
            output: output.map(Arc::new),
            run,
        }
    }

    /// A tool whose schemas come from the types of its arguments and its result.
    pub(crate) fn typed<A, R, F, Fut>(meta: ToolMeta, run: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        F: Fn(A, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    {
        let output = schema::portable_result::<R>();
        let run = parsed(run, |result: R| {
            let data = serde_json::to_value(result).map_err(|error| {
                ToolError::new(format!("the result cannot be written: {error}"), "")
            })?;
            Ok(Output::Data(data))
        });
        Self::new(meta, schema::portable::<A>(), Some(output), run)
    }

    /// A tool that gives content instead of data.
    pub(crate) fn of_content<A, F, Fut>(meta: ToolMeta, run: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(A, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<Content>, ToolError>> + Send + 'static,
    {
        let run = parsed(run, |content| Ok(Output::Content(content)));
        Self::new(meta, schema::portable::<A>(), None, run)
    }

    /// A tool whose schemas are only known at run time; they are made portable.
    pub(crate) fn dynamic<F, Fut>(
        meta: ToolMeta,
        input: Value,
        output: Option<Value>,
        run: F,
    ) -> Self
    where
        F: Fn(Value, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, ToolError>> + Send + 'static,
    {
        let run = move |arguments, context| {
            let result = run(arguments, context);
            async move { Ok(Output::Data(result.await?)) }.boxed()
        };
        let output = output.map(schema::normalise);
        Self::new(meta, schema::normalise(input), output, Box::new(run))
    }

    /// Checks the arguments and runs the tool. A tool that panics fails its call, not the server.
    pub(crate) async fn call(
        &self,
        arguments: Value,
        context: CallContext,
    ) -> Result<Output, ToolError> {
        let arguments = self.check.check(arguments)?;
        let run = std::panic::AssertUnwindSafe(async { (self.run)(arguments, context).await });
        let output = run.catch_unwind().await.unwrap_or_else(|_| {
            Err(ToolError::new(
                format!("the tool `{}` crashed", self.meta.name),
                "this is a defect of the server; other calls still work",
            ))
        })?;
        Ok(match (output, &self.result) {
            // An empty `Option` is left out, as the advertised schema says.
            (Output::Data(data), Some(schema)) => Output::Data(schema::without_nulls(data, schema)),
            (output, _) => output,
        })
    }
}

/// A tool that is given its arguments parsed.
fn parsed<A, R, F, Fut>(
    run: F,
    output: impl Fn(R) -> Result<Output, ToolError> + Copy + Send + Sync + 'static,
) -> Box<Run>
where
    A: DeserializeOwned,
    F: Fn(A, CallContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
{
    Box::new(
        move |arguments, context| match serde_json::from_value::<A>(arguments) {
            Ok(arguments) => {
                let result = run(arguments, context);
                async move { output(result.await?) }.boxed()
            }
            Err(error) => {
                let error = ToolError::new(format!("the arguments do not fit: {error}"), "");
                std::future::ready(Err(error)).boxed()
            }
        },
    )
}
