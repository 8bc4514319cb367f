//! The ways in which models write tool calls, and their templates.

use minijinja::Value as Printed;
use minijinja::value::Serde;
use serde_json::Value;

use super::template::json::{Layout, dumps};

/// How a model writes tool calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `<tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>`, a block for each call
    /// (Qwen, Hermes, Granite 4).
    Hermes,
    /// `{"name": ..., "parameters": {...}}` as the whole reply, `<|python_tag|>` before it or
    /// not (Llama 3.1 and later). The format has no official form for several calls; they are
    /// parted by `; `.
    Llama3,
    /// `[TOOL_CALLS][{"name": ..., "arguments": {...}}, ...]` (Mistral 7B v0.3, Nemo).
    Mistral,
    /// `[TOOL_CALLS]name[ARGS]{...}`, again for each call (Mistral Small 3.2, Devstral, Magistral).
    MistralNamed,
    /// `<|tool_call|>[{"name": ..., "arguments": {...}}, ...]<|/tool_call|>`, or `functools[...]`
    /// where the tokenizer has no such token (Phi-4-mini, Granite 3).
    Phi,
    /// A model whose template knows no tools, or writes calls in a way that is not known here
    /// (Gemma 2 and 3, among others): tools are described in the system text, and calls are asked
    /// for in the Hermes form, the one that most models have seen.
    Generic,
}

impl Family {
    /// What a template's source looks like. Whether the template does write calls so is tried
    /// out when it is loaded.
    pub(crate) fn of_source(source: &str) -> Self {
        let has = |text: &str| source.contains(text);
        if has("[TOOL_CALLS]") {
            if has("[ARGS]") {
                Self::MistralNamed
            } else {
                Self::Mistral
            }
        } else if has("<tool_call>") && !has("<function=") && !has("<arg_key>") {
            Self::Hermes
        } else if has("<|start_header_id|>") && has("\"parameters\": ") {
            Self::Llama3
        } else if has("<|tool|>") || has("<|tool_call|>") {
            Self::Phi
        } else {
            Self::Generic
        }
    }

    /// Texts that begin a call anywhere in a reply; the official one first.
    pub(crate) fn opens(self) -> &'static [&'static str] {
        match self {
            Self::Hermes | Self::Generic => &["<tool_call>"],
            Self::Llama3 => &["<|python_tag|>"],
            Self::Mistral | Self::MistralNamed => &["[TOOL_CALLS]"],
            Self::Phi => &["<|tool_call|>", "functools["],
        }
    }

    /// The text that ends a call, where there is one.
    pub(crate) fn close(self) -> Option<&'static str> {
        match self {
            Self::Hermes | Self::Generic => Some("</tool_call>"),
            Self::Phi => Some("<|/tool_call|>"),
            Self::Llama3 | Self::Mistral | Self::MistralNamed => None,
        }
    }

    /// Whether a reply that begins with JSON is a call.
    pub(crate) fn bare(self) -> bool {
        self == Self::Llama3
    }

    /// What the arguments are called.
    pub(crate) fn arguments_key(self) -> &'static str {
        match self {
            Self::Llama3 => "parameters",
            _ => "arguments",
        }
    }

    /// Calls in the family's form.
    pub(crate) fn write<'a>(self, calls: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
        let objects = calls.map(|(name, arguments)| {
            let call = serde_json::json!({"name": name, self.arguments_key(): arguments});
            (name, json(arguments), json(&call))
        });
        match self {
            Self::Hermes | Self::Generic => {
                let blocks =
                    objects.map(|(_, _, call)| format!("<tool_call>\n{call}\n</tool_call>"));
                blocks.collect::<Vec<_>>().join("\n")
            }
            Self::Llama3 => objects
                .map(|object| object.2)
                .collect::<Vec<_>>()
                .join("; "),
            Self::Mistral => {
                let calls = objects.map(|object| object.2).collect::<Vec<_>>();
                format!("[TOOL_CALLS][{}]", calls.join(", "))
            }
            Self::MistralNamed => objects
                .map(|(name, arguments, _)| format!("[TOOL_CALLS]{name}[ARGS]{arguments}"))
                .collect(),
            Self::Phi => {
                let calls = objects.map(|object| object.2).collect::<Vec<_>>();
                format!("<|tool_call|>[{}]<|/tool_call|>", calls.join(", "))
            }
        }
    }
}

/// JSON as Python writes it, which is what models have seen.
pub(crate) fn json(value: &Value) -> String {
    dumps(&Printed::from(Serde(value)), &Layout::default(), None)
        .unwrap_or_else(|_| value.to_string())
}

/// A small chat template of our own in the format of a family, with what the templates of real
/// models use. For tests and for models that are made here.
///
/// `chatml` (system, tools and results, no thinking), `qwen3` (the same, and thinking),
/// `llama3`, `gemma3` (no system role, no tools, strict turns), `phi4` (tools in the system
/// message), `mistral` (strict turns, ids of nine characters) and `mistral_named`.
pub fn family_template(name: &str) -> Option<&'static str> {
    let (_, source) = FAMILY_TEMPLATES.iter().find(|(known, _)| *known == name)?;
    Some(source)
}

/// Names and sources of the templates that [`family_template`] gives.
pub const FAMILY_TEMPLATES: &[(&str, &str)] = &[
    ("chatml", include_str!("templates/chatml.jinja")),
    ("qwen3", include_str!("templates/qwen3.jinja")),
    ("llama3", include_str!("templates/llama3.jinja")),
    ("gemma3", include_str!("templates/gemma3.jinja")),
    ("phi4", include_str!("templates/phi4.jinja")),
    ("mistral", include_str!("templates/mistral.jinja")),
    (
        "mistral_named",
        include_str!("templates/mistral_named.jinja"),
    ),
];
