//! Bringing a reply that is held to a grammar to its end before its limit.
//!
//! A call or an object that breaks off in the middle is worth nothing. When few tokens are left,
//! those are preferred that end what was begun: a string, an object, an array. A grammar that
//! asks for more than fits still ends without being complete; that is reported as such.

use crate::constraint::TokenMask;
use crate::tokenizer::Tokenizer;

/// Tokens from which on the end is sought.
const NEAR: usize = 160;

/// Tokens by the byte that they begin with, for those bytes that end something.
#[derive(Debug)]
pub(super) struct Closing {
    ends: Vec<u32>,
    quote: Vec<u32>,
    brace: Vec<u32>,
    bracket: Vec<u32>,
    comma: Vec<u32>,
    /// Tokens that end with an opening brace or bracket.
    opening: Vec<u32>,
}

impl Closing {
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        let size = u32::try_from(tokenizer.size()).unwrap_or(u32::MAX);
        let text = |token: &u32| !tokenizer.is_special(*token);
        let beginning = |byte: u8| {
            let tokens = (0..size).filter(text);
            tokens
                .filter(|token| tokenizer.bytes(*token).first() == Some(&byte))
                .collect()
        };
        let opens = |token: &u32| matches!(tokenizer.bytes(*token).last(), Some(b'{' | b'['));
        Self {
            ends: tokenizer.ends().to_vec(),
            quote: beginning(b'"'),
            brace: beginning(b'}'),
            bracket: beginning(b']'),
            comma: beginning(b','),
            opening: (0..size).filter(text).filter(opens).collect(),
        }
    }

    /// The tokens of a mask that end something, where the reply must end soon and there are any.
    pub(super) fn narrow(&self, mask: TokenMask, left: usize, last: Option<u32>) -> TokenMask {
        if left > NEAR {
            return mask;
        }
        // What was just opened is better closed at once than filled.
        let fresh = last.is_some_and(|last| self.opening.binary_search(&last).is_ok());
        let order = if fresh {
            [
                &self.ends,
                &self.brace,
                &self.bracket,
                &self.quote,
                &self.comma,
            ]
        } else {
            [
                &self.ends,
                &self.quote,
                &self.brace,
                &self.bracket,
                &self.comma,
            ]
        };
        for tokens in order {
            let mut narrow = TokenMask {
                words: vec![0; mask.words.len()],
            };
            let mut any = false;
            for token in tokens.iter().filter(|token| mask.allows(**token)) {
                if let Some(word) = narrow.words.get_mut(*token as usize / 32) {
                    *word |= 1 << (token % 32);
                    any = true;
                }
            }
            if any {
                return narrow;
            }
        }
        mask
    }
}
