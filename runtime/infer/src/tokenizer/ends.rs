//! Tokens that are known by how they are written: those that lay out a conversation, and those
//! that end a turn.

/// Written forms that end a turn in some family of models, where they are special tokens.
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|eos|>",
    "<|END_OF_TURN_TOKEN|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<turn|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<eos>",
    "</s>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];

/// Written forms that lay out a conversation though files say that they stand for text.
const LAYOUT: &[&str] = &[
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<tools>",
    "</tools>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_role>",
    "<end_of_role>",
    "<s>",
    "<bos>",
    "<eos>",
    "<pad>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_CALLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
];

/// Whether a token so written ends a turn, if it is special.
pub(super) fn ends_turn(written: &str) -> bool {
    ENDS.contains(&written)
}

/// Whether a token is special by the way it is written, whatever the file says.
pub(super) fn looks_special(written: &str) -> bool {
    let inner = |open: &str, close: &str| written.strip_prefix(open)?.strip_suffix(close);
    let named = inner("<|", "|>")
        .or_else(|| inner("<｜", "｜>"))
        .is_some_and(|name| name.chars().any(char::is_alphanumeric));
    // Gemma's spare tokens: its own files call them text, those made of them for llama.cpp do not.
    let spare = inner("<unused", ">")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    named || spare
}

/// Whether only a template may write this token.
pub(super) fn lays_out(written: &str) -> bool {
    looks_special(written) || LAYOUT.contains(&written)
}

/// All ends of a vocabulary, those of the file first, each once. `special` are the special tokens
/// as they are written.
pub(super) fn all(named: impl Iterator<Item = u32>, special: &[(u32, &str)]) -> Vec<u32> {
    let mut ends: Vec<u32> = Vec::new();
    let known = special.iter().filter(|(_, written)| ends_turn(written));
    for token in named.chain(known.map(|(token, _)| *token)) {
        if !ends.contains(&token) {
            ends.push(token);
        }
    }
    // Where a message ends with one of these, `<|end|>` only ends a part of it.
    let find = |wanted: &str| {
        let found = special.iter().find(|(_, written)| *written == wanted);
        found.map(|(token, _)| *token)
    };
    let has = |wanted: &str| find(wanted).is_some();
    if (has("<|return|>") && has("<|call|>")) || (has("<|flush|>") && has("<|calls|>")) {
        let part = find("<|end|>");
        ends.retain(|token| Some(*token) != part);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_tokens_are_no_text_whatever_the_file_says() {
        for special in ["<|im_end|>", "<｜end｜>", "<unused0>", "<unused6241>"] {
            assert!(looks_special(special), "{special}");
        }
        for text in [
            "<||>",
            "<unused>",
            "<unused1a>",
            "<unused1",
            "unused1>",
            "<b>",
        ] {
            assert!(!looks_special(text), "{text}");
        }
    }

    #[test]
    fn a_part_of_a_message_is_no_end() {
        let harmony = [(0, "<|return|>"), (1, "<|call|>"), (2, "<|end|>")];
        assert_eq!(all([0].into_iter(), &harmony), [0, 1]);
        let phi = [(0, "<|endoftext|>"), (1, "<|assistant|>"), (2, "<|end|>")];
        assert_eq!(all([0].into_iter(), &phi), [0, 2]);
    }
}
