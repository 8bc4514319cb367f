//! What a tool knows about the call it serves: cancellation, progress, words for the client's log,
//! and whom it may ask.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::error::{Stop, ToolError};
use crate::inquiry::{Answer, Faculty, FormAnswer, ModelQuestion, Question};
use crate::progress::Progress;
use crate::rounds::Rounds;

/// What a tool knows about the call it serves, besides its arguments.
#[derive(Clone, Default)]
pub struct CallContext {
    /// Cancelled when the caller cancels or goes away. Long work looks at it often.
    pub cancel: CancellationToken,
    /// Where the work reports how far it is.
    pub progress: Progress,
    /// Where the work tells the client's log what it does.
    pub log: Log,
    /// Who calls, where callers are told apart: the subject of their token.
    pub caller: Option<Arc<str>>,
    pub(crate) desk: Desk,
}

/// How the other side is asked.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    /// What the client can do.
    pub(crate) faculties: Faculties,
    pub(crate) way: Way,
}

/// What the client can do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faculties {
    pub(crate) forms: bool,
    pub(crate) links: bool,
    pub(crate) model: bool,
    pub(crate) roots: bool,
}

impl Faculties {
    fn has(self, faculty: Faculty) -> bool {
        match faculty {
            Faculty::Forms => self.forms,
            Faculty::Links => self.links,
            Faculty::Model => self.model,
            Faculty::Roots => self.roots,
        }
    }
}

/// Puts one question under its name and waits for what the client sends back.
pub(crate) type Put =
    dyn Fn(String, Question) -> BoxFuture<'static, Result<Value, String>> + Send + Sync;

/// By which way answers come.
#[derive(Clone, Default)]
pub(crate) enum Way {
    /// Nobody can be asked.
    #[default]
    None,
    /// The call ends with the questions and comes again with the answers.
    Rounds(Arc<Rounds>),
    /// The call waits.
    Waiting(Arc<Put>),
}

/// How loud a word for the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Details for whoever looks for a defect.
    Debug,
    /// What happens.
    Info,
    /// Something may be wrong.
    Warning,
    /// Something is wrong.
    Error,
}

type Write = dyn Fn(LogLevel, String) + Send + Sync;

/// The client's log. Words the client did not ask for go nowhere.
#[derive(Clone, Default)]
pub struct Log(pub(crate) Option<Arc<Write>>);

impl Log {
    /// Says something of a loudness.
    pub fn say(&self, level: LogLevel, words: impl Into<String>) {
        if let Some(write) = &self.0 {
            write(level, words.into());
        }
    }
}

impl CallContext {
    /// Whether the client can be asked this.
    pub fn can(&self, faculty: Faculty) -> bool {
        !matches!(self.desk.way, Way::None) && self.desk.faculties.has(faculty)
    }

    /// Puts questions, each under a name that is its own within the call and the same whenever the
    /// tool runs again, and gives the answers in the same order.
    ///
    /// # Errors
    /// When the client cannot be asked, or is to be asked first: hand the error on with `?`.
    pub async fn ask(&self, questions: Vec<(String, Question)>) -> Result<Vec<Answer>, ToolError> {
        if let Some((_, question)) = questions
            .iter()
            .find(|(_, question)| !self.can(question.faculty()))
        {
            return Err(ToolError(Stop::Unable(question.faculty())));
        }
        match &self.desk.way {
            Way::None => Ok(Vec::new()),
            Way::Rounds(rounds) => rounds.ask(&questions),
            Way::Waiting(put) => {
                // All at once: a person sees what is to come.
                let asked = questions
                    .into_iter()
                    .map(|(name, question)| self.wait(put, name, question));
                futures::future::try_join_all(asked).await
            }
        }
    }

    async fn wait(
        &self,
        put: &Arc<Put>,
        name: String,
        question: Question,
    ) -> Result<Answer, ToolError> {
        let sent = tokio::select! {
            sent = put(name, question.clone()) => sent,
            () = self.cancel.cancelled() => Err("the call was cancelled".to_owned()),
        };
        let sent = sent.map_err(|reason| {
            ToolError::new(format!("the client gave no answer: {reason}"), "call again")
        })?;
        question.answer(&sent)
    }

    async fn ask_one(&self, name: &str, question: Question) -> Result<Answer, ToolError> {
        let mut answers = self.ask(vec![(name.to_owned(), question)]).await?;
        answers
            .pop()
            .ok_or_else(|| ToolError::new("a question was left without an answer", ""))
    }

    /// Asks the person to fill in a form; `fields` is the JSON schema of an object whose properties
    /// are strings, numbers, booleans and choices.
    ///
    /// # Errors
    /// As [`CallContext::ask`].
    pub async fn ask_form(
        &self,
        name: &str,
        message: impl Into<String>,
        fields: Value,
    ) -> Result<FormAnswer, ToolError> {
        let message = message.into();
        let question = Question::Form { message, fields };
        match self.ask_one(name, question).await? {
            Answer::Form(answer) => Ok(answer),
            _ => Err(mixed_up()),
        }
    }

    /// Asks the person to open an address; whether they agreed.
    ///
    /// # Errors
    /// As [`CallContext::ask`].
    pub async fn ask_link(
        &self,
        name: &str,
        message: impl Into<String>,
        url: impl Into<String>,
    ) -> Result<bool, ToolError> {
        let (message, url) = (message.into(), url.into());
        match self.ask_one(name, Question::Link { message, url }).await? {
            Answer::Link(agreed) => Ok(agreed),
            _ => Err(mixed_up()),
        }
    }

    /// Lets the client's model answer, in at most so many tokens.
    ///
    /// # Errors
    /// As [`CallContext::ask`].
    pub async fn ask_model(
        &self,
        name: &str,
        prompt: impl Into<String>,
        max_tokens: u32,
    ) -> Result<String, ToolError> {
        let prompt = prompt.into();
        let question = Question::Model(ModelQuestion {
            prompt,
            max_tokens,
            ..ModelQuestion::default()
        });
        match self.ask_one(name, question).await? {
            Answer::Model(text) => Ok(text),
            _ => Err(mixed_up()),
        }
    }

    /// Asks the client for its folders, as addresses.
    ///
    /// # Errors
    /// As [`CallContext::ask`].
    pub async fn ask_roots(&self, name: &str) -> Result<Vec<String>, ToolError> {
        match self.ask_one(name, Question::Roots).await? {
            Answer::Roots(uris) => Ok(uris),
            _ => Err(mixed_up()),
        }
    }

    /// Does something once, however often the tool runs again because it asks: the outcome travels
    /// with the call, sealed against change. The client can read it, so it is no place for secrets.
    ///
    /// # Errors
    /// Those of `work`, which is then tried again by the next run.
    pub async fn once<T, Fut>(&self, name: &str, work: Fut) -> Result<T, ToolError>
    where
        T: Serialize + DeserializeOwned,
        Fut: Future<Output = Result<T, ToolError>>,
    {
        let Way::Rounds(rounds) = &self.desk.way else {
            return work.await;
        };
        let broken = |error: serde_json::Error| {
            ToolError::new(format!("the step `{name}` cannot be kept: {error}"), "")
        };
        if let Some(outcome) = rounds.done(name) {
            return serde_json::from_value(outcome).map_err(broken);
        }
        let outcome = work.await?;
        rounds.remember(name, serde_json::to_value(&outcome).map_err(broken)?);
        Ok(outcome)
    }
}

fn mixed_up() -> ToolError {
    ToolError::new(
        "two questions of one call have the same name",
        "this is a defect of the server",
    )
}
