//! One tool call: its rounds of questions and answers, and what the server is told when nobody
//! waits for it any more.

#![allow(
    deprecated,
    reason = "sampling and roots may still be asked for in a round"
)]

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, CancelledNotificationParam,
    ClientRequest, ElicitRequestParams, ElicitationAction, ErrorCode, ErrorData, InputRequest,
    InputRequiredResult, InputResponses, RequestId, RequestMetaObject, ServerResult,
};
use rmcp::service::{Peer, PeerRequestOptions, ServiceError};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::child::MAX_LINE_BYTES;
use crate::deadline::Deadline;
use crate::failure::{self, CallFailure};
use crate::handler::{Call, ClientEnd, MOST_REQUESTS};

/// Rounds in which a server may ask for more before it answers.
const MOST_ROUNDS: usize = 10;

/// Pause before a server that asked for nothing but another try is tried; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// Key in a call's `_meta` that names its effect: a server that has seen it may answer without
/// doing it again.
const KEY: &str = "ropewalk/idempotencyKey";

/// The error of a server that wants a person to visit an address before it does anything.
const URL_WANTED: ErrorCode = ErrorCode(-32_042);

/// What a server is asked to do.
#[derive(Clone)]
pub(crate) struct CallAsked<'a> {
    pub(crate) tool: &'a str,
    pub(crate) arguments: Map<String, Value>,
    /// Names the effect.
    pub(crate) key: Option<&'a str>,
}

/// What one request came to.
enum Round {
    Done(Box<CallToolResult>),
    /// The server wants these things, and its state back.
    More(Box<InputRequiredResult>),
    /// A person must visit these addresses first.
    Visit(Vec<ElicitRequestParams>),
}

/// Calls a tool and answers what its server asks for on the way.
pub(crate) async fn perform(
    end: &ClientEnd,
    peer: &Peer<RoleClient>,
    too_long: &watch::Sender<u64>,
    asked: &CallAsked<'_>,
    call: &Arc<Call>,
) -> Result<CallToolResult, CallFailure> {
    let _entered = end.enter(Arc::clone(call));
    let mut parameters =
        CallToolRequestParams::new(asked.tool.to_owned()).with_arguments(asked.arguments.clone());
    let mut pause = FIRST_PAUSE;
    for _ in 0..MOST_ROUNDS {
        let more = match round(peer, too_long, parameters.clone(), asked.key, call).await? {
            Round::Done(result) => return Ok(*result),
            Round::More(more) => more,
            Round::Visit(addresses) => {
                Box::pin(visit_all(end, call, addresses)).await?;
                continue;
            }
        };
        let wanted = more.input_requests.unwrap_or_default();
        if wanted.is_empty() {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        let mut answers = InputResponses::new();
        for (name, request) in wanted {
            let answer = Box::pin(answer(end, call, request)).await?;
            answers.insert(name, answer);
        }
        parameters.input_responses = (!answers.is_empty()).then_some(answers);
        // Given back exactly as it came, or not at all.
        parameters.request_state = more.request_state;
    }
    Err(CallFailure::Failed(format!(
        "the server asked for more input {MOST_ROUNDS} times and gave no result"
    )))
}

/// One thing that the server asked for, as JSON.
async fn answer(
    end: &ClientEnd,
    call: &Arc<Call>,
    request: InputRequest,
) -> Result<Value, CallFailure> {
    let calls = [Arc::clone(call)];
    let refused = |error: ErrorData| {
        CallFailure::Failed(format!(
            "the server asks for what it may not have: {}",
            error.message
        ))
    };
    let answer = match request {
        InputRequest::Elicitation(request) => {
            serde_json::to_value(end.elicit(&calls, request.params).await)
        }
        InputRequest::CreateMessage(request) => {
            let sampled = end.complete(&calls, request.params).await;
            serde_json::to_value(sampled.map_err(refused)?)
        }
        InputRequest::ListRoots(_) => serde_json::to_value(end.roots().map_err(refused)?),
        _ => {
            return Err(CallFailure::Failed(
                "the server asks for something that this client does not know".to_owned(),
            ));
        }
    };
    answer.map_err(|error| CallFailure::Failed(format!("an answer cannot be sent: {error}")))
}

/// Sends a person to every address. The call is made again if they went.
async fn visit_all(
    end: &ClientEnd,
    call: &Arc<Call>,
    addresses: Vec<ElicitRequestParams>,
) -> Result<(), CallFailure> {
    for address in addresses {
        let result = end.elicit(&[Arc::clone(call)], address).await;
        if result.action != ElicitationAction::Accept {
            return Err(CallFailure::Failed(
                "the server wants a person to open an address first, and nobody did".to_owned(),
            ));
        }
    }
    Ok(())
}

/// One request and its answer.
async fn round(
    peer: &Peer<RoleClient>,
    too_long: &watch::Sender<u64>,
    parameters: CallToolRequestParams,
    key: Option<&str>,
    call: &Arc<Call>,
) -> Result<Round, CallFailure> {
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(parameters));
    let mut options = PeerRequestOptions::no_options();
    if let Some(key) = key {
        let mut meta = RequestMetaObject::default();
        meta.0.insert(KEY.to_owned(), Value::String(key.to_owned()));
        options.meta = Some(meta);
    }
    let mut too_long = too_long.subscribe();
    let handle = peer
        .send_request_with_option(request, options)
        .await
        .map_err(|error| failure::of_call(&error))?;
    let mut unanswered = Unanswered {
        peer: peer.clone(),
        id: Some(handle.id.clone()),
        deadline: Arc::clone(&call.deadline),
    };
    call.is_known_by(handle.id.clone(), handle.progress_token.clone());
    let answer = tokio::select! {
        answer = handle.await_response() => {
            unanswered.id = None;
            answer
        }
        _ = too_long.changed() => {
            return Err(CallFailure::Failed(format!(
                "the server sent a message of more than {MAX_LINE_BYTES} bytes, which was \
                 dropped; ask it for less"
            )));
        }
    };
    match answer {
        Ok(ServerResult::CallToolResult(result)) => Ok(Round::Done(Box::new(result))),
        Ok(ServerResult::InputRequiredResult(more)) => Ok(Round::More(Box::new(more))),
        Ok(_) => Err(CallFailure::Failed(
            "the server answered a tool call with something else".to_owned(),
        )),
        Err(ServiceError::McpError(error)) if error.code == URL_WANTED => match addresses(&error) {
            Some(addresses) => Ok(Round::Visit(addresses)),
            None => Err(failure::of_call(&ServiceError::McpError(error))),
        },
        Err(error) => Err(failure::of_call(&error)),
    }
}

/// The addresses in the error of a server that wants a person to visit them.
fn addresses(error: &ErrorData) -> Option<Vec<ElicitRequestParams>> {
    let listed = error.data.as_ref()?.get("elicitations")?.as_array()?;
    let addresses: Option<Vec<ElicitRequestParams>> = listed
        .iter()
        .take(MOST_REQUESTS)
        .map(|one| serde_json::from_value(one.clone()).ok())
        .collect();
    addresses.filter(|addresses| !addresses.is_empty())
}

/// A request that has no answer yet. Dropped so, it tells the server that nobody waits any more,
/// however the caller went away.
struct Unanswered {
    peer: Peer<RoleClient>,
    id: Option<RequestId>,
    deadline: Arc<Deadline>,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let reason = if self.deadline.is_over() {
            "the call took too long"
        } else {
            "the run was cancelled"
        };
        let peer = self.peer.clone();
        runtime.spawn(async move {
            let note = CancelledNotificationParam::new(Some(id), Some(reason.to_owned()));
            // The server may be gone; the call is over either way.
            let _ = peer.notify_cancelled(note).await;
        });
    }
}
