//! The words between two names, read as a relation.

use std::ops::Range;

use crate::extract::lexicon;
use crate::extract::token::{Shape, Text};

/// What the words between two names are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Between {
    /// `and`, or a comma: one more of the same.
    Listed,
    /// `, son of`; `'s mother was`: of the name before.
    Of(String),
    /// `who married`: of the name before.
    Relative(Vec<String>),
    /// `was directed by`; joined where it starts with `and` or a comma.
    Verb {
        predicates: Vec<String>,
        joined: bool,
    },
    /// `directed by` without a verb before it: of the subject of the sentence.
    Participle {
        predicates: Vec<String>,
        plain: bool,
        joined: bool,
    },
    /// Nothing that is understood.
    Other,
}

/// More words say nothing clear.
const MOST: usize = 12;

/// Reads the words between two names; dates among them are stepped over.
pub(super) fn between(
    text: &Text<'_>,
    words: Range<usize>,
    dates: impl Iterator<Item = Range<usize>>,
) -> Between {
    if words.len() > 3 * MOST {
        return Between::Other;
    }
    let owner = words
        .start
        .checked_sub(1)
        .is_some_and(|at| text.word(at).ends_with("'s") || text.word(at).ends_with("’s"))
        || words
            .start
            .checked_sub(1)
            .is_some_and(|at| matches!(text.lower(at).as_str(), "his" | "her" | "its" | "their"));
    let dates: Vec<Range<usize>> = dates
        .filter(|date| date.start >= words.start && date.end <= words.end)
        .collect();
    let mut plain: Vec<String> = Vec::new();
    let mut comma = false;
    let mut at = words.start;
    while at < words.end {
        if let Some(date) = dates.iter().find(|date| date.start == at) {
            // `on 12 March 1998 in` is `in`.
            if plain
                .last()
                .is_some_and(|word| matches!(word.as_str(), "on" | "in" | "since"))
            {
                plain.pop();
            }
            at = date.end;
            continue;
        }
        let Some(token) = text.token(at) else {
            return Between::Other;
        };
        match token.shape {
            Shape::Lower => plain.push(text.lower(at)),
            Shape::Number => plain.push(text.lower(at)),
            Shape::Mark(',') if at == words.start => comma = true,
            Shape::Mark('-' | '"' | '“' | '”' | '\'' | '’') => {}
            Shape::Mark(',') if at + 1 == words.end && plain.is_empty() => comma = true,
            _ => return Between::Other,
        }
        at += 1;
    }
    if plain.len() > MOST {
        return Between::Other;
    }
    let words: Vec<&str> = plain.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] if comma => Between::Listed,
        ["and" | "or"] => Between::Listed,
        ["and", "the" | "his" | "her"] => Between::Listed,
        [] => Between::Other,
        _ => read(&words, comma, owner),
    }
}

fn read(words: &[&str], comma: bool, owner: bool) -> Between {
    let (joined, words) = match words.split_first() {
        Some((&("and" | "but"), rest)) => (true, rest),
        _ => (comma, words),
    };
    let (relative, words) = match words.split_first() {
        Some((&("who" | "which"), rest)) => (true, rest),
        _ => (false, words),
    };
    if words.iter().any(|word| {
        matches!(
            *word,
            "not"
                | "never"
                | "if"
                | "whether"
                | "that"
                | "who"
                | "which"
                | "whose"
                | "it"
                | "he"
                | "she"
                | "they"
                | "we"
                | "him"
                | "them"
                | "whom"
                | "because"
                | "when"
                | "than"
                | "while"
                | "where"
                | "but"
                | "or"
                | "i"
                | "you"
        )
    }) {
        return Between::Other;
    }
    // `'s mother was`
    if owner {
        return match words {
            [noun, "is" | "was"] if !lexicon::verb(noun) => Between::Of((*noun).to_owned()),
            [_, noun, "is" | "was"] if lexicon::noun(noun) => Between::Of((*noun).to_owned()),
            _ => Between::Other,
        };
    }
    let kept: Vec<&str> = words.iter().copied().filter(|word| !adverb(word)).collect();
    let Some(last) = last_of(&kept) else {
        return Between::Other;
    };
    let kept = kept.get(..=last).unwrap_or_default();
    let Some((end, head)) = kept.split_last() else {
        return Between::Other;
    };
    let heads = |words: &[&str]| {
        words
            .iter()
            .filter(|word| lexicon::verb(word) && !auxiliary(word))
            .count()
    };
    if lexicon::preposition(end) {
        // `was the second son of`
        if let Some((noun, before)) = head.split_last() {
            let single = noun
                .strip_suffix('s')
                .filter(|single| lexicon::noun(single))
                .unwrap_or(noun);
            if lexicon::noun(single) && matches!(*end, "of" | "to" | "for") {
                let linked = before
                    .iter()
                    .any(|word| auxiliary(word) || matches!(*word, "became" | "becomes" | "as"));
                let others = before.iter().any(|word| {
                    (lexicon::verb(word) && !auxiliary(word) && *word != "became")
                        || lexicon::preposition(word) && *word != "of"
                });
                let bare = comma && !before.iter().any(|word| auxiliary(word));
                if others || !(linked || bare) {
                    return Between::Other;
                }
                let predicate = format!("{single} {end}");
                if bare {
                    return Between::Of(predicate);
                }
                return finish(vec![predicate], relative, joined, false, true);
            }
        }
        // `awarded her with`: what is given is not said of who gives it.
        if head.last() == Some(&"her") {
            return Between::Other;
        }
        let Some(at) = head.iter().rposition(|word| lexicon::verb(word)) else {
            return Between::Other;
        };
        let verb = head.get(at).copied().unwrap_or_default();
        let before = head.get(..at).unwrap_or_default();
        let inside: Vec<&str> = head
            .get(at + 1..)
            .unwrap_or_default()
            .iter()
            .copied()
            .filter(|word| !determiner(word))
            .collect();
        if auxiliary(verb) {
            // `is in`, `was with`: where something is, said by the preposition alone.
            let place = inside.is_empty() && matches!(*end, "in" | "near" | "on" | "from");
            return if place {
                finish(vec![format!("is {end}")], relative, joined, false, true)
            } else {
                Between::Other
            };
        }
        if inside.len() > 2
            || inside
                .iter()
                .any(|word| lexicon::preposition(word) || *word == "and" || *word == "to")
        {
            return Between::Other;
        }
        let tail = inside
            .iter()
            .map(|word| format!("{word} "))
            .collect::<String>();
        let mut predicates = vec![format!("{verb} {tail}{end}")];
        match before {
            // `written and directed by`
            [rest @ .., first, "and"] if lexicon::verb(first) && heads(rest) == 0 => {
                predicates.insert(0, format!("{first} {tail}{end}"))
            }
            _ if heads(before) > 0
                || before.contains(&"and")
                || before.iter().any(|word| lexicon::preposition(word)) =>
            {
                return Between::Other;
            }
            _ => {}
        }
        let finite = before.iter().any(|word| auxiliary(word))
            || *end != "by" && !verb.ends_with("ed") && !matches!(verb, "born" | "known");
        let nominal =
            before.iter().any(|word| auxiliary(word)) && before.iter().any(|word| determiner(word));
        return finish(
            predicates,
            relative,
            joined,
            !finite && !nominal,
            before.is_empty(),
        );
    }
    // A verb alone: `married`, `starring`.
    if lexicon::verb(end)
        && !auxiliary(end)
        && heads(head) == 0
        && !head
            .iter()
            .any(|word| lexicon::preposition(word) || determiner(word))
    {
        let passive =
            head.iter().any(|word| auxiliary(word)) && !matches!(*end, "named" | "called");
        if passive {
            return Between::Other;
        }
        return finish(
            vec![(*end).to_owned()],
            relative,
            joined,
            *end == "starring",
            true,
        );
    }
    Between::Other
}

fn finish(
    predicates: Vec<String>,
    relative: bool,
    joined: bool,
    participle: bool,
    plain: bool,
) -> Between {
    if predicates.iter().any(|predicate| predicate.len() > 60) {
        Between::Other
    } else if joined && participle && predicates.iter().any(|one| one.starts_with("known ")) {
        // `…, also known as`: of the name before.
        Between::Relative(predicates)
    } else if relative {
        Between::Relative(predicates)
    } else if participle {
        Between::Participle {
            predicates,
            plain,
            joined,
        }
    } else {
        Between::Verb { predicates, joined }
    }
}

/// The word a relation ends with: `directed by the filmmaker` ends with `by`.
fn last_of(words: &[&str]) -> Option<usize> {
    let ends = |word: &str| lexicon::preposition(word) || lexicon::verb(word);
    let at = words.iter().rposition(|word| ends(word))?;
    let after = words.get(at + 1..).unwrap_or_default();
    // `in the city of`: the place, not the city.
    if words.get(at) == Some(&"of")
        && after.is_empty()
        && let Some([.., before, "the", kind]) = words.get(..at)
        && lexicon::preposition(before)
        && *before != "of"
        && place(kind)
    {
        return at.checked_sub(3);
    }
    let few = after.len() <= 2
        && !after.contains(&"and")
        && !after
            .iter()
            .any(|word| matches!(*word, "to" | "it" | "him" | "them" | "her"));
    few.then_some(at)
}

fn place(word: &str) -> bool {
    matches!(
        word,
        "city"
            | "town"
            | "village"
            | "state"
            | "county"
            | "province"
            | "island"
            | "district"
            | "region"
            | "suburb"
            | "municipality"
    )
}

/// Verbs that only help others.
pub(super) fn auxiliary(word: &str) -> bool {
    matches!(
        word,
        "is" | "was" | "are" | "were" | "be" | "been" | "being" | "has" | "have" | "had"
    )
}

fn determiner(word: &str) -> bool {
    matches!(
        word,
        "the" | "a" | "an" | "his" | "her" | "its" | "their" | "this"
    )
}

fn adverb(word: &str) -> bool {
    (word.len() > 4
        && word.ends_with("ly")
        && !matches!(word, "family" | "assembly" | "monthly" | "weekly"))
        || matches!(
            word,
            "also"
                | "first"
                | "later"
                | "then"
                | "once"
                | "soon"
                | "still"
                | "now"
                | "both"
                | "first-ever"
        )
}
