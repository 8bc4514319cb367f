//! Asks the person at the terminal.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use async_trait::async_trait;
use indicatif::ProgressBar;
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use ropewalk_core::secret;
use ropewalk_core::tool::Permission;
use ropewalk_core::unseen::with_unseen_named;
use ropewalk_engine::Approver;
use serde_json::Value;

/// Asks the person at the terminal, one question after the other.
pub(crate) struct AtTerminal {
    yes: bool,
    /// Whether there is somebody, and not only a `--yes`.
    here: bool,
    /// What is shown meanwhile, out of the way while the person is asked.
    line: ProgressBar,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl AtTerminal {
    /// With `yes`, calls that need permission run without a question, but for those that somebody
    /// has to look at.
    pub(crate) fn approver(yes: bool, line: ProgressBar) -> Arc<dyn Approver> {
        Arc::new(Self {
            yes,
            here: std::io::stdin().is_terminal(),
            line,
            one_at_a_time: tokio::sync::Mutex::new(()),
        })
    }
}

#[async_trait]
impl Approver for AtTerminal {
    async fn ask(&self, interrupt: &Interrupt) -> Option<Reply> {
        if self.says_yes(interrupt) {
            return Some(Reply::Approve);
        }
        if !self.here {
            return None;
        }
        let _turn = self.one_at_a_time.lock().await;
        let interrupt = interrupt.clone();
        let line = self.line.clone();
        let asked = tokio::task::spawn_blocking(move || line.suspend(|| asked(&interrupt)));
        asked.await.ok().flatten()
    }

    fn who(&self, interrupt: &Interrupt) -> String {
        if self.says_yes(interrupt) {
            "--yes".to_owned()
        } else {
            "the person at the terminal".to_owned()
        }
    }
}

impl AtTerminal {
    fn says_yes(&self, interrupt: &Interrupt) -> bool {
        self.yes && interrupt.kind == InterruptKind::Approval && !interrupt.needs_a_look()
    }
}

/// Asks whether; anything but a yes is a no.
pub(crate) fn confirmed(question: &str) -> bool {
    line(question).is_some_and(|said| matches!(said.trim(), "y" | "Y" | "yes"))
}

fn asked(interrupt: &Interrupt) -> Option<Reply> {
    let question = match (&interrupt.kind, &interrupt.call) {
        (InterruptKind::Approval, Some(call)) => {
            let against: Vec<String> = interrupt
                .reasons
                .iter()
                .filter(|reason| reason.permission != Permission::Allow)
                .map(|reason| format!("  {reason}\n"))
                .collect();
            let arguments = with_unseen_named(&call.arguments.to_string());
            format!(
                "{}allow {}({arguments})? [y/N] ",
                against.concat(),
                call.name
            )
        }
        (InterruptKind::Human, _) => {
            let proposal = interrupt.proposal.as_ref().map(shown).unwrap_or_default();
            let choice = if interrupt.proposal.is_some() {
                "[y: yes; n REASON: no; later; or other words instead] "
            } else {
                "[n REASON: no; later; or your answer] "
            };
            format!("{}\n{proposal}{choice}", interrupt.question)
        }
        _ => format!("{} [y/N/later] ", interrupt.question),
    };
    loop {
        let said = line(&question)?;
        let reply = understood(interrupt, said.trim());
        match reply.as_ref().map(|reply| interrupt.check(reply)) {
            Some(Err(unfit)) => {
                let _ = writeln!(std::io::stderr(), "{unfit}");
            }
            _ => return reply,
        }
    }
}

fn shown(proposal: &Value) -> String {
    match proposal {
        Value::String(text) => format!("{text}\n"),
        other => format!("{other:#}\n"),
    }
}

/// One line of the person; nothing when they are gone.
pub(crate) fn line(question: &str) -> Option<String> {
    let mut stderr = std::io::stderr();
    let mut said = String::new();
    let _ = write!(stderr, "{}", secret::redactor().redact(question));
    let _ = stderr.flush();
    let read = std::io::stdin().read_line(&mut said).ok()?;
    (read > 0).then_some(said)
}

/// What a line means; nothing when the question is left open.
fn understood(interrupt: &Interrupt, said: &str) -> Option<Reply> {
    let (word, rest) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
    let human = interrupt.kind == InterruptKind::Human;
    match word.to_ascii_lowercase().as_str() {
        "later" => None,
        "y" | "yes" if !human || interrupt.proposal.is_some() => Some(Reply::Approve),
        "n" | "no" => Some(Reply::Reject {
            reason: rest.trim().to_owned(),
        }),
        "" if human => None,
        _ if human => {
            let value = value_of(said);
            Some(if interrupt.proposal.is_some() {
                Reply::Edit { value }
            } else {
                Reply::Reply { value }
            })
        }
        _ => Some(Reply::Reject {
            reason: String::new(),
        }),
    }
}

/// JSON where it is that, else the text itself.
pub(crate) fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
