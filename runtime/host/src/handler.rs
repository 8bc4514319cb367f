//! Our end of a connection: what the server may ask and tell us while it works.
//!
//! A server of the older protocol sends requests of its own: for a person's answer, for a
//! completion, for the folders it may work in. Each is answered on behalf of the call during which
//! it comes. Where it cannot be told which call that is, and the calls under way have different
//! people behind them, it is declined: a question must never reach somebody else.

#![allow(
    deprecated,
    reason = "sampling and roots are still asked for by servers of the older protocol"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rmcp::RoleClient;
use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, ErrorData,
    Extensions, FormElicitationCapability, Implementation, ListRootsResult,
    ProgressNotificationParam, ProgressToken, RequestId, Role, Root, RootsCapabilities,
    SamplingCapability, SamplingMessage, SamplingMessageContentBlock, UrlElicitationCapability,
};
use rmcp::service::{InboundStreamOrigin, NotificationContext, RequestContext};
use ropewalk_core::message::Usage;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::deadline::Deadline;
use crate::elicitation::elicit;
use crate::inquiry::Desk;
use crate::sampling::{Payer, SampleAsked, SampleMessage, Sampler};
use crate::summary::ToolProgress;

/// Requests that a server may make during one call; more is a server that does not end.
pub(crate) const MOST_REQUESTS: usize = 10;

pub(crate) type Callback = Arc<dyn Fn(ToolProgress) + Send + Sync>;

/// What a server may have of us.
#[derive(Clone)]
pub(crate) struct Offer {
    /// Its name.
    pub(crate) server: String,
    /// Whether questions to people are answered at all.
    pub(crate) attended: bool,
    /// Completions, where its configuration allows them.
    pub(crate) sampler: Option<Arc<dyn Sampler>>,
    /// Folders that its configuration names, as URIs.
    pub(crate) roots: Vec<String>,
}

/// Our end of a connection.
#[derive(Clone)]
pub(crate) struct ClientEnd(Arc<Shared>);

struct Shared {
    offer: Offer,
    calls: Mutex<Vec<Arc<Call>>>,
    /// Told when the server's tools are no longer those that were listed.
    changed: Arc<Notify>,
}

/// A call under way.
pub(crate) struct Call {
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) deadline: Arc<Deadline>,
    payer: Option<Arc<dyn Payer>>,
    progress: Callback,
    /// Where it stands in a trace.
    span: Span,
    /// What its request is known by, once it was sent.
    names: Mutex<Option<(RequestId, ProgressToken)>>,
    requests: AtomicUsize,
    over: CancellationToken,
}

impl Call {
    pub(crate) fn new(desk: Arc<dyn Desk>, deadline: Arc<Deadline>, progress: Callback) -> Self {
        Self {
            desk,
            deadline,
            payer: None,
            progress,
            span: Span::current(),
            names: Mutex::new(None),
            requests: AtomicUsize::new(0),
            over: CancellationToken::new(),
        }
    }

    /// The same, with somebody who bears what is completed meanwhile.
    pub(crate) fn paid_by(self, payer: Option<Arc<dyn Payer>>) -> Self {
        Self { payer, ..self }
    }

    /// The request now under way for it.
    pub(crate) fn is_known_by(&self, id: RequestId, token: ProgressToken) {
        *locked(&self.names) = Some((id, token));
    }

    fn has_id(&self, id: &RequestId) -> bool {
        matches!(&*locked(&self.names), Some((own, _)) if own == id)
    }

    fn has_token(&self, token: &ProgressToken) -> bool {
        matches!(&*locked(&self.names), Some((_, own)) if own == token)
    }

    /// Whether the server may ask for one more thing.
    pub(crate) fn may_ask(&self) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed) < MOST_REQUESTS
    }
}

/// A call that is known to a connection until this is dropped.
pub(crate) struct Entered {
    end: ClientEnd,
    call: Arc<Call>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.call.over.cancel();
        locked(&self.end.0.calls).retain(|call| !Arc::ptr_eq(call, &self.call));
    }
}

impl ClientEnd {
    pub(crate) fn new(offer: Offer, changed: Arc<Notify>) -> Self {
        Self(Arc::new(Shared {
            offer,
            calls: Mutex::default(),
            changed,
        }))
    }

    pub(crate) fn offer(&self) -> &Offer {
        &self.0.offer
    }

    pub(crate) fn enter(&self, call: Arc<Call>) -> Entered {
        locked(&self.0.calls).push(Arc::clone(&call));
        Entered {
            end: self.clone(),
            call,
        }
    }

    /// The calls that a request of the server may belong to, all with the same person behind them.
    /// None where that cannot be told.
    fn calls_of(&self, extensions: &Extensions) -> Vec<Arc<Call>> {
        let calls = locked(&self.0.calls);
        if let Some(InboundStreamOrigin::OutboundRequest(id)) = extensions.get() {
            return calls
                .iter()
                .filter(|call| call.has_id(id))
                .cloned()
                .collect();
        }
        let Some(first) = calls.first() else {
            return Vec::new();
        };
        if calls
            .iter()
            .all(|call| Arc::ptr_eq(&call.desk, &first.desk))
        {
            calls.clone()
        } else {
            Vec::new()
        }
    }

    /// The calls under way, when all have the same person behind them.
    pub(crate) fn calls_of_one_person(&self) -> Vec<Arc<Call>> {
        self.calls_of(&Extensions::new())
    }

    /// A question to the person behind these calls. Their clocks stand still meanwhile.
    pub(crate) async fn elicit(
        &self,
        calls: &[Arc<Call>],
        asked: ElicitRequestParams,
    ) -> ElicitResult {
        let server = &self.0.offer.server;
        let Some(first) = calls.first() else {
            tracing::warn!(server, "a question that belongs to no call was declined");
            return ElicitResult::new(ElicitationAction::Decline);
        };
        if !self.0.offer.attended || !first.desk.is_attended() {
            return ElicitResult::new(ElicitationAction::Decline);
        }
        if !first.may_ask() {
            tracing::warn!(
                server,
                "questions beyond {MOST_REQUESTS} in a call are declined"
            );
            return ElicitResult::new(ElicitationAction::Decline);
        }
        let _held: Vec<_> = calls.iter().map(|call| call.deadline.hold()).collect();
        let ended = futures::future::join_all(calls.iter().map(|call| call.over.cancelled()));
        tokio::select! {
            result = elicit(server, &*first.desk, asked) => result,
            _ = ended => ElicitResult::new(ElicitationAction::Cancel),
        }
    }

    /// A completion for the server, where it may have one.
    pub(crate) async fn complete(
        &self,
        calls: &[Arc<Call>],
        asked: CreateMessageRequestParams,
    ) -> Result<CreateMessageResult, ErrorData> {
        let refused = |why: &str| ErrorData::invalid_request(why.to_owned(), None);
        let Some(sampler) = &self.0.offer.sampler else {
            return Err(refused("completions are not offered to this server"));
        };
        // Where it may be any of several calls, they are of one person, and one of them pays.
        let Some(call) = calls.first().filter(|call| call.may_ask()) else {
            return Err(refused("completions belong to a call, and are bounded"));
        };
        let asked = sample(&self.0.offer.server, asked)
            .ok_or_else(|| refused("only text can be completed here"))?;
        let foreseen = sampler.foresee(&asked);
        if let Some(payer) = &call.payer {
            payer.book(&foreseen).map_err(|why| refused(&why))?;
        }
        let began = Instant::now();
        let sampled = sampler.complete(asked).instrument(call.span.clone()).await;
        if let Some(payer) = &call.payer {
            let (engine, usage) = match &sampled {
                Ok(sampled) => (sampled.model.as_str(), sampled.usage),
                Err(_) => (foreseen.engine.as_str(), Usage::default()),
            };
            payer.paid(engine, usage, began.elapsed());
        }
        let sampled = sampled.map_err(|why| refused(&why))?;
        let message = SamplingMessage::new(
            Role::Assistant,
            SamplingMessageContentBlock::text(sampled.text),
        );
        let reason = if sampled.cut {
            CreateMessageResult::STOP_REASON_END_MAX_TOKEN
        } else {
            CreateMessageResult::STOP_REASON_END_TURN
        };
        Ok(CreateMessageResult::new(message, sampled.model).with_stop_reason(reason))
    }

    /// The folders that the configuration names.
    pub(crate) fn roots(&self) -> Result<ListRootsResult, ErrorData> {
        if self.0.offer.roots.is_empty() {
            let why = "no folders are offered to this server".to_owned();
            return Err(ErrorData::invalid_request(why, None));
        }
        Ok(ListRootsResult::new(
            self.0.offer.roots.iter().map(Root::new).collect(),
        ))
    }
}

/// The key under which a server says what a completion should be.
const GRAMMAR: &str = "ropewalk/grammar";

/// Longest grammar that is passed on, in bytes: compiling one takes time.
const MOST_GRAMMAR: usize = 256 << 10;

/// What is to be completed; `None` if it is not all text.
fn sample(server: &str, asked: CreateMessageRequestParams) -> Option<SampleAsked> {
    if asked.tools.is_some() {
        return None;
    }
    let mut messages = Vec::new();
    for message in asked.messages {
        for block in message.content.into_vec() {
            let SamplingMessageContentBlock::Text(text) = block else {
                return None;
            };
            messages.push(SampleMessage {
                from_model: message.role == Role::Assistant,
                text: text.text,
            });
        }
    }
    let grammar = asked
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.get(GRAMMAR));
    let grammar = grammar.and_then(|grammar| grammar.as_str());
    let grammar = grammar.filter(|grammar| grammar.len() <= MOST_GRAMMAR);
    Some(SampleAsked {
        grammar: grammar.map(str::to_owned),
        server: server.to_owned(),
        system: asked.system_prompt,
        messages,
        max_tokens: asked.max_tokens,
        temperature: asked.temperature,
        stop: asked.stop_sequences.unwrap_or_default(),
    })
}

impl ClientHandler for ClientEnd {
    /// Only what is served is declared.
    fn get_info(&self) -> ClientConfig {
        let offer = &self.0.offer;
        let mut capabilities = ClientCapabilities::default();
        if offer.attended {
            let elicitation = ElicitationCapability::new()
                .with_form(FormElicitationCapability::new().with_schema_validation(true))
                .with_url(UrlElicitationCapability::new());
            capabilities.elicitation = Some(elicitation);
        }
        if offer.sampler.is_some() {
            capabilities.sampling = Some(SamplingCapability::default());
        }
        if !offer.roots.is_empty() {
            capabilities.roots = Some(RootsCapabilities::default());
        }
        ClientConfig::new(
            capabilities,
            Implementation::new("ropewalk", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn create_elicitation(
        &self,
        asked: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let calls = self.calls_of(&context.extensions);
        tokio::select! {
            result = self.elicit(&calls, asked) => Ok(result),
            () = context.ct.cancelled() => Ok(ElicitResult::new(ElicitationAction::Cancel)),
        }
    }

    async fn create_message(
        &self,
        asked: CreateMessageRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let calls = self.calls_of(&context.extensions);
        self.complete(&calls, asked).await
    }

    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        self.roots()
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.changed.notify_one();
    }

    async fn on_progress(
        &self,
        report: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let call = locked(&self.0.calls)
            .iter()
            .find(|call| call.has_token(&report.progress_token))
            .cloned();
        if let Some(call) = call {
            call.deadline.progressed();
            (call.progress)(ToolProgress {
                done: report.progress,
                total: report.total,
                message: report.message.unwrap_or_default(),
            });
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
