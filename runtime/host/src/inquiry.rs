//! Questions of servers to a person, and the desk that brings them there.
//!
//! A server may ask for values (a form) or send a person to an address (to sign in, to pay). Both
//! go to a [`Desk`], the one of the call during which the server asks. Where nobody is, a question
//! is declined.

use async_trait::async_trait;
use serde_json::{Map, Value};

/// Brings questions to a person: a terminal, a web page, an editor.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Whether somebody is there. Servers are told that questions are answered only if so.
    fn is_attended(&self) -> bool {
        true
    }

    /// One question. Dropped when the call is over that raised it.
    async fn ask(&self, inquiry: Inquiry) -> Answer;
}

/// A desk at which nobody sits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

#[async_trait]
impl Desk for Nobody {
    fn is_attended(&self) -> bool {
        false
    }

    async fn ask(&self, _: Inquiry) -> Answer {
        Answer::Declined
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Inquiry {
    /// The server that asks; a person must know to whom they answer.
    pub server: String,
    /// Its words, which nobody vouches for.
    pub message: String,
    /// What it wants.
    pub wants: Wants,
    /// What was wrong with the answer before, when the question is asked again.
    pub problem: Option<String>,
}

/// What a question wants of a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Wants {
    /// Values for the properties of this JSON schema, an object of plain values. Those with a
    /// default may be left out.
    Form {
        /// The schema.
        schema: Value,
    },
    /// That they open this address in a browser. Nothing typed there passes through here.
    Url {
        /// The address, `https:`, or `http:` on this machine.
        url: String,
    },
}

/// What a person says.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The values of a form; none for an address, which was opened.
    Accepted(Map<String, Value>),
    /// No.
    Declined,
    /// Neither: they went away.
    Cancelled,
}
