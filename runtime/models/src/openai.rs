//! Any OpenAI-compatible endpoint: streamed chat completions with tool calls.
//!
//! Requests are built from async-openai's types. The transport is our own, because its client
//! shows neither the headers of an error (`Retry-After`), nor what a body that is not the
//! protocol looked like, and has no bound on what it reads.
//!
//! Read it in this order:
//! - `config`: which endpoint and model, and how patiently.
//! - `request`: our conversation in the provider's words; tool names within its letters.
//! - `sse`: events from bytes cut anywhere.
//! - `reply`: a reply put together from the stream's pieces.
//! - `failure`: what went wrong, in words that say what to do; never with the key in them.

mod config;
mod failure;
mod reply;
mod request;
mod sse;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ropewalk_core::message::{ChatReply, ChatRequest, Message};
use tokio::time::Instant;

use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};
use failure::{Endpoint, Failure, Retry};
use reply::{Assembly, Chunk};
use request::Names;
use sse::Events;

pub use config::{DEFAULT_BASE_URL, DEFAULT_KEY_ENV, OpenAiConfig};

/// Most bytes read of one reply.
const LARGEST_REPLY: usize = 32 * 1024 * 1024;
/// Most bytes read of what is not a reply.
const LARGEST_EXPLANATION: usize = 16 * 1024;
/// Most time spent waiting between the attempts of one request.
const LONGEST_WAITS: Duration = Duration::from_secs(90);
/// First wait between attempts; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// An engine behind an OpenAI-compatible endpoint.
pub struct OpenAi {
    info: EngineInfo,
    config: OpenAiConfig,
    endpoint: Endpoint,
    client: reqwest::Client,
    /// Set when the endpoint refused `stream_options`.
    no_usage: AtomicBool,
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl OpenAi {
    /// An engine as configured, its key read from the environment.
    ///
    /// # Errors
    /// A key that is needed and not there, no model, an address or header that is none.
    pub fn new(config: OpenAiConfig) -> Result<Self, EngineError> {
        let key = std::env::var(config.key_variable()).ok();
        Self::with_key(config, key)
    }

    /// As [`Self::new`] with the key in hand.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_key(config: OpenAiConfig, key: Option<String>) -> Result<Self, EngineError> {
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
        let key = key
            .map(|key| key.trim().to_owned())
            .filter(|key| !key.is_empty());
        if key.is_none() && (config.key_env.is_some() || config.is_default_endpoint()) {
            let variable = config.key_variable().to_owned();
            return Err(EngineError::NoKey { engine, variable });
        }
        let url = format!("{}/chat/completions", config.base_url.trim_end_matches('/'));
        let parsed = reqwest::Url::parse(&url)
            .map_err(|error| bad(format!("base_url `{}` is no URL: {error}", config.base_url)))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(bad(format!(
                "base_url `{}` must be http or https",
                config.base_url
            )));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| bad(format!("`{name}` under [engine.headers] is no header name")))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                bad(format!(
                    "the value of header `{name}` has characters it may not"
                ))
            })?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        if let Some(key) = &key {
            let variable = config.key_variable();
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
                bad(format!(
                    "the key in {variable} has characters that no key has"
                ))
            })?;
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(config.connect_timeout))
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(headers)
            .build()
            .map_err(|error| bad(format!("cannot set up HTTP: {}", failure::chain(&error))))?;
        let info = EngineInfo {
            id: engine.clone(),
            context_tokens: config.context_tokens,
            tools: true,
            structured_output: true,
            streaming: true,
            charges: config.input_price > 0.0 || config.output_price > 0.0,
        };
        let secrets = key
            .into_iter()
            .chain(config.headers.values().cloned())
            .collect();
        let endpoint = Endpoint {
            engine,
            url,
            model: config.model.clone(),
            key_variable: config.key_variable().to_owned(),
            secrets,
        };
        Ok(Self {
            info,
            config,
            endpoint,
            client,
            no_usage: AtomicBool::new(false),
        })
    }

    /// One attempt. A failure says whether another may help.
    async fn attempt(
        &self,
        request: &ChatRequest,
        names: &Names,
        deltas: &DeltaSink,
    ) -> Result<Assembly, Failure> {
        let ask_for_usage = !self.no_usage.load(Ordering::Relaxed);
        let body = request::build(
            &self.config.model,
            request,
            &self.config.sampling,
            names,
            ask_for_usage,
            self.config.is_default_endpoint(),
        );
        let deadline = Instant::now() + Duration::from_secs(self.config.first_token_timeout);
        let sending = self.client.post(&self.endpoint.url).json(&body).send();
        let response = tokio::time::timeout_at(deadline, sending)
            .await
            .map_err(|_| self.late(true))?
            .map_err(|error| self.endpoint.not_sent(&error, self.config.connect_timeout))?;
        let status = response.status();
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !status.is_success() {
            let headers = response.headers().clone();
            let body = self.explanation(response).await;
            if ask_for_usage && failure::refuses_usage(status, &body) {
                self.no_usage.store(true, Ordering::Relaxed);
                return Err(Failure {
                    retry: Retry::AtOnce,
                    error: self.endpoint.refused(status, &kind, &body),
                });
            }
            return Err(self.endpoint.status(status, &headers, &kind, &body));
        }
        if kind.contains("json") && !kind.contains("stream") {
            return self.whole(response, names, deltas, deadline).await;
        }
        if !kind.is_empty() && !kind.contains("event-stream") && !kind.contains("text/plain") {
            let body = self.explanation(response).await;
            return Err(Failure::last(self.endpoint.not_the_protocol(&kind, &body)));
        }
        self.stream(response, names, deltas, deadline, &kind).await
    }

    /// Reads a streamed reply.
    async fn stream(
        &self,
        mut response: reqwest::Response,
        names: &Names,
        deltas: &DeltaSink,
        deadline: Instant,
        kind: &str,
    ) -> Result<Assembly, Failure> {
        let mut events = Events::default();
        let mut assembly = Assembly::default();
        let mut start = Vec::new();
        let mut read = 0_usize;
        let mut any = false;
        loop {
            let begun = assembly.begun;
            let until = if begun {
                self.idle_deadline()
            } else {
                deadline
            };
            let next = tokio::time::timeout_at(until, response.chunk())
                .await
                .map_err(|_| self.late(!begun))?;
            let bytes =
                next.map_err(|error| self.endpoint.broke_off(&failure::chain(&error), begun))?;
            let Some(bytes) = bytes else { break };
            read += bytes.len();
            if read > LARGEST_REPLY {
                return Err(self.endpoint.too_large(LARGEST_REPLY));
            }
            if start.len() < LARGEST_EXPLANATION && !any {
                start.extend_from_slice(&bytes);
            }
            let data = events
                .feed(&bytes)
                .map_err(|_| self.endpoint.too_large(LARGEST_REPLY))?;
            for data in data {
                any = true;
                if self.event(&data, &mut assembly, names, deltas)? {
                    return Ok(assembly);
                }
            }
        }
        if let Some(data) = events.finish() {
            any = true;
            if self.event(&data, &mut assembly, names, deltas)? {
                return Ok(assembly);
            }
        }
        if !any {
            return Err(Failure::last(self.endpoint.not_the_protocol(kind, &start)));
        }
        if !assembly.finished() {
            return Err(self
                .endpoint
                .broke_off("the body ended early", assembly.begun));
        }
        Ok(assembly)
    }

    /// Takes in one event; true at the end of the stream.
    fn event(
        &self,
        data: &str,
        assembly: &mut Assembly,
        names: &Names,
        deltas: &DeltaSink,
    ) -> Result<bool, Failure> {
        let data = data.trim();
        if data == "[DONE]" {
            return if assembly.begun {
                Ok(true)
            } else {
                Err(self
                    .endpoint
                    .broke_off("the stream ended without a reply", false))
            };
        }
        if data.is_empty() {
            return Ok(false);
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|error| {
            let what = format!("an event that is no chat completion ({error})");
            Failure::last(self.endpoint.not_the_protocol(&what, data.as_bytes()))
        })?;
        if let Some(error) = &chunk.error {
            return Err(self.endpoint.error_object(error, assembly.begun));
        }
        assembly.take(chunk, names, deltas);
        Ok(false)
    }

    /// Reads a reply from an endpoint that answers in one piece.
    async fn whole(
        &self,
        mut response: reqwest::Response,
        names: &Names,
        deltas: &DeltaSink,
        deadline: Instant,
    ) -> Result<Assembly, Failure> {
        let mut body = Vec::new();
        loop {
            let next = tokio::time::timeout_at(deadline, response.chunk())
                .await
                .map_err(|_| self.late(true))?;
            let next =
                next.map_err(|error| self.endpoint.broke_off(&failure::chain(&error), false))?;
            let Some(bytes) = next else { break };
            body.extend_from_slice(&bytes);
            if body.len() > LARGEST_REPLY {
                return Err(self.endpoint.too_large(LARGEST_REPLY));
            }
        }
        let not_it = || Failure::last(self.endpoint.not_the_protocol("application/json", &body));
        let chunk: Chunk = serde_json::from_slice(&body).map_err(|_| not_it())?;
        if let Some(error) = &chunk.error {
            return Err(self.endpoint.error_object(error, false));
        }
        let mut assembly = Assembly::default();
        assembly.take(chunk, names, deltas);
        if assembly.begun {
            Ok(assembly)
        } else {
            Err(not_it())
        }
    }

    /// The start of a body that explains a failure; what cannot be read is left out.
    async fn explanation(&self, mut response: reqwest::Response) -> Vec<u8> {
        let mut body = Vec::new();
        let until = self.idle_deadline();
        while body.len() < LARGEST_EXPLANATION {
            match tokio::time::timeout_at(until, response.chunk()).await {
                Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
                _ => break,
            }
        }
        body.truncate(LARGEST_EXPLANATION);
        body
    }

    fn idle_deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.config.idle_timeout)
    }

    fn late(&self, first: bool) -> Failure {
        let (seconds, waiting_for) = if first {
            (
                self.config.first_token_timeout,
                "waiting for the first token (`first_token_timeout`)",
            )
        } else {
            (
                self.config.idle_timeout,
                "waiting for more (`idle_timeout`)",
            )
        };
        Failure::last(self.endpoint.timed_out(seconds, waiting_for))
    }
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
        let names = Names::of(&request);
        let mut taken: HashSet<String> = HashSet::new();
        for message in &request.messages {
            if let Message::Assistant { calls, .. } = message {
                taken.extend(calls.iter().map(|call| call.id.clone()));
            }
        }
        let mut attempt = 0;
        let mut waited = Duration::ZERO;
        loop {
            let failure = match self.attempt(&request, &names, &deltas).await {
                Ok(assembly) => {
                    let mut reply = assembly.finish(&names, &mut taken);
                    reply.usage = self.config.priced(reply.usage);
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            let wait = match failure.retry {
                Retry::Never => return Err(failure.error),
                Retry::AtOnce => continue,
                Retry::After(Some(asked)) => asked,
                Retry::After(None) => failure::jitter(FIRST_WAIT * 2_u32.saturating_pow(attempt)),
            };
            if attempt >= self.config.max_retries || waited + wait > LONGEST_WAITS {
                return Err(failure.error);
            }
            attempt += 1;
            waited += wait;
            tracing::info!(error = %failure.error, attempt, ?wait, "trying the endpoint again");
            tokio::time::sleep(wait).await;
        }
    }
}
