//! A tokenizer as llguidance looks at it.

use toktrie::{TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use super::refused;
use crate::error::InferError;
use crate::tokenizer::Tokenizer;

/// The trie of all tokens, and how text is encoded in the middle of a reply.
pub(super) fn environment(tokenizer: &Tokenizer) -> Result<TokEnv, InferError> {
    let Some(&end) = tokenizer.ends().first() else {
        return Err(refused(
            "vocabulary",
            "no token ends a turn, so a reply could not end; use a model whose tokenizer names its \
             end of text",
        ));
    };
    let size = u32::try_from(tokenizer.size()).unwrap_or(u32::MAX);
    let words: Vec<Vec<u8>> = (0..size).map(|token| word(tokenizer, token)).collect();
    let bytes: usize = words.iter().map(Vec::len).sum();
    if bytes >= MOST_NODES {
        return Err(refused(
            "vocabulary",
            format!("its tokens have {bytes} bytes together, and less than {MOST_NODES} fit"),
        ));
    }
    let trie = TokTrie::from(&TokRxInfo::new(size, end), &words);
    Ok(std::sync::Arc::new(Environment {
        trie: trie.with_eos_tokens(tokenizer.ends()),
        tokenizer: tokenizer.clone(),
    }))
}

/// The trie has a node per byte at most, and numbers nodes with 22 bits.
const MOST_NODES: usize = 1 << 22;

/// The trie counts its depth with 10 bits. Longer tokens are never allowed.
const LONGEST_TOKEN: usize = 1 << 10;

fn word(tokenizer: &Tokenizer, token: u32) -> Vec<u8> {
    let bytes = tokenizer.bytes(token);
    let special = tokenizer.is_special(token);
    if bytes.len() + usize::from(special) > LONGEST_TOKEN {
        return Vec::new();
    }
    if special {
        return [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat();
    }
    bytes.to_vec()
}

struct Environment {
    trie: TokTrie,
    tokenizer: Tokenizer,
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        self.trie.tokenize_with_greedy_fallback(text, |text| {
            let encoded = self.tokenizer.encode_within(text);
            encoded.unwrap_or_else(|_| self.trie.greedy_tokenize(text.as_bytes()))
        })
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.tokenizer.encodes_within()
    }
}
