//! One attempt: a body out, a reply or a failure back. Bounded in bytes and in time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use ropewalk_core::message::Usage;
use serde_json::Value;
use tokio::time::Instant;

use super::chat::Chunk;
use super::failure::{self, Endpoint, Failure};
use super::names::Names;
use super::reply::Assembly;
use super::responses::{self, Step};
use super::sse::Events;
use crate::engine::DeltaSink;

/// Most bytes read of one reply.
const LARGEST_REPLY: usize = 32 * 1024 * 1024;
/// Most bytes read of what is not a reply.
const LARGEST_EXPLANATION: usize = 16 * 1024;
/// Longest wait for what may still come after a reply has ended: its counts.
const LONGEST_TRAIL: Duration = Duration::from_secs(5);

/// How an endpoint is reached, and how patiently.
pub(super) struct Transport {
    pub client: reqwest::Client,
    pub endpoint: Endpoint,
    /// In seconds, as the three below.
    pub connect_timeout: u64,
    pub first_token_timeout: u64,
    pub idle_timeout: u64,
}

/// Which protocol a request goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Chat,
    Responses,
}

/// Where what is read goes.
pub(super) struct Listening<'a> {
    pub protocol: Protocol,
    pub names: &'a Names,
    pub deltas: &'a DeltaSink,
    pub tally: &'a Tally,
}

/// Counts of a request over all its attempts, kept even where it is cut off.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<(Usage, Usage)>);

impl Tally {
    /// The attempt under way has cost so much so far.
    fn now(&self, usage: Usage) {
        self.lock().1 = usage;
    }

    /// The attempt under way is over.
    pub(super) fn next(&self) {
        let mut counts = self.lock();
        counts.0 = counts.0.plus(counts.1);
        counts.1 = Usage::default();
    }

    /// All attempts together.
    pub(super) fn total(&self) -> Usage {
        let counts = self.lock();
        counts.0.plus(counts.1)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Usage, Usage)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport {
    /// One attempt. A failure says whether another may help.
    pub(super) async fn attempt(
        &self,
        url: reqwest::Url,
        body: &Value,
        listening: &Listening<'_>,
    ) -> Result<Assembly, Failure> {
        let deadline = Instant::now() + Duration::from_secs(self.first_token_timeout);
        let sending = self.client.post(url).json(body).send();
        let response = tokio::time::timeout_at(deadline, sending)
            .await
            .map_err(|_| self.late(true))?
            .map_err(|error| self.endpoint.not_sent(&error, self.connect_timeout))?;
        let status = response.status();
        let kind = header(response.headers(), CONTENT_TYPE);
        if !status.is_success() {
            let headers = response.headers().clone();
            let body = self.explanation(response).await;
            return Err(self.endpoint.status(status, &headers, &kind, body));
        }
        let encoding = header(response.headers(), CONTENT_ENCODING);
        if !matches!(encoding.as_str(), "" | "identity") {
            // None was asked for, and a small body may unpack into a large one.
            let what = format!("{kind} packed as {encoding}");
            return Err(Failure::last(self.endpoint.not_the_protocol(&what, b"")));
        }
        if kind.contains("json") && !kind.contains("stream") && !kind.contains("ndjson") {
            return self.whole(response, listening, deadline).await;
        }
        if !kind.is_empty() && !kind.contains("event-stream") && !kind.contains("text/plain") {
            let body = self.explanation(response).await;
            return Err(Failure::last(self.endpoint.not_the_protocol(&kind, &body)));
        }
        self.stream(response, listening, deadline, &kind).await
    }

    /// Reads a streamed reply.
    async fn stream(
        &self,
        mut response: reqwest::Response,
        listening: &Listening<'_>,
        deadline: Instant,
        kind: &str,
    ) -> Result<Assembly, Failure> {
        let mut events = Events::default();
        let mut assembly = Assembly::default();
        let mut start = Vec::new();
        let mut read = 0_usize;
        let mut any = false;
        let mut trail = None;
        loop {
            let begun = assembly.begun;
            let until = match (trail, begun) {
                (Some(trail), _) => trail,
                (None, true) => self.idle_deadline(),
                (None, false) => deadline,
            };
            let next = tokio::time::timeout_at(until, response.chunk()).await;
            // The reply is whole already; what breaks off is what may come after it.
            if assembly.finished() && !matches!(next, Ok(Ok(Some(_)))) {
                return Ok(assembly);
            }
            let next = next.map_err(|_| self.late(!begun))?;
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
                if self.event(&data, &mut assembly, listening)? {
                    return Ok(assembly);
                }
            }
            if assembly.finished() && trail.is_none() {
                trail = Some(self.idle_deadline().min(Instant::now() + LONGEST_TRAIL));
            }
        }
        if let Some(data) = events.finish() {
            // Not every endpoint ends its last event, and one cut short is none.
            let whole = data.trim() == "[DONE]" || serde_json::from_str::<Value>(&data).is_ok();
            if whole {
                any = true;
                if self.event(&data, &mut assembly, listening)? {
                    return Ok(assembly);
                }
            } else {
                any |= data.trim_start().starts_with('{');
            }
        }
        if read == 0 && kind.contains("event-stream") {
            return Err(self
                .endpoint
                .broke_off("the stream ended without a reply", false));
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
        listening: &Listening<'_>,
    ) -> Result<bool, Failure> {
        let data = data.trim();
        if data == "[DONE]" {
            // Chat completions may leave out why they ended; Responses say so in an event.
            let ended = match listening.protocol {
                Protocol::Chat => assembly.begun,
                Protocol::Responses => assembly.finished(),
            };
            return if ended {
                Ok(true)
            } else {
                Err(self
                    .endpoint
                    .broke_off("the stream ended without a reply", assembly.begun))
            };
        }
        if data.is_empty() {
            return Ok(false);
        }
        let not_it = |error: serde_json::Error| {
            let what = format!("an event that is not of the protocol ({error})");
            Failure::last(self.endpoint.not_the_protocol(&what, data.as_bytes()))
        };
        match listening.protocol {
            Protocol::Chat => {
                let chunk: Chunk = serde_json::from_str(data).map_err(not_it)?;
                self.chunk(chunk, assembly, listening)?;
                Ok(false)
            }
            Protocol::Responses => {
                let event: Value = serde_json::from_str(data).map_err(not_it)?;
                self.response_event(&event, assembly, listening)
            }
        }
    }

    fn chunk(
        &self,
        chunk: Chunk,
        assembly: &mut Assembly,
        listening: &Listening<'_>,
    ) -> Result<(), Failure> {
        // Counts first: they hold whatever else the event says.
        if let Some(usage) = chunk.usage() {
            assembly.used(usage);
            listening.tally.now(assembly.usage);
        }
        if let Some(error) = chunk.error() {
            return Err(self.endpoint.error_object(error, assembly.begun));
        }
        chunk.take(assembly, listening.names, listening.deltas);
        Ok(())
    }

    fn response_event(
        &self,
        event: &Value,
        assembly: &mut Assembly,
        listening: &Listening<'_>,
    ) -> Result<bool, Failure> {
        if let Some(usage) = responses::counted(event) {
            assembly.used(usage);
            listening.tally.now(assembly.usage);
        }
        match responses::take(event, assembly, listening.names, listening.deltas) {
            Step::On => Ok(false),
            Step::Done => Ok(true),
            Step::Failed(error) => Err(self.endpoint.error_object(&error, assembly.begun)),
        }
    }

    /// Reads a reply from an endpoint that answers in one piece.
    async fn whole(
        &self,
        mut response: reqwest::Response,
        listening: &Listening<'_>,
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
        let mut assembly = Assembly::default();
        let parsed: Value = serde_json::from_slice(&body).map_err(|_| not_it())?;
        match listening.protocol {
            Protocol::Responses if parsed.get("error").is_none_or(Value::is_null) => {
                let event = responses::as_event(parsed).ok_or_else(not_it)?;
                self.response_event(&event, &mut assembly, listening)?;
            }
            _ => {
                let chunk: Chunk = serde_json::from_value(parsed).map_err(|_| not_it())?;
                self.chunk(chunk, &mut assembly, listening)?;
            }
        }
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
        Instant::now() + Duration::from_secs(self.idle_timeout)
    }

    fn late(&self, first: bool) -> Failure {
        let (seconds, waiting_for) = if first {
            (
                self.first_token_timeout,
                "waiting for the first token (`first_token_timeout`)",
            )
        } else {
            (self.idle_timeout, "waiting for more (`idle_timeout`)")
        };
        Failure::last(self.endpoint.timed_out(seconds, waiting_for))
    }
}

fn header(headers: &HeaderMap, name: reqwest::header::HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}
