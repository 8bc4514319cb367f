//! Whether a call of a tool may run: by the policy, and by a person where it says so.
//!
//! A call is judged when it is about to be made, by its arguments and by what the run has read.
//! How it came out is in the log: whoever takes the run up again goes by that, and a question that
//! nobody has answered is judged anew, since the rules may have changed.

use ropewalk_core::event::Event;
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use ropewalk_core::policy::{Exposure, Judgement, Reason, Source, Verdict};
use ropewalk_core::tool::{Permission, ToolCall};
use ropewalk_host::audit::{Decided, Seen, What};
use serde_json::Value;

use super::attempt::{At, Halt};
use crate::journal::{Journal, Mode, NOBODY, Stop};
use crate::path;

/// Who decides where nobody need be asked.
const POLICY: &str = "the policy";

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Permitted {
    /// It may run, with these arguments.
    As(Value),
    /// It need not run: this is its result.
    Result(Value),
    /// It may not, and this is why.
    No(String),
}

/// A call that was judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    pub(super) permitted: Permitted,
    /// Who its result is from, where nobody vouches for them.
    pub(super) untrusted: Option<String>,
}

/// Judges a call that is to be made in an attempt; `slot` is any slot of that.
pub(super) async fn judged(at: &At<'_>, slot: &str, call: &ToolCall) -> Result<Judged, Halt> {
    let place = path::judgement(slot, &call.id);
    let (judgement, fresh) = word(at, &place, call)?;
    let untrusted = (!judgement.reads.untrusted.is_empty()).then(|| call.name.clone());
    let verdict = &judgement.verdict;
    let asks = verdict.permission == Permission::Ask;
    if fresh && asks {
        record(at, &place, call, judgement.clone());
    }
    let (mut permitted, by) = match verdict.permission {
        Permission::Allow => {
            let by = settle(at, &place, fresh, Reply::Approve);
            (Permitted::As(call.arguments.clone()), by)
        }
        Permission::Deny => {
            let reason = denial(call, verdict);
            let reply = Reply::Reject {
                reason: reason.clone(),
            };
            (Permitted::No(reason), settle(at, &place, fresh, reply))
        }
        Permission::Ask => asked(at, &place, call, verdict).await?,
    };
    if let Some(by) = by {
        match kept(at, &place, call, verdict, &permitted, by).await {
            Ok(()) if fresh && !asks => record(at, &place, call, judgement),
            Ok(()) => {}
            Err(why) => {
                let verdict = judgement.verdict.with(Reason {
                    by: "the audit log".to_owned(),
                    source: Source::Inspector,
                    permission: Permission::Deny,
                    why,
                });
                permitted = Permitted::No(denial(call, &verdict));
                let reads = judgement.reads;
                record(at, &place, call, Judgement { verdict, reads });
            }
        }
    }
    Ok(Judged {
        permitted,
        untrusted,
    })
}

fn record(at: &At<'_>, place: &str, call: &ToolCall, judgement: Judgement) {
    at.shared.journal.record(Event::CallJudged {
        place: place.to_owned(),
        tool: call.name.clone(),
        judgement,
    });
}

/// Why a call is denied, for whoever asked for it.
pub(super) fn denial(call: &ToolCall, verdict: &Verdict) -> String {
    let name = &call.name;
    let against = verdict.objections();
    format!("`{name}` was not run: the policy denies it.\n{against}")
}

/// What is known of a call, for the record.
pub(super) fn seen(journal: &Journal, place: &str, call: &ToolCall, what: What) -> Seen {
    Seen {
        run: journal.run().to_string(),
        place: place.to_owned(),
        tool: call.name.clone(),
        arguments: call.arguments.clone(),
        what,
    }
}

/// The judgement of the log where it holds one that still counts, else a new one, and whether it is
/// that.
fn word(at: &At<'_>, place: &str, call: &ToolCall) -> Result<(Judgement, bool), Halt> {
    let journal = &at.shared.journal;
    let (logged, answered) = journal.with_past(|past| {
        let reply = past.interrupts.get(place).is_some_and(Option::is_some);
        let answered = reply || past.answers.contains_key(place);
        (past.judged.get(place).cloned(), answered)
    });
    let known = match logged {
        Some(logged) => {
            let open = logged.verdict.permission == Permission::Ask && !answered;
            if !open || journal.mode() == Mode::Replay {
                return Ok((logged, false));
            }
            Some(logged)
        }
        None if journal.mode() == Mode::Replay => {
            let what = format!(
                "`{}` calls `{}`, and the recording does not say how that was judged",
                at.path, call.name
            );
            return Err(Halt::Stop(Stop::Drift(what)));
        }
        None => None,
    };
    let judgement = at.shared.services.tools.judge(call, &journal.exposure());
    let fresh = known.as_ref() != Some(&judgement);
    Ok((judgement, fresh))
}

/// Who has decided, where it is not in the log yet. A question about the call that is still open is
/// answered with it.
fn settle(at: &At<'_>, place: &str, fresh: bool, reply: Reply) -> Option<String> {
    let journal = &at.shared.journal;
    let open = journal.with_past(|past| past.interrupts.get(place) == Some(&None));
    if open {
        journal.record(Event::InterruptAnswered {
            id: place.to_owned(),
            reply: reply.clone(),
        });
        journal.with_past(|past| past.interrupts.insert(place.to_owned(), Some(reply)));
    }
    fresh.then(|| POLICY.to_owned())
}

/// Asks a person whether a call may run. Says also who answered, where that is news.
async fn asked(
    at: &At<'_>,
    place: &str,
    call: &ToolCall,
    verdict: &Verdict,
) -> Result<(Permitted, Option<String>), Halt> {
    let name = &call.name;
    let interrupt = Interrupt {
        kind: InterruptKind::Approval,
        path: at.path.clone(),
        question: format!("May `{name}` run?\n{}", verdict.objections()),
        proposal: Some(call.arguments.clone()),
        schema: None,
        who: None,
        call: Some(call.clone()),
        reasons: verdict.reasons.clone(),
    };
    let tools = &at.shared.services.tools;
    let nobody = || {
        let how = tools.how_to_allow(call, verdict);
        format!(
            "`{name}` was not run: it needs permission and {NOBODY}.\n{}\nTo allow it, {how}",
            verdict.objections()
        )
    };
    let answered = at.shared.journal.ask(place, interrupt, nobody).await?;
    let permitted = match answered.reply {
        Reply::Approve => Permitted::As(call.arguments.clone()),
        Reply::Edit { value } => match edited(at, call, value) {
            Ok(arguments) => Permitted::As(arguments),
            Err(verdict) => {
                let reason = denial(call, &verdict);
                // So that a replay, which cannot judge, comes to the same.
                let reads = Exposure::default();
                record(at, place, call, Judgement { verdict, reads });
                Permitted::No(reason)
            }
        },
        Reply::Reply { value } => Permitted::Result(value),
        Reply::Reject { reason } => Permitted::No(refusal(name, reason)),
        Reply::Escalate { .. } => return Err(Halt::Stop(Stop::Waiting)),
    };
    Ok((permitted, answered.by))
}

/// Other arguments, from a person: theirs to decide, where no rule forbids them.
fn edited(at: &At<'_>, call: &ToolCall, arguments: Value) -> Result<Value, Verdict> {
    if at.shared.journal.mode() == Mode::Replay {
        return Ok(arguments);
    }
    let call = ToolCall {
        arguments,
        ..call.clone()
    };
    let exposure = at.shared.journal.exposure();
    let verdict = at.shared.services.tools.judge(&call, &exposure).verdict;
    match verdict.permission {
        Permission::Deny => Err(verdict),
        _ => Ok(call.arguments),
    }
}

fn refusal(tool: &str, reason: String) -> String {
    if reason.is_empty() {
        format!("a person refused to run `{tool}`; do without it")
    } else if reason.contains(NOBODY) {
        reason
    } else {
        format!("a person refused to run `{tool}`: {reason}")
    }
}

/// Has a decision kept before anything follows from it.
async fn kept(
    at: &At<'_>,
    place: &str,
    call: &ToolCall,
    verdict: &Verdict,
    permitted: &Permitted,
    by: String,
) -> Result<(), String> {
    let call = match permitted {
        Permitted::As(arguments) => &ToolCall {
            arguments: arguments.clone(),
            ..call.clone()
        },
        _ => call,
    };
    let what = What::Decided(Decided {
        permission: verdict.permission,
        reasons: verdict.reasons.clone(),
        runs: matches!(permitted, Permitted::As(_)),
        by,
    });
    let seen = seen(&at.shared.journal, place, call, what);
    at.shared.services.tools.witness(seen).await
}
