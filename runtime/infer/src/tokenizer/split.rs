//! How a text is cut before byte pairs are merged, by the name that a GGUF file gives.
//!
//! Each name stands for regular expressions that are applied one after the other: what one
//! matches is cut out, and the next one looks at each cut. They are facts of the models'
//! tokenizers. Where llama.cpp approximates an expression for its own engine (upper and lower
//! case in `tekken` and `gpt-4o`), the model's own is used.

/// What a name of a pre-tokenizer stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    /// Applied in order.
    pub(super) patterns: &'static [&'static str],
    /// A cut that is a token is that token, whatever the merges would make of it.
    pub(super) whole_words: bool,
    /// A prompt begins with the begin token unless the file says otherwise.
    pub(super) begins: bool,
}

/// The cuts of a name in `tokenizer.ggml.pre`, where it is known.
pub(super) fn named(name: &str) -> Option<Split> {
    let plain = |patterns| Split {
        patterns,
        whole_words: false,
        begins: false,
    };
    let split = match name {
        "" | "default" => plain(DEFAULT),
        "qwen2" | "deepseek-r1-qwen" | "megrez" | "stablelm2" | "hunyuan" | "solar-open"
        | "grok-2" | "kormo" => plain(QWEN2),
        "qwen35" => plain(QWEN35),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0"
        | "lfm2" => Split {
            patterns: LLAMA3,
            whole_words: true,
            begins: true,
        },
        "smaug-bpe" | "dbrx" | "glm4" | "chatglm-bpe" => plain(LLAMA3),
        "gpt-2" | "gpt2" | "phi-2" | "mpt" | "olmo" | "jais" | "gigachat" | "mellum"
        | "exaone4" | "a.x-4.0" | "trillion" | "granite-docling" => plain(GPT2),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => plain(DIGITS_GPT2),
        "falcon" => plain(FALCON),
        "deepseek-llm" => plain(DEEPSEEK_LLM),
        "deepseek-coder" => plain(DEEPSEEK_CODER),
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" => plain(DEEPSEEK_V3),
        "tekken" => Split {
            patterns: TEKKEN,
            whole_words: true,
            begins: true,
        },
        "gpt-4o" | "llama4" | "kanana2" | "minimax-m2" => plain(GPT4O),
        "bailingmoe" | "bailingmoe2" | "llada-moe" => plain(BAILING),
        "seed-coder" => plain(SEED_CODER),
        _ => return None,
    };
    Some(split)
}

macro_rules! contraction {
    () => {
        "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    };
}
macro_rules! gpt2 {
    () => {
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
    };
}
/// Contractions, words with what stands before them, digits in groups, signs, line ends, spaces.
macro_rules! words {
    ($digits:literal) => {
        concat!(
            contraction!(),
            r"|[^\r\n\p{L}\p{N}]?\p{L}+|",
            $digits,
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )
    };
}
/// As above, with words cut where lower case becomes upper case.
macro_rules! cased_words {
    ($suffix:expr, $digits:literal) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
            $suffix,
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
            $suffix,
            "|",
            $digits,
            r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )
    };
}

const DEFAULT: &[&str] = &[
    r"[\p{P}\$\+<=>\^~\|]+",
    gpt2!(),
    r"\p{N}+",
    r"[0-9][0-9][0-9]",
];
const QWEN2: &[&str] = &[words!(r"\p{N}")];
const QWEN35: &[&str] = &[concat!(
    contraction!(),
    r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}",
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)];
const LLAMA3: &[&str] = &[words!(r"\p{N}{1,3}")];
const GPT2: &[&str] = &[gpt2!()];
const DIGITS_GPT2: &[&str] = &[r"\p{N}", gpt2!()];
const FALCON: &[&str] = &[r"[\p{P}\$\+<=>\^~\|`]+", gpt2!(), r"[0-9][0-9][0-9]"];
const DEEPSEEK_LLM: &[&str] = &[
    r"[\r\n]",
    // Letters with case. Escaped, since several of them look like others.
    concat!(
        "\\s?[A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}",
        "\u{1C4}-\u{293}\u{295}-\u{2AF}\u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}",
        "\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}\u{3A3}-\u{3F5}\u{3F7}-\u{481}",
        "\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}\u{13F8}-\u{13FD}",
        "\u{1C90}-\u{1CBA}\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}",
        "\u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}\u{1F20}-\u{1F45}",
        "\u{1F48}-\u{1F4D}\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{1F7D}",
        "\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}",
        "\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}\u{1FF2}-\u{1FF4}",
        "\u{1FF6}-\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}",
        "\u{2126}\u{2128}\u{212A}-\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}",
        "\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}",
        "\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}\u{A680}-\u{A69B}\u{A722}-\u{A76F}",
        "\u{A771}-\u{A787}\u{A78B}-\u{A78E}\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}",
        "\u{FB13}-\u{FB17}\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}",
        "\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}",
        "\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}]+"
    ),
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$",
    r"[一-龥ࠀ-一가-퟿]+",
    r"\p{N}+",
];
const DEEPSEEK_CODER: &[&str] = &[
    r"[\r\n]",
    r"\s?\p{L}+",
    r"\s?\p{P}+",
    r"[一-龥ࠀ-一가-퟿]+",
    r"\p{N}",
];
const DEEPSEEK_V3: &[&str] = &[
    r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    concat!(
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"##,
        r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
];
const TEKKEN: &[&str] = &[cased_words!("", r"\p{N}")];
const GPT4O: &[&str] = &[cased_words!(concat!(contraction!(), "?"), r"\p{N}{1,3}")];
const BAILING: &[&str] = &[concat!(
    r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)];
const SEED_CODER: &[&str] = &[concat!(
    contraction!(),
    r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
)];
