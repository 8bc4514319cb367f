//! What one kind of endpoint takes beyond what all do, and by which names.

use ropewalk_core::message::Grammar;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Which servers speak alike. Left out of a configuration, it follows from the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI itself and Azure: strict schemas, the Responses API.
    #[serde(rename = "openai")]
    OpenAi,
    /// Google's endpoint for Gemini: schemas of OpenAPI's kind.
    Gemini,
    /// vLLM: more ways to sample, grammars.
    Vllm,
    /// llama.cpp's server and llama-cpp-python.
    LlamaCpp,
    /// Ollama.
    Ollama,
    /// Any other server: plain JSON Schema.
    Compatible,
}

/// Which of the two protocols requests go by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Responses at `api.openai.com`, where a request asks for nothing that they lack; else chat
    /// completions.
    #[default]
    Auto,
    /// `/chat/completions`.
    Chat,
    /// `/responses`.
    Responses,
}

impl Dialect {
    /// The dialect of the server at an address, as far as its name tells.
    pub fn of_host(host: &str, port: Option<u16>) -> Self {
        let within = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
        if within("api.openai.com") || within("openai.azure.com") {
            Self::OpenAi
        } else if within("googleapis.com") {
            Self::Gemini
        } else if port == Some(11434) {
            Self::Ollama
        } else {
            Self::Compatible
        }
    }

    /// Its name for the most tokens of a chat completion.
    pub(super) fn limit_field(self) -> &'static str {
        match self {
            Self::OpenAi => "max_completion_tokens",
            _ => "max_tokens",
        }
    }

    /// Its names for the repetition penalty; a server that is not known gets both, and ignores
    /// the one it does not know or refuses it, after which it is left out.
    pub(super) fn repetition_fields(self) -> &'static [&'static str] {
        match self {
            Self::Vllm => &["repetition_penalty"],
            Self::LlamaCpp => &["repeat_penalty"],
            Self::Compatible => &["repetition_penalty", "repeat_penalty"],
            Self::OpenAi | Self::Gemini | Self::Ollama => &[],
        }
    }

    /// Whether it takes `top_k` and `min_p`.
    pub(super) fn cuts(self) -> bool {
        matches!(self, Self::Vllm | Self::LlamaCpp | Self::Compatible)
    }

    /// Whether thinking is a matter of the chat template there, rather than of effort.
    pub(super) fn thinks_by_template(self) -> bool {
        matches!(self, Self::Vllm | Self::LlamaCpp | Self::Compatible)
    }

    /// Whether a schema may stand in `response_format` of the kind `json_object`.
    pub(super) fn schema_in_json_object(self) -> bool {
        matches!(self, Self::LlamaCpp | Self::Compatible)
    }

    /// Fields that hold a reply to a grammar.
    ///
    /// # Errors
    /// What to do instead, where the dialect has no such field.
    pub(super) fn grammar(self, grammar: &Grammar) -> Result<Map<String, Value>, String> {
        match (self, grammar) {
            // The first name is of newer versions, the second of older ones; each ignores the
            // other's.
            (Self::Vllm, Grammar::Regex(pattern)) => Ok(Map::from_iter([
                ("structured_outputs".to_owned(), json!({"regex": pattern})),
                ("guided_regex".to_owned(), json!(pattern)),
            ])),
            (Self::Vllm, Grammar::Lark(text)) => Ok(Map::from_iter([
                ("structured_outputs".to_owned(), json!({"grammar": text})),
                ("guided_grammar".to_owned(), json!(text)),
            ])),
            (Self::LlamaCpp, _) => Err(
                "llama.cpp takes grammars as GBNF, and this one is a regular expression or \
                 Lark; ask for a JSON schema, or use a local model or vLLM"
                    .to_owned(),
            ),
            (Self::Compatible, _) => Err(
                "this endpoint is not known to hold replies to a grammar; if it is vLLM, set \
                 dialect = \"vllm\" under [engine], else use a local model"
                    .to_owned(),
            ),
            (Self::OpenAi | Self::Gemini | Self::Ollama, _) => Err(
                "this endpoint cannot hold a reply's text to a grammar; ask for a JSON schema, \
                 or use a local model or vLLM"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_tells_the_dialect() {
        for (host, port, expected) in [
            ("api.openai.com", None, Dialect::OpenAi),
            ("mine.openai.azure.com", None, Dialect::OpenAi),
            ("generativelanguage.googleapis.com", None, Dialect::Gemini),
            ("localhost", Some(11434), Dialect::Ollama),
            ("localhost", Some(8000), Dialect::Compatible),
            ("notapi.openai.com.example", None, Dialect::Compatible),
        ] {
            assert_eq!(Dialect::of_host(host, port), expected, "{host}");
        }
    }

    #[test]
    fn a_grammar_goes_only_where_it_is_known() {
        let lark = Grammar::Lark("start: \"a\"".into());
        let regex = Grammar::Regex("a+".into());
        assert_eq!(
            Dialect::Vllm.grammar(&regex).unwrap()["structured_outputs"]["regex"],
            "a+"
        );
        assert!(Dialect::Vllm.grammar(&lark).is_ok());
        let error = Dialect::LlamaCpp.grammar(&lark).unwrap_err();
        assert!(error.contains("GBNF"), "{error}");
        for dialect in [Dialect::OpenAi, Dialect::Gemini, Dialect::Compatible] {
            assert!(dialect.grammar(&regex).is_err());
        }
    }
}
