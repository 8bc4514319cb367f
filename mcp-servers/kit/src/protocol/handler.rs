//! A [`ToolServer`] as rmcp sees it.

#![expect(
    deprecated,
    reason = "clients of the older protocols set their log level and watch resources so"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams,
    CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock, CreateTaskResult,
    CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, GetTaskParams, GetTaskResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, Reference, ServerConfig, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::asking::{self, Seal, Subject};
use super::line::{self, Line};
use super::session::Session;
use super::tasks::Tasks;
use super::{MAX_LINE_BYTES, MAX_RESULT_BYTES, content, describe, news};
use crate::arguments::nearest;
use crate::caller::Caller;
use crate::content::ResourceContent;
use crate::context::{CallContext, Way};
use crate::error::{KitError, Stop, ToolError};
use crate::line_limit::TOO_LONG;
use crate::repeats::{KEY, Repeats};
use crate::server::{Completing, ToolServer};
use crate::tool::{Output, ServedTool};

/// Calls running at once; more wait.
const MAX_CONCURRENT_CALLS: usize = 64;

/// One client's view of a [`ToolServer`].
#[derive(Clone)]
pub(crate) struct McpTools {
    server: ToolServer,
    calls: Arc<Semaphore>,
    seal: Seal,
    session: Arc<Session>,
    tasks: Tasks,
    repeats: Repeats,
}

/// What a call came to, before it is put into the words of its kind.
enum Ended<T> {
    /// A result.
    Done(T),
    /// A failure to read.
    Failed(String),
    /// There is nothing of that name.
    Missing(String),
    /// Questions first.
    Paused(rmcp::model::InputRequiredResult),
}

impl McpTools {
    pub(crate) fn new(server: ToolServer) -> Result<Self, KitError> {
        Ok(Self {
            server,
            calls: Arc::new(Semaphore::new(MAX_CONCURRENT_CALLS)),
            seal: Seal::new()?,
            session: Arc::default(),
            tasks: Tasks::default(),
            repeats: Repeats::default(),
        })
    }

    /// The same for another client.
    pub(crate) fn another(&self) -> Self {
        Self {
            session: Arc::default(),
            ..self.clone()
        }
    }

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

    fn log_level(&self, context: &RequestContext<RoleServer>) -> Option<crate::LogLevel> {
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

fn caller(context: &RequestContext<RoleServer>) -> Option<Arc<str>> {
    let parts = context.extensions.get::<axum::http::request::Parts>()?;
    parts.extensions.get::<Caller>()?.subject.clone()
}

impl ServerHandler for McpTools {
    fn get_info(&self) -> ServerConfig {
        describe::server(&self.server)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.server.tools();
        let told = tools.iter().map(|tool| describe::described(tool));
        Ok(ListToolsResult::with_all_items(told.collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tool = self.server.tool_named(name)?;
        Some(describe::described(&tool))
    }

    async fn call_tool(
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

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let _ = context;
        let prompts = self.server.prompts();
        let told = prompts.iter().map(describe::prompt);
        Ok(ListPromptsResult::with_all_items(told.collect()))
    }

    async fn get_prompt(
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

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = self.server.resources();
        let told = resources
            .iter()
            .filter(|resource| !resource.is_template())
            .map(describe::resource);
        Ok(ListResourcesResult::with_all_items(told.collect()))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let resources = self.server.resources();
        let told = resources
            .iter()
            .filter(|resource| resource.is_template())
            .map(describe::template);
        Ok(ListResourceTemplatesResult::with_all_items(told.collect()))
    }

    async fn read_resource(
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

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
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

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !self.server.logging || asking::in_rounds(&context) {
            let method = "logging/setLevel";
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None));
        }
        self.session.set_level(line::heard(request.level));
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        news::accepted(requested, self.server.changing)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        news::subscriber(&context, self.server.changes.listen()).await;
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !self.server.changing {
            let method = "resources/subscribe";
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None));
        }
        if self.session.watched.add(request.uri) {
            Ok(())
        } else {
            let message = "too many resources are watched; unsubscribe from some first";
            Err(ErrorData::invalid_request(message, None))
        }
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.session.watched.remove(&request.uri);
        Ok(())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if self.server.changing {
            tokio::spawn(news::session(
                context.peer,
                self.session.watched.clone(),
                self.session.ended(),
                self.server.changes.listen(),
            ));
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let caller = caller(&context);
        let tasks = self.tasks.of(&request.task_id, caller.as_ref())?;
        tasks.get_task(&request.task_id).map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let caller = caller(&context);
        let tasks = self.tasks.of(&request.task_id, caller.as_ref())?;
        tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let caller = caller(&context);
        let tasks = self.tasks.of(&request.task_id, caller.as_ref())?;
        tasks.cancel_task(&request.task_id)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if request.method == TOO_LONG {
            let message = format!(
                "the request is longer than the {MAX_LINE_BYTES} bytes allowed; send less at \
                 once, or name a file instead of its contents"
            );
            return Err(ErrorData::invalid_request(message, None));
        }
        Err(ErrorData::new(
            ErrorCode::METHOD_NOT_FOUND,
            request.method,
            None,
        ))
    }
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
