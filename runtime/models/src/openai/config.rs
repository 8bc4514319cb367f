//! Which endpoint and model, how patiently, and within which limits.

use std::collections::BTreeMap;

use ropewalk_core::message::{Sampling, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::dialect::{Api, Dialect};

/// Where requests go when no base URL is given.
pub const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";
/// Where the key is read from when no variable is named.
pub const DEFAULT_KEY_ENV: &str = "OPENAI_API_KEY";

/// Which endpoint and model, how patiently, and within which limits. Times are in seconds.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiConfig {
    /// Address up to, not including, `/chat/completions`.
    pub base_url: String,
    /// The model's name as the endpoint knows it.
    pub model: String,
    /// How the endpoint wants schemas and names its own fields; by its address when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    /// Which protocol requests go by.
    pub api: Api,
    /// Whether replies are asked for piece by piece.
    pub stream: bool,
    /// The environment variable that holds the key. When it is named here the key must be there;
    /// when it is not, `OPENAI_API_KEY` is needed for the default address only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// The entry of the system keyring that holds the key, as `service/user`; asked when the
    /// environment has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_keyring: Option<String>,
    /// Longest wait for a connection.
    pub connect_timeout: u64,
    /// Longest wait from the request to the first piece of a reply.
    pub first_token_timeout: u64,
    /// Longest silence within a reply.
    pub idle_timeout: u64,
    /// Longest time for a whole request, its waits and repetitions included.
    pub total_timeout: u64,
    /// How often a request is repeated that failed before its first piece.
    pub max_retries: u32,
    /// How many failures of the endpoint in a row stop requests to it for a while; 0 never does.
    pub breaker_failures: u32,
    /// How long requests stop then before one is let through to try; doubles while it fails.
    pub breaker_cooldown: u64,
    /// Most requests begun in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Most tokens read and written in a minute: estimated before, corrected after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u32>,
    /// Most requests under way at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// Longest wait for a turn under these limits.
    pub longest_wait: u64,
    /// Most tokens that request and reply may have together, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// What a million tokens cost that it reads, in any currency; for budgets and reports.
    pub input_price: f64,
    /// What a million tokens cost that it reads from its cache; as others when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_price: Option<f64>,
    /// What a million tokens cost that it writes.
    pub output_price: f64,
    /// Sampling for requests that do not say otherwise.
    pub sampling: Sampling,
    /// Headers sent with every request. Their values are not shown in debug output.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Fields added to every request's body as they are.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl Default for OpenAiConfig {
    fn default() -> Self {
        Self {
            base_url: DEFAULT_BASE_URL.to_owned(),
            model: String::new(),
            dialect: None,
            api: Api::Auto,
            stream: true,
            key_env: None,
            key_keyring: None,
            connect_timeout: 10,
            first_token_timeout: 120,
            idle_timeout: 60,
            total_timeout: 1_800,
            max_retries: 3,
            breaker_failures: 5,
            breaker_cooldown: 10,
            requests_per_minute: None,
            tokens_per_minute: None,
            max_concurrent: None,
            longest_wait: 60,
            context_tokens: None,
            input_price: 0.0,
            cached_input_price: None,
            output_price: 0.0,
            sampling: Sampling::default(),
            headers: BTreeMap::new(),
            extra: Map::new(),
        }
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

    /// The same usage with what it cost. A price for a million tokens is the price of one in
    /// millionths.
    pub(super) fn priced(&self, usage: Usage) -> Usage {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let cached_price = self.cached_input_price.unwrap_or(self.input_price);
        let cost = (usage.input_tokens - cached) as f64 * self.input_price
            + cached as f64 * cached_price
            + usage.output_tokens as f64 * self.output_price;
        Usage {
            cost_micros: cost.max(0.0).round() as u64,
            ..usage
        }
    }
}

impl std::fmt::Debug for OpenAiConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // An address may carry a password; where it goes is enough here.
        let address = self.base_url.split(['?', '#']).next().unwrap_or_default();
        let address = match address.rsplit_once('@') {
            Some((_, after)) => format!("***@{after}"),
            None => address.to_owned(),
        };
        f.debug_struct("OpenAiConfig")
            .field("base_url", &address)
            .field("model", &self.model)
            .field("dialect", &self.dialect)
            .field("api", &self.api)
            .field("key_env", &self.key_env)
            .field("key_keyring", &self.key_keyring)
            .field("connect_timeout", &self.connect_timeout)
            .field("first_token_timeout", &self.first_token_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("max_retries", &self.max_retries)
            .field("sampling", &self.sampling)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_cost_their_own_price() {
        let usage = Usage {
            input_tokens: 1_000,
            output_tokens: 100,
            cached_tokens: 600,
            cost_micros: 0,
        };
        let mut config = OpenAiConfig {
            input_price: 2.0,
            output_price: 10.0,
            ..OpenAiConfig::default()
        };
        assert_eq!(config.priced(usage).cost_micros, 3_000);
        config.cached_input_price = Some(0.5);
        assert_eq!(config.priced(usage).cost_micros, 800 + 300 + 1_000);
    }
}
