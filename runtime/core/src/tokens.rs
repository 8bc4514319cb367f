//! About how many tokens a request has, without a tokenizer.
//!
//! Most endpoints do not say which tokenizer their model has, and the vocabularies are megabytes
//! each. What is counted here are the pieces that byte-pair tokenizers cut text into (words, digits
//! in threes, marks, line ends), weighed so that the sum fits `o200k`. `docs/decisions` says how far
//! off that is.
//! Engines that have their model's tokenizer count exactly instead.

use crate::message::{ChatRequest, Grammar, Message};
use crate::tool::ToolSpec;

/// How much larger than its estimate a request may be, in percent.
const MARGIN_PERCENT: u64 = 25;
/// What a template or an API puts around a message.
const AROUND_MESSAGE: u64 = 4;
/// What they put around a call, or around a tool's definition.
const AROUND_CALL: u64 = 8;
/// Letters of a word that are one token.
const WHOLE_WORD: u64 = 6;
/// Digits that are one token.
const DIGITS: u64 = 3;

/// Tokens of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenCount {
    /// How many.
    pub tokens: u64,
    /// Counted by the model's own tokenizer and template, and not estimated.
    pub exact: bool,
}

impl TokenCount {
    /// What it should not be more than: an estimate is taken with a margin.
    pub fn at_most(self) -> u64 {
        if self.exact {
            self.tokens
        } else {
            self.tokens.saturating_mul(100 + MARGIN_PERCENT) / 100
        }
    }
}

/// About how many tokens a request has.
pub fn estimate(request: &ChatRequest) -> TokenCount {
    let messages: u64 = request.messages.iter().map(of_message).sum();
    let schema = request.response_schema.as_ref();
    let schema = schema.map_or(0, |schema| of_text(&schema.to_string()));
    let grammar = match &request.grammar {
        Some(Grammar::Regex(text) | Grammar::Lark(text)) => of_text(text),
        None => 0,
    };
    TokenCount {
        tokens: messages + of_tools(&request.tools) + schema + grammar,
        exact: false,
    }
}

/// About how many tokens the definitions of tools have.
pub fn of_tools(tools: &[ToolSpec]) -> u64 {
    tools.iter().map(of_tool).sum()
}

/// About how many tokens the definition of a tool has.
pub fn of_tool(tool: &ToolSpec) -> u64 {
    AROUND_CALL
        + of_text(&tool.name)
        + of_text(&tool.description)
        + of_text(&tool.input_schema.to_string())
}

/// About how many tokens a message has, with what stands around it.
pub fn of_message(message: &Message) -> u64 {
    let inside = match message {
        Message::System { text } | Message::User { text } => of_text(text),
        Message::Assistant { text, calls } => {
            let calls = calls.iter().map(|call| {
                AROUND_CALL + of_text(&call.name) + of_text(&call.arguments.to_string())
            });
            of_text(text) + calls.sum::<u64>()
        }
        Message::Tool {
            call_id, outcome, ..
        } => of_text(call_id) + of_text(outcome.text()),
    };
    AROUND_MESSAGE + inside
}

/// About how many tokens a text has.
pub fn of_text(text: &str) -> u64 {
    let mut count = Count::default();
    for c in text.chars() {
        count.take(c);
    }
    count.end_run();
    count.thousandths.div_ceil(1_000)
}

/// The longest start of a text that has about so many tokens at most, and whether something is
/// left.
pub fn start_of(text: &str, tokens: u64) -> (&str, bool) {
    let mut count = Count::default();
    let most = tokens.saturating_mul(1_000);
    let mut end = 0;
    for (at, c) in text.char_indices() {
        count.take(c);
        // What has begun counts as if it ended here.
        if count.thousandths + count.of_run() > most {
            return (text.get(..end).unwrap_or_default(), true);
        }
        end = at + c.len_utf8();
    }
    (text, false)
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    None,
    Word,
    Digits,
    Spaces,
    Lines,
    Marks,
}

/// A sum in the making, in thousandths of a token.
#[derive(Debug, Default)]
struct Count {
    thousandths: u64,
    kind: Kind,
    length: u64,
    /// Capitals of a word after its first letter.
    capitals: u64,
    lower_before: bool,
}

impl Count {
    fn take(&mut self, c: char) {
        let kind = match c {
            'a'..='z' | 'A'..='Z' => Kind::Word,
            '0'..='9' => Kind::Digits,
            ' ' | '\t' => Kind::Spaces,
            '\n' | '\r' => Kind::Lines,
            c if c.is_ascii() => Kind::Marks,
            c => {
                self.end_run();
                self.thousandths += beyond_ascii(c);
                return;
            }
        };
        let hump = kind == Kind::Word && c.is_ascii_uppercase() && self.lower_before;
        if kind != self.kind || hump {
            self.end_run();
            self.kind = kind;
        } else if c.is_ascii_uppercase() {
            self.capitals += 1;
        }
        self.length += 1;
        self.lower_before = c.is_ascii_lowercase();
    }

    fn end_run(&mut self) {
        self.thousandths += self.of_run();
        *self = Self {
            thousandths: self.thousandths,
            ..Self::default()
        };
    }

    fn of_run(&self) -> u64 {
        match self.kind {
            Kind::None => 0,
            Kind::Word => {
                let long = self.length.saturating_sub(WHOLE_WORD);
                865 + 355 * long + 630 * self.capitals
            }
            Kind::Digits => 1_270 * self.length.div_ceil(DIGITS),
            // One space belongs to the word after it.
            Kind::Spaces if self.length == 1 => 0,
            Kind::Spaces => 880 + 15 * self.length,
            Kind::Lines => 1_250 + 100 * (self.length - 1),
            Kind::Marks => 500 + 445 * (self.length - 1),
        }
    }
}

/// Scripts by how many characters share a token.
fn beyond_ascii(c: char) -> u64 {
    match u32::from(c) {
        // Latin letters with marks: they break words.
        0x80..=0x36f | 0x1e00..=0x1eff => 150,
        // Greek.
        0x370..=0x3ff => 390,
        // Cyrillic, Armenian.
        0x400..=0x58f => 315,
        // Hebrew, Arabic, Syriac.
        0x590..=0x8ff => 390,
        // The scripts of India and South-East Asia, Georgian.
        0x900..=0x10ff => 410,
        // Kana.
        0x3040..=0x30ff => 640,
        // Han.
        0x3400..=0x9fff => 705,
        // Hangul.
        0xac00..=0xd7af => 715,
        0x0001_0000.. => 2_000,
        _ => 750,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Texts with their true number of `o200k` tokens, counted with tiktoken-rs 0.12.
    #[test]
    fn estimates_are_near_the_true_count() {
        for (text, tokens) in SAMPLES {
            let estimate = of_text(text) as f64 / tokens as f64;
            assert!((0.7..=1.35).contains(&estimate), "{estimate}: {text}");
        }
    }

    #[test]
    fn all_that_is_sent_is_counted() {
        let bare = ChatRequest {
            messages: vec![Message::User {
                text: "Why?".to_owned(),
            }],
            ..ChatRequest::default()
        };
        let mut full = bare.clone();
        full.response_schema = Some(json!({"type": "object"}));
        full.grammar = Some(Grammar::Regex("[a-z]+".to_owned()));
        let (bare, full) = (estimate(&bare), estimate(&full));
        assert!(bare.tokens > AROUND_MESSAGE && full.tokens > bare.tokens + 4);
        assert!(!bare.exact && bare.at_most() >= bare.tokens);
        let exact = TokenCount {
            tokens: 7,
            exact: true,
        };
        assert_eq!(exact.at_most(), 7);
    }

    #[test]
    fn the_start_of_a_text_is_what_fits() {
        let text = "one two three four five six";
        assert_eq!(start_of(text, 100), (text, false));
        assert_eq!(start_of(text, 0), ("", true));
        let (start, more) = start_of(text, 3);
        assert!(
            more && start.starts_with("one two") && of_text(start) <= 3,
            "{start}"
        );
    }

    proptest! {
        #[test]
        fn a_start_never_has_more_than_was_asked_for(text in "\\PC{0,200}|[a-zA-Z0-9 \n.]{0,200}", most in 0_u64..60) {
            let (start, more) = start_of(&text, most);
            prop_assert!(text.starts_with(start));
            prop_assert_eq!(more, start.len() < text.len());
            prop_assert!(of_text(start) <= most);
        }

        #[test]
        fn texts_together_have_about_as_many_as_each_alone(a in "\\PC{0,80}", b in "\\PC{0,80}") {
            let together = of_text(&format!("{a}\n{b}"));
            let alone = of_text(&a) + of_text(&b);
            prop_assert!(together <= alone + 4 && together + 4 >= alone, "{together} {alone}");
        }
    }

    const SAMPLES: [(&str, u64); 10] = [
        (
            "The ropewalk is a long hall in which strands are laid into rope. Each strand is drawn out, twisted, and laid with the others under an even load.",
            33,
        ),
        (
            "fn main() {\n    let count = items.iter().filter(|item| item.isReady()).count();\n    println!(\"{count}\");\n}\n",
            27,
        ),
        (
            "{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\",\"description\":\"What to look for\"},\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":50}},\"required\":[\"query\"]}",
            41,
        ),
        (
            "Die Seilerbahn ist eine lange Halle, in der Litzen zu einem Seil geschlagen werden.",
            21,
        ),
        (
            "Канатная мастерская: длинный зал, в котором пряди свивают в один канат.",
            23,
        ),
        ("绳索是在一个长长的大厅里由许多股线拧成的。", 20),
        (
            "ロープは長い建物の中で何本ものストランドを撚り合わせて作られます。",
            26,
        ),
        ("밧줄은 긴 건물 안에서 여러 가닥을 꼬아 만든다.", 19),
        (
            "2026-11-27T22:37:31Z 192.168.10.254 GET /v1/models 200 12345 0.0042",
            36,
        ),
        ("रस्सी एक लंबे कमरे में कई लड़ियों को बटकर बनाई जाती है।", 18),
    ];
}
