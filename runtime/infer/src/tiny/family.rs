//! What the families' tokenizers differ in.

use super::shape::Architecture;

/// What a token is; the number is GGUF's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Text.
    Normal = 1,
    /// Stands for what the vocabulary lacks.
    Unknown = 2,
    /// Steers; never text.
    Control = 3,
    /// One token wherever it is written, and shown as text.
    UserDefined = 4,
    /// A row of the embeddings that no text becomes.
    Unused = 5,
    /// One byte of a character that the vocabulary lacks.
    Byte = 6,
}

/// How text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Merges over bytes, inside of words that a pattern finds.
    Bytes {
        /// GGUF's name of the pattern.
        pre: &'static str,
        /// The pattern.
        pattern: &'static str,
        /// A word that is a token is taken whole, whatever the merges say.
        whole_words: bool,
        /// Whether text is composed (Unicode NFC) first.
        composed: bool,
    },
    /// Merges over characters by score, with `▁` for a space.
    Pieces,
}

/// What a family's tokenizer is like.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) method: Method,
    /// Tokens that are no text.
    pub(super) special: &'static [(&'static str, TokenKind)],
    /// What the rows left over are called: before and after a number.
    pub(super) spare: (&'static str, &'static str, TokenKind),
    /// What every prompt begins with.
    pub(super) begin: &'static str,
    /// Whether the tokenizer puts it there.
    pub(super) adds_begin: bool,
    /// GGUF's `eos_token_id`.
    pub(super) end: &'static str,
    /// What ends a turn.
    pub(super) ends: &'static [&'static str],
    pub(super) pad: &'static str,
    pub(super) chat_template: &'static str,
}

use TokenKind::{Control, Unknown, Unused, UserDefined};

const QWEN: Family = Family {
    method: Method::Bytes {
        pre: "qwen2",
        pattern: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        whole_words: false,
        composed: true,
    },
    special: &[
        ("<|endoftext|>", Control),
        ("<|im_start|>", Control),
        ("<|im_end|>", Control),
        ("<tool_call>", UserDefined),
        ("</tool_call>", UserDefined),
        ("<tool_response>", UserDefined),
        ("</tool_response>", UserDefined),
        ("<think>", UserDefined),
        ("</think>", UserDefined),
    ],
    spare: ("[PAD", "]", Unused),
    begin: "<|endoftext|>",
    adds_begin: false,
    end: "<|im_end|>",
    ends: &["<|im_end|>", "<|endoftext|>"],
    pad: "<|endoftext|>",
    chat_template: "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
};

const LLAMA: Family = Family {
    method: Method::Bytes {
        pre: "llama-bpe",
        pattern: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        whole_words: true,
        composed: false,
    },
    special: &[
        ("<|begin_of_text|>", Control),
        ("<|end_of_text|>", Control),
        ("<|finetune_right_pad_id|>", Control),
        ("<|start_header_id|>", Control),
        ("<|end_header_id|>", Control),
        ("<|eom_id|>", Control),
        ("<|eot_id|>", Control),
        ("<|python_tag|>", Control),
    ],
    spare: ("<|reserved_special_token_", "|>", Control),
    begin: "<|begin_of_text|>",
    adds_begin: true,
    end: "<|eot_id|>",
    ends: &["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"],
    pad: "<|finetune_right_pad_id|>",
    chat_template: "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n{{ message.content }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
};

const GEMMA: Family = Family {
    method: Method::Pieces,
    special: &[
        ("<pad>", Control),
        ("<eos>", Control),
        ("<bos>", Control),
        ("<unk>", Unknown),
        ("<start_of_turn>", Control),
        ("<end_of_turn>", Control),
    ],
    spare: ("<unused", ">", Control),
    begin: "<bos>",
    adds_begin: true,
    end: "<eos>",
    ends: &["<eos>", "<end_of_turn>"],
    pad: "<pad>",
    chat_template: "{{ bos_token }}{% for message in messages %}<start_of_turn>{{ 'model' if message.role == 'assistant' else 'user' }}\n{{ message.content }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
};

const PHI: Family = Family {
    method: Method::Bytes {
        pre: "gpt-4o",
        pattern: r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        whole_words: false,
        composed: false,
    },
    special: &[
        ("<|endoftext|>", Control),
        ("<|assistant|>", Control),
        ("<|end|>", Control),
        ("<|user|>", Control),
        ("<|system|>", Control),
        ("<|tool|>", UserDefined),
        ("<|/tool|>", UserDefined),
        ("<|tool_call|>", UserDefined),
        ("<|/tool_call|>", UserDefined),
        ("<|tool_response|>", UserDefined),
    ],
    spare: ("<|dummy_", "|>", Control),
    begin: "<|endoftext|>",
    adds_begin: false,
    end: "<|endoftext|>",
    ends: &["<|end|>", "<|endoftext|>"],
    pad: "<|endoftext|>",
    chat_template: "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
};

/// The tokenizer of an architecture's best-known models.
pub(super) fn of(architecture: Architecture) -> &'static Family {
    match architecture {
        Architecture::Llama => &LLAMA,
        Architecture::Qwen2 | Architecture::Qwen3 => &QWEN,
        Architecture::Gemma3 => &GEMMA,
        Architecture::Phi3 => &PHI,
    }
}
