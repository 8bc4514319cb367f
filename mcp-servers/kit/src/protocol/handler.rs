//! A [`ToolServer`] as rmcp sees it.

#![expect(
    deprecated,
    reason = "clients of the older protocols set their log level and watch resources so"
)]

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, GetTaskParams, GetTaskResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ServerConfig, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::sync::Semaphore;

use super::asking::{self, Seal};
use super::calls::caller;
use super::session::Session;
use super::tasks::Tasks;
use super::{MAX_LINE_BYTES, describe, line, news};
use crate::changes::News;
use crate::error::KitError;
use crate::line_limit::TOO_LONG;
use crate::repeats::Repeats;
use crate::server::ToolServer;

/// Calls running at once; more wait.
const MAX_CONCURRENT_CALLS: usize = 64;

/// One client's view of a [`ToolServer`].
#[derive(Clone)]
pub(crate) struct McpTools {
    pub(super) server: ToolServer,
    pub(super) calls: Arc<Semaphore>,
    pub(super) seal: Seal,
    pub(super) session: Arc<Session>,
    pub(super) tasks: Tasks,
    pub(super) repeats: Repeats,
}

impl McpTools {
    pub(crate) fn new(server: ToolServer) -> Result<Self, KitError> {
        Ok(Self {
            session: Arc::new(Session::new(news(&server))),
            server,
            calls: Arc::new(Semaphore::new(MAX_CONCURRENT_CALLS)),
            seal: Seal::new()?,
            tasks: Tasks::default(),
            repeats: Repeats::default(),
        })
    }

    /// The same for another client.
    pub(crate) fn another(&self) -> Self {
        Self {
            session: Arc::new(Session::new(news(&self.server))),
            ..self.clone()
        }
    }
}

/// What changes from now on, where clients are promised to be told.
fn news(server: &ToolServer) -> Option<News> {
    server.changing.then(|| server.changes.listen())
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
        // What answers every kind of request is as large as the largest, and is moved a few times
        // for each: the large ones are kept apart.
        Box::pin(self.called(request, context)).await
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
        Box::pin(self.rendered(request, context)).await
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
        Box::pin(self.read(request, context)).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.completed(request).await
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
        self.session.accept(news(&self.server)?);
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let news = self.session.accepted();
        let news = news.unwrap_or_else(|| self.server.changes.listen());
        news::subscriber(&context, news).await;
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
        if let Some(news) = self.session.news() {
            let watched = self.session.watched.clone();
            let ended = self.session.ended();
            tokio::spawn(news::session(context.peer, watched, ended, news));
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
