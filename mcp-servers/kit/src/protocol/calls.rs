//! Calls of tools, prompts and resources, with all that belongs to one around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    CompletionInfo, ContentBlock, CreateTaskResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, InputRequiredResult, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, Reference,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use super::asking::{self, Subject};
use super::handler::McpTools;
use super::line::{self, Line};
use super::{MAX_RESULT_BYTES, content};
use crate::arguments::nearest;
use crate::caller::Caller;
use crate::content::ResourceContent;
use crate::context::{CallContext, LogLevel, Way};
use crate::error::{Stop, ToolError};
use crate::repeats::KEY;
use crate::server::Completing;
use crate::tool::{Output, ServedTool};

/// What a call came to, before it is put into the words of its kind.
enum Ended<T> {
    /// A result.
    Done(T),
    /// A failure to read.
    Failed(String),
    /// There is nothing of that name.
    Missing(String),
    /// Questions first.
    Paused(InputRequiredResult),
}

impl McpTools {
    /// Runs what a request asks for, with all that belongs to a call around it.
    async fn run<T, F>(
        &self,
        context: &RequestContext<RoleServer>,
        subject: Subject<'_>,
        sent: Option<BTreeMap<String, Value>>,
        state: Option<String>,
        work: impl FnOnce(CallContext) -> F,
    ) -> Result<Ended<T>, ErrorData>
    where
        F: Future<Output = Result<T, ToolError>>,
    {
        let desk = self.seal.desk(context, &subject, sent, state.as_deref())?;
        let way = desk.way.clone();
        let permit = tokio::select! {
            permit = self.calls.acquire() => permit,
            () = context.ct.cancelled() => {
                return Err(ErrorData::internal_error("the call was cancelled", None));
            }
        };
        let Ok(_permit) = permit else {
            return Err(ErrorData::internal_error(
                "the server is shutting down",
                None,
            ));
        };
        let line = Line::new(context, self.log_level(context), &self.server.identity.name);
        let call = CallContext {
            cancel: context.ct.clone(),
            progress: line.progress(),
            log: line.log(),
            caller: subject.caller.map(Arc::from),
            desk,
        };
        let stop = match line.carry(work(call)).await {
            Ok(done) => return Ok(Ended::Done(done)),
            Err(ToolError(stop)) => stop,
        };
        match (stop, way) {
            (Stop::Asks(questions), Way::Rounds(rounds)) => {
                let paused = self.seal.paused(&subject, questions, &rounds)?;
                Ok(Ended::Paused(paused))
            }
            (Stop::Unable(faculty), Way::Rounds(_)) => Err(asking::required(faculty)),
            (Stop::Missing(message), _) => Ok(Ended::Missing(message)),
            (stop, _) => Ok(Ended::Failed(ToolError(stop).to_string())),
        }
    }

    fn log_level(&self, context: &RequestContext<RoleServer>) -> Option<LogLevel> {
        if !self.server.logging {
            None
        } else if asking::in_rounds(context) {
            context.meta.log_level().map(line::heard)
        } else {
            Some(self.session.level())
        }
    }

    fn unknown_tool(&self, name: &str) -> String {
        let tools = self.server.tools();
        unknown("tool", name, tools.iter().map(|tool| &*tool.meta.name))
    }

    pub(super) async fn called(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.server.tool_named(&request.name) else {
            return Err(ErrorData::invalid_params(
                self.unknown_tool(&request.name),
                None,
            ));
        };
        let caller = caller(&context);
        let arguments = request.arguments.map_or(Value::Null, Value::Object);
        let looks_after_tasks = context
            .client_capabilities()
            .is_some_and(|said| said.supports_tasks());
        if tool.meta.long && looks_after_tasks {
            let faculties = asking::faculties(&context);
            let calls = Arc::clone(&self.calls);
            let begun = self.tasks.begin(caller, faculties, move |call| async move {
                // Closed only when the server is gone.
                let _permit = calls.acquire_owned().await.ok();
                Ok(match tool.call(arguments, call).await {
                    Ok(output) => succeeded(&tool, output),
                    Err(error) => failed(error.to_string()),
                })
            });
            return Ok(CreateTaskResult::new(begun?).into());
        }
        let subject = Subject {
            caller: caller.as_deref(),
            method: "tools/call",
            name: &request.name,
            arguments: &arguments,
        };
        let (sent, state) = (request.input_responses, request.request_state);
        // Reading twice does no harm, and is not remembered.
        let key = context.meta.0.get(KEY).and_then(Value::as_str);
        let key = key.filter(|_| !tool.meta.read_only).map(str::to_owned);
        let run = self.run(&context, subject, sent, state, |call| {
            let work = {
                let (tool, arguments) = (Arc::clone(&tool), arguments.clone());
                async move { tool.call(arguments, call).await }
            };
            let (name, arguments, caller) = (&request.name, &arguments, caller.clone());
            async move {
                match key {
                    Some(key) => {
                        let call = (name.as_ref(), arguments);
                        self.repeats.once(caller, &key, call, work).await
                    }
                    None => work.await,
                }
            }
        });
        Ok(match run.await? {
            Ended::Done(output) => succeeded(&tool, output).into(),
            Ended::Failed(message) | Ended::Missing(message) => failed(message).into(),
            Ended::Paused(paused) => paused.into(),
        })
    }

    pub(super) async fn rendered(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let Some(prompt) = self.server.prompt_named(&request.name) else {
            let prompts = self.server.prompts();
            let known = prompts.iter().map(|prompt| prompt.meta.name.as_str());
            let message = unknown("prompt", &request.name, known);
            return Err(ErrorData::invalid_params(message, None));
        };
        let caller = caller(&context);
        let given = request.arguments.unwrap_or_default();
        let arguments: BTreeMap<String, String> = given
            .iter()
            .map(|(name, value)| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                (name.clone(), text)
            })
            .collect();
        let given = Value::Object(given);
        let subject = Subject {
            caller: caller.as_deref(),
            method: "prompts/get",
            name: &request.name,
            arguments: &given,
        };
        let (sent, state) = (request.input_responses, request.request_state);
        let run = self.run(&context, subject, sent, state, |call| {
            prompt.messages(arguments, call)
        });
        match run.await? {
            Ended::Done(messages) => {
                let messages = messages.into_iter().map(content::message).collect();
                let description = prompt.meta.description.clone();
                let result = GetPromptResult::new(messages).with_description(description);
                Ok(result.into())
            }
            Ended::Failed(message) | Ended::Missing(message) => {
                Err(ErrorData::invalid_params(message, None))
            }
            Ended::Paused(paused) => Ok(paused.into()),
        }
    }

    pub(super) async fn read(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Some((resource, values)) = self.server.resource_at(&request.uri) else {
            let message = format!(
                "there is no resource at `{}`; see resources/list and resources/templates/list",
                request.uri
            );
            return Err(nothing_there(message, &request.uri));
        };
        let caller = caller(&context);
        let subject = Subject {
            caller: caller.as_deref(),
            method: "resources/read",
            name: &request.uri,
            arguments: &Value::Null,
        };
        let (sent, state) = (request.input_responses, request.request_state);
        let run = self.run(&context, subject, sent, state, |call| {
            resource.read(values, call)
        });
        match run.await? {
            Ended::Done(body) => {
                let contents = content::contents(ResourceContent {
                    uri: request.uri.clone(),
                    mime_type: resource.meta.mime_type.clone(),
                    body,
                });
                Ok(ReadResourceResult::new(vec![contents]).into())
            }
            Ended::Failed(message) => Err(ErrorData::internal_error(message, None)),
            Ended::Missing(message) => Err(nothing_there(message, &request.uri)),
            Ended::Paused(paused) => Ok(paused.into()),
        }
    }

    pub(super) async fn completed(
        &self,
        request: CompleteRequestParams,
    ) -> Result<CompleteResult, ErrorData> {
        let Some(complete) = &self.server.complete else {
            return Err(ErrorData::new(
                ErrorCode::METHOD_NOT_FOUND,
                "this server completes nothing",
                None,
            ));
        };
        let of = match request.r#ref {
            Reference::Prompt(prompt) => prompt.name,
            Reference::Resource(template) => template.uri,
            _ => return Err(ErrorData::invalid_params("unknown kind of reference", None)),
        };
        let given = request.context.and_then(|context| context.arguments);
        let what = Completing {
            of,
            argument: request.argument.name,
            typed: request.argument.value,
            given: given.unwrap_or_default().into_iter().collect(),
        };
        let mut values = complete(what).await;
        let total = u32::try_from(values.len()).ok();
        let more = values.len() > CompletionInfo::MAX_VALUES;
        values.truncate(CompletionInfo::MAX_VALUES);
        let info = CompletionInfo::with_pagination(values, total, more)
            .map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(info))
    }
}

/// What to say to a caller of something that does not exist: near names first.
fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let near = nearest(name, known.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!(
        "unknown {kind} `{name}`{near} (there are: {})",
        known.join(", ")
    )
}

/// Whose token the call came with.
pub(super) fn caller(context: &RequestContext<RoleServer>) -> Option<Arc<str>> {
    let parts = context.extensions.get::<axum::http::request::Parts>()?;
    parts.extensions.get::<Caller>()?.subject.clone()
}

fn nothing_there(message: String, uri: &str) -> ErrorData {
    ErrorData::resource_not_found(message, Some(json!({"uri": uri})))
}

/// The data, and the same as text for clients that read only text; or the content as it is.
fn succeeded(tool: &ServedTool, output: Output) -> CallToolResult {
    let (blocks, data, bytes) = match output {
        Output::Data(data) => {
            let text = data.to_string();
            let bytes = text.len();
            (vec![ContentBlock::text(text)], Some(data), bytes)
        }
        Output::Content(pieces) => {
            let bytes = pieces
                .iter()
                .map(content::size)
                .fold(0, usize::saturating_add);
            (
                pieces.into_iter().map(content::block).collect(),
                None,
                bytes,
            )
        }
    };
    if bytes > MAX_RESULT_BYTES {
        return failed(format!(
            "the result of `{}` has {bytes} bytes, more than the {MAX_RESULT_BYTES} allowed; ask \
             for less, with a smaller limit or a filter",
            tool.meta.name,
        ));
    }
    let mut result = CallToolResult::success(blocks);
    // Only objects may be structured content.
    result.structured_content = data.filter(Value::is_object);
    result
}

fn failed(message: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(message)])
}
