//! Which tokens a grammar allows next (llguidance).

use serde_json::Value;

use crate::error::InferError;
use crate::tokenizer::Tokenizer;

/// What a reply must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// JSON that fits a schema.
    JsonSchema(Value),
    /// Text that a regular expression matches as a whole.
    Regex(String),
    /// Text of a Lark grammar in llguidance's dialect; special tokens by name, `<|im_end|>`,
    /// JSON schemas inline, `%json {...}`.
    Lark(String),
}

/// Makes matchers for one tokenizer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Grammars {}

impl Grammars {
    /// For a tokenizer.
    ///
    /// # Errors
    /// A vocabulary that llguidance cannot take.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, InferError> {
        let _ = tokenizer;
        Ok(Self {})
    }

    /// A matcher at the start of a reply.
    ///
    /// # Errors
    /// [`InferError::Constraint`]: what cannot be enforced, and a grammar that allows nothing.
    pub fn matcher(&self, constraint: &Constraint) -> Result<Matcher, InferError> {
        let _ = constraint;
        Ok(Matcher {})
    }
}

/// One bit per token: set where the token may come next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenMask {
    /// Bits of 32 tokens each, the lowest token in the lowest bit.
    pub words: Vec<u32>,
}

impl TokenMask {
    /// Whether a token may come next.
    pub fn allows(&self, token: u32) -> bool {
        let word = self.words.get(token as usize / 32);
        word.is_some_and(|word| word >> (token % 32) & 1 == 1)
    }
}

/// Follows one reply.
pub struct Matcher {}

impl Matcher {
    /// Which tokens may come next; the tokenizer's ends are among them where the reply may end.
    pub fn mask(&mut self) -> Result<TokenMask, InferError> {
        Ok(TokenMask::default())
    }

    /// Takes in a token of the reply. One that the mask does not allow is an error.
    pub fn accept(&mut self, token: u32) -> Result<(), InferError> {
        let _ = token;
        Ok(())
    }

    /// Tokens that must come next, whatever is sampled; empty where there is a choice.
    pub fn forced(&mut self) -> Vec<u32> {
        Vec::new()
    }

    /// Whether nothing but the end may come.
    pub fn is_done(&self) -> bool {
        false
    }
}
