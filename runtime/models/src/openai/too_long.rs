//! A conversation that does not fit: how endpoints say so, and the numbers they give.

use serde_json::Value;

/// What an endpoint told about a conversation that does not fit.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Numbers {
    /// Tokens of the prompt, or of prompt and reply together where only their sum is told.
    pub prompt: Option<u64>,
    /// Tokens that fit.
    pub context: Option<u64>,
}

/// Names of the error in a `code` or `type` field.
const CODES: [&str; 3] = [
    "context_length_exceeded",
    "exceed_context_size_error",
    "string_above_max_length",
];
/// Words of messages that mean it.
const PHRASES: [&str; 12] = [
    "maximum context length",
    "exceeds the context window",
    "exceed context window",
    "exceeds the available context size",
    "longer than the maximum model length",
    "prompt is too long",
    "input is too long",
    "input token count",
    "maximum prompt length",
    "too large for model with",
    "input tokens exceed",
    "exceeds the model's context",
];
/// What stands before the number of tokens that fit.
const CONTEXT: [&str; 12] = [
    "maximum context length is ",
    "maximum context length of ",
    "context window of ",
    "maximum model length of ",
    "available context size (",
    "configured limit of ",
    "tokens allowed (",
    "maximum prompt length is ",
    "too large for model with ",
    " tokens > ",
    "context size of ",
    "limit of ",
];
/// What stands before the number of tokens that came; the surest first.
const PROMPT: [&str; 12] = [
    "messages resulted in ",
    "request has ",
    "token count (",
    "prompt (length ",
    "prompt contains ",
    "prompt is too long: ",
    "request contains ",
    "request (",
    "requested tokens (",
    "you requested ",
    "input length ",
    "input is ",
];

/// Whether an error says that the conversation is too long, and by how much.
pub(super) fn too_long(error: &Value, message: &str) -> Option<Numbers> {
    let error = error.get("error").unwrap_or(error);
    let coded = ["code", "type"].iter().any(|field| {
        let code = error.get(*field).and_then(Value::as_str);
        code.is_some_and(|code| CODES.contains(&code))
    });
    let text = message.to_lowercase();
    if !coded && !PHRASES.iter().any(|phrase| text.contains(phrase)) {
        return None;
    }
    let field = |name: &str| error.get(name).and_then(Value::as_u64);
    let after = |starts: &[&str]| starts.iter().find_map(|start| number_after(&text, start));
    Some(Numbers {
        prompt: field("n_prompt_tokens")
            .or_else(|| number_before(&text, " in the messages"))
            .or_else(|| number_before(&text, " in your prompt"))
            .or_else(|| number_before(&text, " input tokens"))
            .or_else(|| after(&PROMPT)),
        context: field("n_ctx").or_else(|| after(&CONTEXT)),
    })
}

fn number_after(text: &str, start: &str) -> Option<u64> {
    text.match_indices(start).find_map(|(at, _)| {
        let digits: String = text
            .get(at + start.len()..)?
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == ',')
            .filter(char::is_ascii_digit)
            .collect();
        digits.parse().ok()
    })
}

fn number_before(text: &str, end: &str) -> Option<u64> {
    let (before, _) = text.split_once(end)?;
    let digits: String = before
        .chars()
        .rev()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.chars().rev().collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_found_in_what_servers_say() {
        let cases = [
            // OpenAI, older and newer.
            (
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length of the messages.",
                Some(9001),
                Some(8192),
            ),
            (
                "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300005 tokens.",
                Some(300_005),
                Some(272_000),
            ),
            (
                "Your input exceeds the context window of this model. Please adjust your input and try again.",
                None,
                None,
            ),
            // vLLM.
            (
                "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4500 in the messages, 500 in the completion).",
                Some(4500),
                Some(4096),
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens and your request has 300 input tokens (5000 > 4096 - 300).",
                Some(300),
                Some(4096),
            ),
            (
                "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
                Some(5000),
                Some(4096),
            ),
            // llama.cpp and llama-cpp-python.
            (
                "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
                Some(9000),
                Some(4096),
            ),
            (
                "Requested tokens (600) exceed context window of 512",
                Some(600),
                Some(512),
            ),
            // Gemini and others.
            (
                "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
                Some(1_048_577),
                Some(1_048_576),
            ),
            (
                "prompt is too long: 210000 tokens > 200000 maximum",
                Some(210_000),
                Some(200_000),
            ),
        ];
        for (message, prompt, context) in cases {
            let numbers = too_long(&json!({}), message);
            assert_eq!(numbers, Some(Numbers { prompt, context }), "{message}");
        }
        let fields = json!({"error": {"code": 400, "type": "exceed_context_size_error",
                                      "n_prompt_tokens": 70, "n_ctx": 64}});
        let numbers = too_long(&fields, "try increasing the context size");
        assert_eq!(
            numbers,
            Some(Numbers {
                prompt: Some(70),
                context: Some(64)
            })
        );
        for other in [
            "max_tokens is too large",
            "Rate limit reached for tokens per minute: Limit 6000",
        ] {
            assert_eq!(
                too_long(&json!({"code": "rate_limit_exceeded"}), other),
                None,
                "{other}"
            );
        }
    }
}
