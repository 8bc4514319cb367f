//! Questions as MCP carries them, and the seal on what the client carries between rounds.

#![expect(
    deprecated,
    reason = "models and folders are still asked for, though newer protocols mean to leave them"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rmcp::model::{
    ClientCapabilities, CreateMessageRequest, CreateMessageRequestParams, ElicitRequest,
    ElicitRequestParams, ElicitationCapability, InputRequest, InputRequiredResult,
    ListRootsRequest, ProtocolVersion, RequestStateCodec, RequestStateError, SamplingMessage,
    SealOptions,
};
use rmcp::service::{Peer, RequestContext};
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::context::{Desk, Faculties, Put, Way};
use crate::error::KitError;
use crate::inquiry::{Faculty, ModelQuestion, Question};
use crate::rounds::{Carried, Rounds};

/// How long a person may take to answer.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Whether the call follows the protocol in which questions end a call.
pub(super) fn in_rounds(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

pub(super) fn faculties(context: &RequestContext<RoleServer>) -> Faculties {
    let said = context.client_capabilities().unwrap_or_default();
    let asks = said.elicitation.as_ref();
    Faculties {
        // A client of before there were addresses says nothing about forms.
        forms: asks.is_some_and(|asks| asks.form.is_some() || asks.url.is_none()),
        links: asks.is_some_and(|asks| asks.url.is_some()),
        model: said.sampling.is_some(),
        roots: said.roots.is_some(),
    }
}

/// What a client would have to declare.
pub(super) fn required(faculty: Faculty) -> ErrorData {
    let mut wanted = ClientCapabilities::default();
    match faculty {
        Faculty::Forms => {
            wanted.elicitation = Some(ElicitationCapability::new().with_form(Default::default()));
        }
        Faculty::Links => {
            wanted.elicitation = Some(ElicitationCapability::new().with_url(Default::default()));
        }
        Faculty::Model => wanted.sampling = Some(Default::default()),
        Faculty::Roots => wanted.roots = Some(Default::default()),
    }
    ErrorData::missing_required_client_capability(wanted)
}

/// What a round of a call is about: state sealed for one is worth nothing for another.
pub(super) struct Subject<'a> {
    pub(super) caller: Option<&'a str>,
    pub(super) method: &'static str,
    pub(super) name: &'a str,
    pub(super) arguments: &'a Value,
}

impl Subject<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut arguments = self.arguments.clone();
        arguments.sort_all_objects();
        let subject = json!([self.caller, self.method, self.name, arguments]);
        subject.to_string().into_bytes()
    }
}

/// Closes and opens what clients carry. The key lives as long as the server: a call in several
/// rounds is answered by one process.
#[derive(Clone)]
pub(super) struct Seal(Arc<RequestStateCodec>);

impl Seal {
    /// # Errors
    /// When there is no randomness to make a key of.
    pub(super) fn new() -> Result<Self, KitError> {
        let unsealed = |error: &dyn std::fmt::Display| {
            KitError::Connection(format!("what clients carry cannot be sealed: {error}"))
        };
        let mut key = [0_u8; 32];
        getrandom::fill(&mut key).map_err(|error| unsealed(&error))?;
        let codec = RequestStateCodec::try_new(key).map_err(|error| unsealed(&error))?;
        Ok(Self(Arc::new(codec)))
    }

    /// The desk for one round.
    pub(super) fn desk(
        &self,
        context: &RequestContext<RoleServer>,
        subject: &Subject<'_>,
        sent: Option<BTreeMap<String, Value>>,
        state: Option<&str>,
    ) -> Result<Desk, ErrorData> {
        let way = if in_rounds(context) {
            let carried = match state {
                Some(state) => self.open(subject, state)?,
                None => Carried::default(),
            };
            Way::Rounds(Arc::new(Rounds::new(carried, sent.unwrap_or_default())))
        } else {
            Way::Waiting(waiting(context.peer.clone()))
        };
        Ok(Desk {
            faculties: faculties(context),
            way,
        })
    }

    fn open(&self, subject: &Subject<'_>, state: &str) -> Result<Carried, ErrorData> {
        let opened = self.0.open_json_with(state, &subject.bytes());
        opened.map_err(|error| {
            let message = match error {
                RequestStateError::Expired => "the requestState has expired; call again without it",
                _ => {
                    "the requestState is not the one this call was given: send back exactly what \
                     came, with the same name and arguments"
                }
            };
            ErrorData::invalid_params(message, None)
        })
    }

    /// The end of a round that left questions.
    pub(super) fn paused(
        &self,
        subject: &Subject<'_>,
        questions: Vec<(String, Question)>,
        rounds: &Rounds,
    ) -> Result<InputRequiredResult, ErrorData> {
        let broken = |error: &dyn std::fmt::Display| {
            ErrorData::internal_error(format!("a question cannot be put: {error}"), None)
        };
        let about = subject.bytes();
        let options = SealOptions::new().associated_data(&about).ttl(PATIENCE);
        let state = self
            .0
            .seal_json_with(&rounds.to_carry(), &options)
            .map_err(|error| broken(&error))?;
        let requests = questions
            .into_iter()
            .map(|(name, question)| Ok((name, request(question)?)))
            .collect::<Result<_, serde_json::Error>>()
            .map_err(|error| broken(&error))?;
        Ok(InputRequiredResult::new(Some(requests), Some(state)))
    }
}

fn elicitation(question: &Question) -> Result<Option<ElicitRequestParams>, serde_json::Error> {
    Ok(match question {
        Question::Form { message, fields } => Some(ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: message.clone(),
            requested_schema: serde_json::from_value(fields.clone())?,
        }),
        Question::Link { message, url } => Some(ElicitRequestParams::UrlElicitationParams {
            meta: None,
            message: message.clone(),
            url: url.clone(),
            elicitation_id: String::new(),
        }),
        _ => None,
    })
}

/// The key under which a client is told what its model's answer must be.
const GRAMMAR: &str = "ropewalk/grammar";

fn sampling(asked: ModelQuestion) -> CreateMessageRequestParams {
    let message = SamplingMessage::user_text(asked.prompt);
    let mut parameters = CreateMessageRequestParams::new(vec![message], asked.max_tokens);
    parameters.temperature = asked.temperature;
    parameters.metadata = asked.grammar.map(|grammar| json!({ GRAMMAR: grammar }));
    parameters
}

/// The question as it travels beside a result.
pub(super) fn request(question: Question) -> Result<InputRequest, serde_json::Error> {
    if let Some(parameters) = elicitation(&question)? {
        return Ok(InputRequest::Elicitation(ElicitRequest::new(parameters)));
    }
    Ok(match question {
        Question::Model(asked) => {
            InputRequest::CreateMessage(CreateMessageRequest::new(sampling(asked)))
        }
        _ => InputRequest::ListRoots(ListRootsRequest::default()),
    })
}

/// Asks a client of the older protocols, while the call waits.
fn waiting(peer: Peer<RoleServer>) -> Arc<Put> {
    Arc::new(move |_, question| {
        let peer = peer.clone();
        async move {
            put(&peer, question)
                .await
                .map_err(|error| error.to_string())
        }
        .boxed()
    })
}

async fn put(
    peer: &Peer<RoleServer>,
    question: Question,
) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
    if let Some(mut parameters) = elicitation(&question)? {
        if let ElicitRequestParams::UrlElicitationParams { elicitation_id, .. } = &mut parameters {
            *elicitation_id = fresh_id()?;
        }
        let asked = peer.create_elicitation_with_timeout(parameters, Some(PATIENCE));
        return Ok(serde_json::to_value(asked.await?)?);
    }
    Ok(match question {
        Question::Model(asked) => {
            serde_json::to_value(peer.create_message(sampling(asked)).await?)?
        }
        _ => serde_json::to_value(peer.list_roots().await?)?,
    })
}

fn fresh_id() -> Result<String, getrandom::Error> {
    Ok(format!("{:016x}", getrandom::u64()?))
}
