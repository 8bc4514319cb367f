//! Any OpenAI-compatible endpoint: streamed replies with tool calls, by chat completions or
//! Responses.
//!
//! Requests are built from async-openai's types. The transport is our own, because its client
//! shows neither the headers of an error (`Retry-After`), nor what a body that is not the
//! protocol looked like, and has no bound on what it reads.
//!
//! Read it in this order:
//! - `config`, `dialect`, `key`: which endpoint and model, what it is, and with which key.
//! - `asked`: a request as both protocols say it, with `names` within the provider's letters and
//!   `schema`s in the dialect's words; `adapt`: what an endpoint turned out not to take.
//! - `chat` and `responses`: the two protocols, out and back; `reply`: what their pieces come to;
//!   `kept`: what goes back with later turns.
//! - `transport`: one attempt over HTTP; `sse`: events from bytes cut anywhere.
//! - `limits` and `breaker`: when a request may go out at all.
//! - `failure`, `too_long`, `secrets`: what went wrong, in words that say what to do; never with
//!   the key in them.

mod adapt;
mod asked;
mod breaker;
mod chat;
mod config;
mod dialect;
mod failure;
mod kept;
mod key;
mod limits;
mod names;
mod reply;
mod responses;
mod schema;
mod secrets;
mod sse;
mod too_long;
mod transport;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ropewalk_core::message::{ChatReply, ChatRequest, Message};
use serde_json::Value;
use tokio::time::Instant;

use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};
use adapt::Asking;
use asked::{Asked, NotSayable};
use breaker::Breaker;
use failure::{Endpoint, Failure, Retry};
use kept::{Place, Turns};
use key::Key;
use limits::Limits;
use names::Names;
use reply::{AddedNulls, Assembly};
use secrets::Secrets;
use transport::{Listening, Protocol, Tally, Transport};

pub use config::{DEFAULT_BASE_URL, DEFAULT_KEY_ENV, OpenAiConfig};
pub use dialect::{Api, Dialect};

/// Most time spent waiting between the attempts of one request.
const LONGEST_WAITS: Duration = Duration::from_secs(90);
/// Longest first wait between attempts; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Tokens that a reply is taken to have when nothing bounds it.
const USUAL_REPLY: u64 = 500;
/// Bytes that a token is taken to have.
const BYTES_PER_TOKEN: usize = 4;

/// An engine behind an OpenAI-compatible endpoint.
pub struct OpenAi {
    info: EngineInfo,
    config: OpenAiConfig,
    dialect: Dialect,
    base: reqwest::Url,
    transport: Transport,
    breaker: Breaker,
    limits: Limits,
    /// What the endpoint turned out not to take.
    asking: Mutex<Asking>,
    turns: Turns,
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi")
            .field("config", &self.config)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

impl OpenAi {
    /// An engine as configured, its key read from the environment or the system keyring. The
    /// keyring may take a while to answer, at most half a minute.
    ///
    /// # Errors
    /// A key that is needed and not there, no model, an address or header that is none.
    pub fn new(config: OpenAiConfig) -> Result<Self, EngineError> {
        let key = key::find(&config, &format!("openai:{}", config.model))?;
        Self::build(config, key)
    }

    /// As [`Self::new`] with the key in hand.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_key(config: OpenAiConfig, key: Option<String>) -> Result<Self, EngineError> {
        let place = format!("the environment variable {}", config.key_variable());
        Self::build(config, Key { value: key, place })
    }

    fn build(config: OpenAiConfig, key: Key) -> Result<Self, EngineError> {
        let engine = format!("openai:{}", config.model);
        let bad = |message: String| EngineError::BadRequest {
            engine: engine.clone(),
            message,
        };
        if config.model.trim().is_empty() {
            return Err(EngineError::BadRequest {
                engine: "openai".to_owned(),
                message: "no model; set `model` under [engine]".to_owned(),
            });
        }
        let value = key
            .value
            .map(|key| key.trim().to_owned())
            .filter(|key| !key.is_empty());
        if value.is_none() && (config.key_env.is_some() || config.is_default_endpoint()) {
            let variable = config.key_variable().to_owned();
            return Err(EngineError::NoKey { engine, variable });
        }
        let base = address(&config.base_url).map_err(&bad)?;
        let headers = headers(&config, value.as_deref(), &key.place).map_err(&bad)?;
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(config.connect_timeout))
            .redirect(reqwest::redirect::Policy::none())
            // A packed body may be small and unpack into one that is not.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .default_headers(headers)
            .build()
            .map_err(|error| bad(format!("cannot set up HTTP: {}", failure::chain(&error))))?;
        let host = base.host_str().unwrap_or_default();
        let dialect = config
            .dialect
            .unwrap_or_else(|| Dialect::of_host(host, base.port()));
        let mut shown = base.clone();
        shown.set_query(None);
        let endpoint = Endpoint {
            engine: engine.clone(),
            url: shown.to_string(),
            model: config.model.clone(),
            key_place: key.place,
            secrets: Secrets::new(value.into_iter().chain(config.headers.values().cloned())),
        };
        Ok(Self {
            info: EngineInfo {
                id: engine,
                context_tokens: config.context_tokens,
                tools: true,
                structured_output: true,
                streaming: config.stream,
                charges: config.input_price > 0.0 || config.output_price > 0.0,
            },
            dialect,
            base,
            transport: Transport {
                client,
                endpoint,
                connect_timeout: config.connect_timeout,
                first_token_timeout: config.first_token_timeout,
                idle_timeout: config.idle_timeout,
            },
            breaker: Breaker::new(
                config.breaker_failures,
                Duration::from_secs(config.breaker_cooldown),
            ),
            limits: Limits::of(&config),
            asking: Mutex::default(),
            turns: Turns::default(),
            config,
        })
    }

    /// Attempts until one succeeds or none is left.
    async fn attempts(
        &self,
        request: &ChatRequest,
        deltas: &DeltaSink,
        tally: &Tally,
    ) -> Result<ChatReply, EngineError> {
        let names = Names::of(request);
        let mut asking = self.asking().clone();
        let mut attempt = 0;
        let mut waited = Duration::ZERO;
        loop {
            let (protocol, body, nulls) = self.written(request, &names, &asking)?;
            let listening = Listening {
                protocol,
                names: &names,
                deltas,
                tally,
            };
            let outcome = self.one(&body, &asking, &listening).await?;
            tally.next();
            let (failure, opened) = match outcome {
                Outcome::Reply(assembly) => {
                    self.learn(&asking);
                    return Ok(self.reply(request, *assembly, &names, &nulls));
                }
                Outcome::Otherwise(error, weaker) => {
                    tracing::info!(%error, "asking the endpoint in another form");
                    asking = weaker;
                    continue;
                }
                Outcome::Failed(failure, opened) => (failure, opened),
            };
            let wait = match failure.retry {
                Retry::Never => return Err(*failure.error),
                Retry::After(Some(asked)) => asked,
                Retry::After(None) => {
                    failure::jitter(FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempt)))
                }
            };
            if opened || attempt >= self.config.max_retries || waited + wait > LONGEST_WAITS {
                return Err(*failure.error);
            }
            attempt += 1;
            waited += wait;
            tracing::info!(error = %failure.error, attempt, ?wait, "trying the endpoint again");
            tokio::time::sleep(wait).await;
        }
    }

    /// One attempt within the limits and past the breaker. An error means that nothing was sent.
    async fn one(
        &self,
        body: &Value,
        asking: &Asking,
        listening: &Listening<'_>,
    ) -> Result<Outcome, EngineError> {
        self.breaker
            .look(Instant::now())
            .map_err(|open| self.open(open))?;
        let mut turn =
            self.limits
                .enter(estimate(body))
                .await
                .map_err(|refused| EngineError::OverLimit {
                    engine: self.info.id.clone(),
                    message: refused.message,
                    wait: refused.wait,
                })?;
        let passage = self
            .breaker
            .admit(Instant::now())
            .map_err(|open| self.open(open))?;
        turn.begun();
        let url = self.url(listening.protocol);
        match self.transport.attempt(url, body, listening).await {
            Ok(assembly) => {
                passage.answered();
                let used = assembly.usage.input_tokens + assembly.usage.output_tokens;
                if used > 0 {
                    turn.took(used, Instant::now());
                }
                Ok(Outcome::Reply(Box::new(assembly)))
            }
            Err(failure) => {
                // A refusal read nothing; what broke off may have.
                if failure.refusal.is_some() {
                    turn.took(0, Instant::now());
                }
                let weaker = failure
                    .refusal
                    .as_ref()
                    .and_then(|(status, refusal)| asking.weaker(body, *status, refusal));
                if let Some(weaker) = weaker {
                    passage.answered();
                    return Ok(Outcome::Otherwise(*failure.error, weaker));
                }
                let opened = if failure.error.is_endpoint_failure() {
                    passage.failed(Instant::now(), &failure.error.to_string())
                } else {
                    passage.answered();
                    false
                };
                if opened {
                    tracing::warn!(error = %failure.error, "the endpoint is left alone for a while");
                }
                Ok(Outcome::Failed(failure, opened))
            }
        }
    }

    /// The request in the words of the protocol that it goes by.
    fn written(
        &self,
        request: &ChatRequest,
        names: &Names,
        asking: &Asking,
    ) -> Result<(Protocol, Value, AddedNulls), EngineError> {
        let (asked, nulls) = Asked::new(
            request,
            &self.config,
            self.dialect,
            asking,
            names,
            &self.turns,
        );
        let protocol = match self.config.api {
            Api::Chat => Protocol::Chat,
            Api::Responses => Protocol::Responses,
            Api::Auto => {
                let offered = self.base.host_str() == Some("api.openai.com");
                if offered && responses::lacks(&asked).is_none() {
                    Protocol::Responses
                } else {
                    Protocol::Chat
                }
            }
        };
        let body = match protocol {
            Protocol::Chat => chat::build(&asked),
            Protocol::Responses => responses::build(&asked),
        };
        let mut body = body.map_err(|NotSayable(message)| EngineError::BadRequest {
            engine: self.info.id.clone(),
            message,
        })?;
        asking.prune(&mut body);
        if let Some(body) = body.as_object_mut() {
            body.extend(self.config.extra.clone());
        }
        Ok((protocol, body, nulls))
    }

    fn reply(
        &self,
        request: &ChatRequest,
        assembly: Assembly,
        names: &Names,
        nulls: &AddedNulls,
    ) -> ChatReply {
        let mut taken: HashSet<String> = HashSet::new();
        for message in &request.messages {
            if let Message::Assistant { calls, .. } = message {
                taken.extend(calls.iter().map(|call| call.id.clone()));
            }
        }
        let (reply, turn) = assembly.finish(names, &mut taken, nulls);
        self.turns
            .remember(&Place::after(&request.messages), &reply.calls, turn);
        reply
    }

    fn asking(&self) -> std::sync::MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The endpoint took what it was asked in this form.
    fn learn(&self, asking: &Asking) {
        let mut known = self.asking();
        if *known != *asking {
            *known = asking.clone();
        }
    }

    fn url(&self, protocol: Protocol) -> reqwest::Url {
        let mut url = self.base.clone();
        let path = match protocol {
            Protocol::Chat => "chat/completions",
            Protocol::Responses => "responses",
        };
        let whole = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&whole);
        url
    }

    fn open(&self, open: breaker::Open) -> EngineError {
        EngineError::CircuitOpen {
            engine: self.info.id.clone(),
            url: self.transport.endpoint.url.clone(),
            left: open.left,
            until: SystemTime::now() + open.left,
            last: open.last,
        }
    }
}

/// What an attempt came to.
enum Outcome {
    /// A reply.
    Reply(Box<Assembly>),
    /// A refusal, and how to ask after it.
    Otherwise(EngineError, Asking),
    /// A failure, and whether it opened the breaker.
    Failed(Failure, bool),
}

#[async_trait]
impl Engine for OpenAi {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        let tally = Tally::default();
        let longest = Duration::from_secs(self.config.total_timeout);
        let attempts = self.attempts(&request, &deltas, &tally);
        let outcome = tokio::time::timeout(longest, attempts)
            .await
            .unwrap_or_else(|_| {
                let waiting_for = "waiting for the whole reply (`total_timeout`)";
                let seconds = self.config.total_timeout;
                Err(self.transport.endpoint.timed_out(seconds, waiting_for))
            });
        let cost = self.config.priced(tally.total());
        match outcome {
            Ok(mut reply) => {
                reply.usage = cost;
                Ok(reply)
            }
            Err(error) => Err(error.costing(cost)),
        }
    }
}

/// Tokens that a request is taken to cost before its reply tells.
fn estimate(body: &Value) -> u64 {
    let read = body.to_string().len() / BYTES_PER_TOKEN;
    let limits = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
    let written = limits
        .iter()
        .find_map(|field| body.get(*field).and_then(Value::as_u64));
    u64::try_from(read)
        .unwrap_or(u64::MAX)
        .saturating_add(written.unwrap_or(USUAL_REPLY))
}

fn address(base_url: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(base_url)
        .map_err(|error| format!("`base_url` under [engine] is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("base_url `{base_url}` must be http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`base_url` must not hold a password; put it into [engine.headers]".to_owned());
    }
    Ok(url)
}

fn headers(config: &OpenAiConfig, key: Option<&str>, place: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{name}` under [engine.headers] is no header name"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of header `{name}` has characters it may not"))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    if let Some(key) = key {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| format!("the key in {place} has characters that no key has"))?;
        value.set_sensitive(true);
        headers.insert(reqwest::header::AUTHORIZATION, value);
    }
    Ok(headers)
}
