//! What went wrong with an endpoint, whether to try again, and what to tell the person.

use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use ropewalk_core::message::Usage;
use serde_json::Value;

use super::secrets::Secrets;
use super::too_long::too_long;
use crate::engine::EngineError;

/// Characters of a foreign body that a message shows.
const SHOWN: usize = 200;
/// Longest message of a provider that is passed on.
const LONGEST_MESSAGE: usize = 1_000;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    /// What to tell when it was the last one.
    pub error: Box<EngineError>,
    /// Whether another may help.
    pub retry: Retry,
    /// The status and the body of a refusal, to ask otherwise.
    pub refusal: Option<(StatusCode, Vec<u8>)>,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Retry {
    /// Another attempt would fail alike, or part of a reply has been shown already.
    Never,
    /// After as long as the endpoint asked for, or after a pause that grows.
    After(Option<Duration>),
}

impl Failure {
    pub(super) fn last(error: EngineError) -> Self {
        Self {
            error: Box::new(error),
            retry: Retry::Never,
            refusal: None,
        }
    }

    fn again(error: EngineError, again: bool) -> Self {
        Self {
            error: Box::new(error),
            retry: if again {
                Retry::After(None)
            } else {
                Retry::Never
            },
            refusal: None,
        }
    }
}

/// The endpoint as messages name it, and what must never stand in one.
pub(super) struct Endpoint {
    pub engine: String,
    /// Its address without what follows a question mark.
    pub url: String,
    pub model: String,
    /// Where the key is from, or would be.
    pub key_place: String,
    /// The key and the values of configured headers.
    pub secrets: Secrets,
}

impl Endpoint {
    /// The request did not get through.
    pub(super) fn not_sent(&self, error: &reqwest::Error, connect_timeout: u64) -> Failure {
        let error = if error.is_timeout() {
            self.timed_out(connect_timeout, "connecting")
        } else {
            EngineError::Unreachable {
                engine: self.engine.clone(),
                url: self.url.clone(),
                message: self.clean(&chain(error)),
            }
        };
        Failure::again(error, true)
    }

    pub(super) fn timed_out(&self, seconds: u64, waiting_for: &'static str) -> EngineError {
        EngineError::TimedOut {
            engine: self.engine.clone(),
            url: self.url.clone(),
            seconds,
            waiting_for,
            usage: Usage::default(),
        }
    }

    /// A body that is not the protocol: its content type and first characters.
    pub(super) fn not_the_protocol(&self, kind: &str, body: &[u8]) -> EngineError {
        let kind = if kind.is_empty() {
            "a body without a content type".to_owned()
        } else {
            self.clean(kind)
        };
        EngineError::NotTheProtocol {
            engine: self.engine.clone(),
            url: self.url.clone(),
            message: format!("it sent {kind}: {}", self.shown(body)),
        }
    }

    /// The connection or the body ended before the reply did. What has been shown cannot be taken
    /// back, so another attempt is made only where nothing was.
    pub(super) fn broke_off(&self, message: &str, begun: bool) -> Failure {
        let error = EngineError::BrokeOff {
            engine: self.engine.clone(),
            url: self.url.clone(),
            message: self.clean(message),
            usage: Usage::default(),
        };
        Failure::again(error, !begun)
    }

    pub(super) fn too_large(&self, bytes: usize) -> Failure {
        let mib = bytes / (1024 * 1024);
        let error = self.broke_off(
            &format!("more than {mib} MiB came, which no reply has"),
            true,
        );
        Failure::last(*error.error)
    }

    /// An error object where a reply was due.
    pub(super) fn error_object(&self, error: &Value, begun: bool) -> Failure {
        let code = error.get("code").or_else(|| error.get("status"));
        let code = code.and_then(|code| match code {
            Value::String(text) => text.parse().ok().or_else(|| known_code(text)),
            other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
        });
        let status = code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let message = said(error).unwrap_or_else(|| error.to_string());
        let again = !begun && (status.is_server_error() || status.as_u16() == 429);
        let error = self.refusal(status, error, &message);
        let again = again && !matches!(error, EngineError::TooLong { .. });
        Failure::again(error, again)
    }

    /// An HTTP status that is no success.
    pub(super) fn status(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        kind: &str,
        body: Vec<u8>,
    ) -> Failure {
        let parsed = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        // Google's endpoint wraps its error in a list.
        let parsed = match parsed {
            Value::Array(list) => list.into_iter().next().unwrap_or_default(),
            other => other,
        };
        let message = said(&parsed).unwrap_or_else(|| match body.as_slice() {
            [] => "no explanation".to_owned(),
            _ if kind.is_empty() => self.shown(&body),
            _ => format!("({kind}) {}", self.shown(&body)),
        });
        let error = self.refusal(status, &parsed, &message);
        // A quota that is used up does not come back in a minute.
        let spent = String::from_utf8_lossy(&body).contains("insufficient_quota");
        let again = status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 425 | 429);
        let hopeless = spent
            || matches!(status.as_u16(), 501 | 505)
            || matches!(error, EngineError::TooLong { .. });
        Failure {
            error: Box::new(error),
            retry: if again && !hopeless {
                Retry::After(retry_after(headers))
            } else {
                Retry::Never
            },
            refusal: Some((status, body)),
        }
    }

    fn refusal(&self, status: StatusCode, error: &Value, message: &str) -> EngineError {
        if let Some(numbers) = too_long(error, message) {
            return EngineError::TooLong {
                engine: self.engine.clone(),
                prompt: numbers.prompt,
                context: numbers.context,
                message: self.clean(message),
            };
        }
        let hint = match status.as_u16() {
            401 | 403 if self.secrets.is_empty() => {
                format!("; no key was sent: set {}", self.key_place)
            }
            401 | 403 => format!(
                "; is the key in {} right for this endpoint?",
                self.key_place
            ),
            404 => format!(
                "; does the endpoint have a model named `{}`, and does the base URL end in /v1?",
                self.model
            ),
            429 => "; too many requests, or the quota is used up".to_owned(),
            300..=399 => "; it redirects: use the address it redirects to as base_url".to_owned(),
            _ => String::new(),
        };
        EngineError::Refused {
            engine: self.engine.clone(),
            url: self.url.clone(),
            status: status.as_u16(),
            message: self.clean(message) + &hint,
            usage: Usage::default(),
        }
    }

    /// Endpoints repeat keys in their messages; ours must not.
    fn clean(&self, message: &str) -> String {
        // First the secrets, then the length: a cut through a secret would leave a part of it.
        let clean = self.secrets.removed(message);
        clean.chars().take(LONGEST_MESSAGE).collect()
    }

    /// The first characters of a body, in one line.
    fn shown(&self, body: &[u8]) -> String {
        let text = self.secrets.removed(&String::from_utf8_lossy(body));
        let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            return "nothing".to_owned();
        }
        if let Some((end, _)) = line.char_indices().nth(SHOWN) {
            line.truncate(end);
            line.push('…');
        }
        format!("{line:?}")
    }
}

/// Statuses that the Responses API names in words.
fn known_code(code: &str) -> Option<u16> {
    match code {
        "rate_limit_exceeded" => Some(429),
        "server_error" | "internal_error" => Some(500),
        "context_length_exceeded" | "invalid_prompt" | "invalid_request_error" => Some(400),
        _ => None,
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Anything up to a wait, so that clients that failed together part ways.
pub(super) fn jitter(wait: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1_000;
    wait.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 1_000.0)
}

/// How long a server asks to wait: in milliseconds as some put it, in seconds, or until a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    let until = || {
        let date = httpdate::parse_http_date(text("retry-after")?).ok()?;
        // A date that has passed asks for no wait at all.
        let wait = date.duration_since(SystemTime::now()).unwrap_or_default();
        Some(wait.as_secs_f64())
    };
    let seconds = number("retry-after-ms")
        .map(|ms| ms / 1_000.0)
        .or_else(|| number("retry-after"))
        .or_else(until);
    // An hour and more is longer than anyone waits; the bound keeps the sum finite.
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.min(86_400.0)).ok())
}

/// The message in a provider's error body, whichever of the usual forms it has.
fn said(body: &Value) -> Option<String> {
    let body = body.get("error").unwrap_or(body);
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    ["message", "detail", "msg"]
        .iter()
        .find_map(|name| body.get(*name).and_then(text))
        .or_else(|| body.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_in_every_form() {
        let wait = |name: &'static str, value: &str| {
            let value = value.parse().unwrap();
            retry_after(&HeaderMap::from_iter([(
                reqwest::header::HeaderName::from_static(name),
                value,
            )]))
        };
        assert_eq!(
            wait("retry-after-ms", "1500"),
            Some(Duration::from_millis(1_500))
        );
        assert_eq!(wait("retry-after", " 7 "), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("retry-after", "1e300"),
            Some(Duration::from_secs(86_400))
        );
        assert_eq!(wait("retry-after", "-1"), None);
        assert_eq!(wait("retry-after", "soon"), None);
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(wait("retry-after", past), Some(Duration::ZERO));
        let ahead = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(600));
        let left = wait("retry-after", &ahead).unwrap();
        assert!((500..=600).contains(&left.as_secs()), "{left:?}");
    }
}
