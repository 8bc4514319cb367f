//! Which tokens a grammar allows next (llguidance).
//!
//! A reply is held to a JSON schema, a regular expression or a grammar token by token. What cannot
//! be held completely is refused, never held in part: the caller can still let the model write
//! freely and check the reply afterwards.
//!
//! JSON is written in one form: on one line, `, ` between items and `: ` after a key, as most chat
//! templates write it. So the model is left fewer choices that mean nothing, more tokens follow
//! without being sampled, and a reply that comes back in the next prompt has the same tokens.
//! The module `schema` says how a schema is narrowed beyond that.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use llguidance::api::{GrammarInit, ParserLimits, TopLevelGrammar};
use llguidance::panic_utils::catch_unwind;
use llguidance::{Logger, Matcher as Parser, ParserFactory};
use serde_json::Value;
use toktrie::InferenceCapabilities;

use crate::error::InferError;
use crate::tokenizer::Tokenizer;

mod lark;
mod schema;
mod vocabulary;

use schema::Budget;

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
#[derive(Clone)]
pub struct Grammars {
    shared: Arc<Shared>,
}

impl Grammars {
    /// For a tokenizer.
    ///
    /// # Errors
    /// A vocabulary that llguidance cannot take.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, InferError> {
        let environment = vocabulary::environment(tokenizer)?;
        let capabilities = InferenceCapabilities {
            ff_tokens: environment.tokenize_is_canonical(),
            ..InferenceCapabilities::default()
        };
        let slices = llguidance::earley::SlicedBiasComputer::general_slices();
        let mut factory = ParserFactory::new(&environment, capabilities, &slices)
            .map_err(|error| refused("vocabulary", error))?;
        factory.quiet();
        limit(factory.limits_mut());
        Ok(Self {
            shared: Arc::new(Shared {
                factory,
                ends: tokenizer.ends().into(),
            }),
        })
    }

    /// A matcher at the start of a reply.
    ///
    /// # Errors
    /// [`InferError::Constraint`]: what cannot be enforced, and a grammar that allows nothing.
    pub fn matcher(&self, constraint: &Constraint) -> Result<Matcher, InferError> {
        let what = constraint.what();
        let grammar = constraint
            .grammar()
            .map_err(|message| refused(what, message))?;
        let shared = Arc::clone(&self.shared);
        let parser = compiled(what, move || {
            Parser::new(shared.factory.create_parser(grammar))
        })?;
        let mut matcher = Matcher {
            parser,
            ends: Arc::clone(&self.shared.ends),
            what,
        };
        // The reply ends with the first token that this allows, or it goes on: both are something.
        matcher.mask()?;
        Ok(matcher)
    }
}

impl fmt::Debug for Grammars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammars")
            .field("ends", &self.shared.ends)
            .finish_non_exhaustive()
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

    /// The tokens that may come next, in order.
    pub fn tokens(&self) -> impl Iterator<Item = u32> {
        (0_u32..)
            .step_by(32)
            .zip(&self.words)
            .flat_map(|(first, &word)| {
                let mut left = word;
                std::iter::from_fn(move || {
                    let bit = left.trailing_zeros();
                    (bit < 32).then(|| {
                        left &= left - 1;
                        first + bit
                    })
                })
            })
    }
}

/// Follows one reply.
pub struct Matcher {
    parser: Parser,
    ends: Arc<[u32]>,
    what: &'static str,
}

impl Matcher {
    /// Which tokens may come next; the tokenizer's ends are among them where the reply may end.
    ///
    /// # Errors
    /// A grammar that became too complex to follow; a token before that was not allowed.
    pub fn mask(&mut self) -> Result<TokenMask, InferError> {
        let allowed = self.parser.compute_mask_or_eos();
        let allowed = allowed.map_err(|error| refused(self.what, error))?;
        Ok(TokenMask {
            words: allowed.into(),
        })
    }

    /// Takes in a token of the reply. One that the mask does not allow is an error.
    ///
    /// # Errors
    /// See above; the matcher is of no use afterwards.
    pub fn accept(&mut self, token: u32) -> Result<(), InferError> {
        if self.is_done() {
            return if self.ends.contains(&token) {
                Ok(())
            } else {
                let message = format!("it is complete, and token {token} goes on");
                Err(refused(self.what, message))
            };
        }
        let taken = self.parser.consume_token(token);
        taken.map_err(|error| refused(self.what, error))
    }

    /// Tokens that must come next, whatever is sampled; empty where there is a choice. They still
    /// have to be accepted.
    pub fn forced(&mut self) -> Vec<u32> {
        if self.parser.is_stopped() {
            return Vec::new();
        }
        self.parser.compute_ff_tokens()
    }

    /// Whether nothing but the end may come.
    pub fn is_done(&self) -> bool {
        self.parser.is_stopped() && !self.parser.is_error()
    }
}

impl Clone for Matcher {
    /// A matcher at the same place, which goes its own way: faster than to compile a grammar again.
    fn clone(&self) -> Self {
        Self {
            parser: self.parser.deep_clone(),
            ends: Arc::clone(&self.ends),
            what: self.what,
        }
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher")
            .field("what", &self.what)
            .field("stopped", &self.parser.is_stopped())
            .finish_non_exhaustive()
    }
}

struct Shared {
    factory: ParserFactory,
    ends: Arc<[u32]>,
}

/// Each takes one to two kilobytes.
const MOST_LEXER_STATES: usize = 50_000;

/// Symbols in the productions of a grammar.
const LARGEST_GRAMMAR: usize = 250_000;

/// For compiling, about ten kilobytes for each value that a schema may have. Only what is used of it
/// takes memory.
const STACK: usize = 256 << 20;

/// Longest regular expression or grammar, without inline schemas, in bytes.
const LONGEST_TEXT: usize = 256 << 10;

impl Constraint {
    /// Whether a reply can be held to this completely, whatever the tokenizer. What this lets pass,
    /// [`Grammars::matcher`] takes, alone or inline, as long as a grammar is not too large as a
    /// whole.
    ///
    /// # Errors
    /// [`InferError::Constraint`]: what cannot be enforced.
    pub fn check(&self) -> Result<(), InferError> {
        let what = self.what();
        let grammar = self.grammar().map_err(|message| refused(what, message))?;
        let compile = move || {
            let mut limits = ParserLimits::default();
            limit(&mut limits);
            let grammar = GrammarInit::Serialized(grammar);
            let done = grammar.to_cgrammar(None, &mut Logger::new(0, 0), limits, Vec::new());
            done.map(|_| ())
        };
        compiled(what, || catch_unwind(AssertUnwindSafe(compile)))?
            .map_err(|error| refused(what, error))
    }

    fn what(&self) -> &'static str {
        match self {
            Self::JsonSchema(_) => "JSON schema",
            Self::Regex(_) => "regular expression",
            Self::Lark(_) => "grammar",
        }
    }

    /// As llguidance is given it.
    pub(crate) fn grammar(&self) -> Result<TopLevelGrammar, String> {
        match self {
            Self::JsonSchema(schema) => {
                let schema = schema::prepared(schema, &mut Budget::default())?;
                Ok(TopLevelGrammar::from_json_schema(schema))
            }
            Self::Regex(pattern) => {
                if pattern.len() > LONGEST_TEXT {
                    return Err(too_long(pattern.len()));
                }
                Ok(TopLevelGrammar::from_regex(pattern))
            }
            Self::Lark(text) => {
                let (text, own) = lark::prepared(text)?;
                if own > LONGEST_TEXT {
                    return Err(too_long(own));
                }
                Ok(TopLevelGrammar::from_lark(text))
            }
        }
    }
}

fn limit(limits: &mut ParserLimits) {
    limits.max_lexer_states = MOST_LEXER_STATES;
    limits.max_grammar_size = LARGEST_GRAMMAR;
    limits.verbose_errors = false;
}

/// Schemas that nest, and references from one to the next, recurse. A hostile one may use up a
/// stack, but not this thread's.
fn compiled<T: Send + 'static>(
    what: &'static str,
    compile: impl FnOnce() -> T + Send + 'static,
) -> Result<T, InferError> {
    std::thread::Builder::new()
        .name("grammar".to_owned())
        .stack_size(STACK)
        .spawn(compile)
        .map_err(|error| refused(what, error))?
        .join()
        .map_err(|_| refused(what, "it cannot be compiled"))
}

fn too_long(bytes: usize) -> String {
    format!("it has {bytes} bytes, and at most {LONGEST_TEXT} are compiled")
}

fn refused(what: &'static str, message: impl fmt::Display) -> InferError {
    let message = message.to_string();
    // Marks and traces of llguidance's own, and its word for a mask without tokens.
    let message = message.replace("<non-verbose/>", "");
    let message = match message.trim() {
        panic if panic.starts_with("panic:") => "it cannot be compiled",
        "NoExtensionBias" => "it allows nothing",
        message => message,
    };
    InferError::Constraint {
        what,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
