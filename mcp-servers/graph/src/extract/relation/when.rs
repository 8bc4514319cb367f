//! When: the days of a life in brackets, and the date a verb goes with.

use super::between;
use super::{Name, Subject, push};
use crate::extract::token::Text;
use crate::extract::{Said, lexicon};
use crate::piece::Kind;

/// `Name (12 March 1934 – 3 May 1996)`, `Name (born 12 March 1934)`; steps over the bracket.
pub(super) fn lifetime(
    text: &Text<'_>,
    subject: &mut Subject,
    names: &[Name<'_>],
    out: &mut Vec<Said>,
) {
    let open = subject.end;
    if !text.is_mark(open, '(') {
        return;
    }
    let Some(close) = (open + 1..open + 60).find(|&at| text.is_mark(at, ')')) else {
        return;
    };
    let days: Vec<&Name<'_>> = names
        .iter()
        .filter(|name| {
            name.found.kind == Kind::Date && name.words.start > open && name.words.end <= close
        })
        .collect();
    let word = |name: &Name<'_>| {
        name.words
            .start
            .checked_sub(1)
            .map(|at| text.lower(at))
            .unwrap_or_default()
    };
    let full = |name: &Name<'_>| name.found.key.as_str().len() == 10;
    let mut say = |predicate: &str, name: &Name<'_>| {
        let start = text.bytes(open, open).start;
        push(
            out,
            &subject.key,
            predicate,
            &name.found.key,
            start..name.found.span.end,
            0.85,
        );
    };
    for name in &days {
        match word(name).as_str() {
            "born" | "b" => say("born on", name),
            "died" | "d" => say("died on", name),
            _ => {}
        }
    }
    if let [from, to] = days.as_slice() {
        let dash = to
            .words
            .start
            .checked_sub(1)
            .is_some_and(|at| matches!(text.word(at), "–" | "-" | "—"));
        if dash && full(from) && full(to) {
            say("born on", from);
            say("died on", to);
        }
    }
    subject.end = close + 1;
}

/// `was released on 12 March 1998`
pub(super) fn dates(text: &Text<'_>, subject: &Subject, names: &[Name<'_>], out: &mut Vec<Said>) {
    for name in names
        .iter()
        .filter(|name| name.found.kind == Kind::Date && name.words.start > subject.end)
    {
        let Some(at) = name.words.start.checked_sub(1) else {
            continue;
        };
        let preposition = text.word(at);
        if !matches!(preposition, "in" | "on" | "since") {
            continue;
        }
        let clear = (subject.end..at).all(|at| {
            !matches!(
                text.word(at),
                "who"
                    | "whose"
                    | "which"
                    | "that"
                    | "when"
                    | "where"
                    | "before"
                    | "after"
                    | "while"
                    | ";"
                    | ":"
                    | "("
                    | ")"
            )
        });
        // The verb stands right before, or a place between: `born in Paris on`.
        let verb = (at.saturating_sub(6).max(subject.end)..at)
            .rev()
            .find(|&at| lexicon::verb(text.word(at)) && !between::auxiliary(text.word(at)));
        let Some(verb) = verb.filter(|_| clear) else {
            continue;
        };
        let single = (subject.end..verb).all(|at| text.word(at) != ",")
            || text.word(verb.saturating_sub(1)) == "and";
        let near = at - verb <= 1 || matches!(text.word(verb + 1), "in" | "at" | "by");
        if single && near {
            let predicate = format!("{} {preposition}", text.word(verb));
            push(
                out,
                &subject.key,
                &predicate,
                &name.found.key,
                text.bytes(verb, name.words.end - 1),
                subject.certain - 0.05,
            );
        }
    }
}
