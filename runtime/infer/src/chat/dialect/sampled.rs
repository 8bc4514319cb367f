//! A tokenizer of single bytes, a few longer tokens and special ones, to try grammars with.

use std::sync::Arc;

use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};

use crate::constraint::Constraint;

/// Tokens of several bytes; some cross the borders of a grammar's parts.
const LONG: [&str; 12] = [
    "{\"name",
    "\": ",
    "}}",
    "}}\n",
    "<think>",
    "</think>",
    "<tool",
    "_call>",
    "</tool_call>",
    " [{",
    ", ",
    "\n\n",
];

/// Special tokens.
pub(super) const SPECIAL: [&str; 9] = [
    "<|im_end|>",
    "<tool_call>",
    "</tool_call>",
    "<think>",
    "</think>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<|python_tag|>",
    "<|tool_call|>",
];

pub(super) const END: u32 = 256 + LONG.len() as u32;

/// The special token that a text is.
pub(super) fn special(text: &str) -> Option<u32> {
    let at = SPECIAL.iter().position(|known| *known == text)?;
    Some(END + at as u32)
}

/// What a token looks like in a reply.
pub(super) fn written(token: u32) -> Vec<u8> {
    match token {
        0..256 => vec![token as u8],
        _ if token < END => LONG[token as usize - 256].as_bytes().to_vec(),
        _ => SPECIAL[(token - END) as usize].as_bytes().to_vec(),
    }
}

pub(super) fn factory() -> ParserFactory {
    let mut words: Vec<Vec<u8>> = (0..END).map(written).collect();
    words.extend(
        SPECIAL
            .iter()
            .map(|text| [b"\xff", text.as_bytes()].concat()),
    );
    let info = TokRxInfo::new(words.len() as u32, END);
    let env: TokEnv = Arc::new(ApproximateTokEnv::new(TokTrie::from(&info, &words)));
    let mut factory = ParserFactory::new_simple(&env).unwrap();
    factory.quiet();
    factory
}

pub(super) fn matcher(factory: &ParserFactory, constraint: &Constraint) -> Matcher {
    let parser = factory.create_parser(constraint.grammar().unwrap());
    let matcher = Matcher::new(parser);
    assert!(
        !matcher.is_error(),
        "{:?}\n{constraint:?}",
        matcher.get_error()
    );
    matcher
}

/// Tokens of a text: special tokens between `⟦` and `⟧`, single bytes otherwise, or the longest
/// tokens there are.
pub(super) fn tokens(text: &str, longest: bool) -> Vec<u32> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('⟦') {
            let (name, after) = after.split_once('⟧').unwrap();
            tokens.push(special(name).unwrap());
            rest = after;
            continue;
        }
        let long = LONG
            .iter()
            .enumerate()
            .filter(|(_, long)| longest && rest.starts_with(**long));
        match long.max_by_key(|(_, long)| long.len()) {
            Some((at, long)) => {
                tokens.push(256 + at as u32);
                rest = &rest[long.len()..];
            }
            None => {
                let character = rest.chars().next().unwrap();
                tokens.extend(
                    rest.as_bytes()[..character.len_utf8()]
                        .iter()
                        .map(|b| u32::from(*b)),
                );
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    tokens
}

/// How far a text gets: `Ok` when it may end there, the rest that is refused otherwise.
pub(super) fn accepts(
    factory: &ParserFactory,
    constraint: &Constraint,
    text: &str,
) -> Result<(), String> {
    let outcome = |longest: bool| {
        let mut matcher = matcher(factory, constraint);
        let tokens = tokens(text, longest);
        for (at, token) in tokens.iter().enumerate() {
            let mask = matcher.compute_mask_or_eos().unwrap();
            if !mask.is_allowed(*token) {
                let rest: Vec<u8> = tokens[at..]
                    .iter()
                    .flat_map(|token| written(*token))
                    .collect();
                return Err(String::from_utf8_lossy(&rest).into_owned());
            }
            matcher.consume_token(*token).unwrap();
        }
        if matcher.is_accepting().unwrap() {
            Ok(())
        } else {
            Err(String::new())
        }
    };
    let (single, long) = (outcome(false), outcome(true));
    assert_eq!(
        single.is_ok(),
        long.is_ok(),
        "{text}: {single:?} but {long:?}"
    );
    single
}
