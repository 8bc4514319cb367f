//! Which endpoint and model, and how patiently.

use std::collections::BTreeMap;

use ropewalk_core::message::{Sampling, Usage};
use serde::{Deserialize, Serialize};

/// Where requests go when no base URL is given.
pub const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";
/// Where the key is read from when no variable is named.
pub const DEFAULT_KEY_ENV: &str = "OPENAI_API_KEY";

/// Which endpoint and model, and how patiently. Times are in seconds.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiConfig {
    /// Address up to, not including, `/chat/completions`.
    pub base_url: String,
    /// The model's name as the endpoint knows it.
    pub model: String,
    /// The environment variable that holds the key. When it is named here the key must be there;
    /// when it is not, `OPENAI_API_KEY` is needed for the default address only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Longest wait for a connection.
    pub connect_timeout: u64,
    /// Longest wait from the request to the first piece of a reply.
    pub first_token_timeout: u64,
    /// Longest silence within a reply.
    pub idle_timeout: u64,
    /// How often a request is repeated that failed before its first piece.
    pub max_retries: u32,
    /// Most tokens that request and reply may have together, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// What a million tokens cost that it reads, in any currency; for budgets and reports.
    pub input_price: f64,
    /// What a million tokens cost that it writes.
    pub output_price: f64,
    /// Sampling for requests that do not say otherwise.
    pub sampling: Sampling,
    /// Headers sent with every request. Their values are not shown in debug output.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl Default for OpenAiConfig {
    fn default() -> Self {
        Self {
            base_url: DEFAULT_BASE_URL.to_owned(),
            model: String::new(),
            key_env: None,
            connect_timeout: 10,
            first_token_timeout: 120,
            idle_timeout: 60,
            max_retries: 3,
            context_tokens: None,
            input_price: 0.0,
            output_price: 0.0,
            sampling: Sampling::default(),
            headers: BTreeMap::new(),
        }
    }
}

impl OpenAiConfig {
    /// The same usage with what it cost. A price for a million tokens is the price of one in
    /// millionths.
    pub(super) fn priced(&self, usage: Usage) -> Usage {
        let cost = usage.input_tokens as f64 * self.input_price
            + usage.output_tokens as f64 * self.output_price;
        Usage {
            cost_micros: cost.max(0.0).round() as u64,
            ..usage
        }
    }
}

impl std::fmt::Debug for OpenAiConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAiConfig")
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .field("key_env", &self.key_env)
            .field("connect_timeout", &self.connect_timeout)
            .field("first_token_timeout", &self.first_token_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_retries", &self.max_retries)
            .field("sampling", &self.sampling)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl OpenAiConfig {
    /// The variable a key is read from.
    pub fn key_variable(&self) -> &str {
        self.key_env.as_deref().unwrap_or(DEFAULT_KEY_ENV)
    }

    pub(super) fn is_default_endpoint(&self) -> bool {
        self.base_url.trim_end_matches('/') == DEFAULT_BASE_URL
    }
}
