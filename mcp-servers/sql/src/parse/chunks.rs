//! A question as a row of chunks: roles, numbers, quoted texts, and what is linked to the schema.

use std::collections::{HashMap, HashSet};

use crate::parse::facts::Facts;
use crate::parse::lexicon::{self, Measure, Role};
use crate::parse::link::{Link, Linker, Meanings};
use crate::parse::tokens::{Kind, Token};
use crate::words::of_name;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub(super) what: What,
    /// The words, as they stand in the question.
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Role(Role),
    Number(f64),
    Quoted(String),
    Mention(Link),
    /// Nothing that is known.
    Unknown,
}

/// Longest name or value, in words.
const LONGEST: usize = 7;

/// Whether a word looks like a form of a verb.
pub(super) fn participle(word: &str) -> bool {
    let lower = word.to_lowercase();
    lower.ends_with("ed") || lower.ends_with("ing")
}

fn verb(token: &Token) -> bool {
    token.phrase().is_some_and(|word| participle(&word))
}

/// Small words that may stand inside a name: "type of pet", "the singer's name".
const INSIDE: &[&str] = &["of", "the", "s"];

struct Cutter<'a> {
    question: &'a str,
    tokens: &'a [Token],
    meanings: Vec<Meanings>,
    facts: &'a Facts,
    linker: &'a Linker,
    near: HashSet<usize>,
}

pub(super) fn chunks(
    question: &str,
    tokens: &[Token],
    facts: &Facts,
    linker: &Linker,
) -> Vec<Chunk> {
    // Each word once, however often it is said.
    let mut known: HashMap<&str, Meanings> = HashMap::new();
    let meanings: Vec<Meanings> = tokens
        .iter()
        .map(|token| match &token.kind {
            Kind::Word { stem, lower, .. } => {
                let meanings = known.entry(stem).or_insert_with(|| {
                    // A word with a role is no other word misspelt.
                    if lexicon::role(lower).is_some() {
                        linker.said(stem)
                    } else {
                        linker.meanings(stem)
                    }
                });
                meanings.clone()
            }
            // "line 1".
            Kind::Number(number) => linker.said(&number.to_string()),
            _ => Meanings::new(),
        })
        .collect();
    let stems = meanings.iter().flatten().map(|(stem, _)| stem);
    let cutter = Cutter {
        question,
        tokens,
        near: facts.tables_named_by(stems),
        meanings,
        facts,
        linker,
    };
    cutter.cut()
}

impl Cutter<'_> {
    fn cut(&self) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            let (mut what, count) = self.longest(at, token);
            // "the one with", "each one".
            let before = chunks.last().map(|chunk: &Chunk| chunk.text.to_lowercase());
            if self
                .text(at, at.saturating_add(1))
                .eq_ignore_ascii_case("one")
                && before.is_some_and(|before| {
                    before.ends_with("the") || before.ends_with("each") || before == "which"
                })
            {
                what = What::Role(Role::It);
            }
            let end = at.saturating_add(count.max(1));
            let text = self.text(at, end).to_owned();
            chunks.push(Chunk { what, text });
            at = end;
        }
        chunks
    }

    fn longest(&self, at: usize, token: &Token) -> (What, usize) {
        let phrase = self.phrase(at);
        // "the maximum number of tickets": of what is called so.
        if let Some((_, length)) = phrase
            && let Some(role) = self.before_number(at, length)
        {
            return role;
        }
        let (link, words) = self.mention(at);
        if let Some(first) = self.ordinal(at, words) {
            return (What::Role(first), 1);
        }
        if words > 0 {
            let (role, length) = phrase.unwrap_or((Role::Filler, 0));
            // "number of flights" is no flight number.
            let counts = matches!(role, Role::NumberOf | Role::HowMany) && length > 1;
            if counts && self.mention(at.saturating_add(length)).0.table_score() > 0.9 {
                return (What::Role(role), length);
            }
            // "the amount of a payment" is a column where one is called so.
            let amount = length == 2
                && self
                    .text(at, at.saturating_add(1))
                    .eq_ignore_ascii_case("amount");
            if role == Role::NumberOf && amount && link.column_score() > 0.85 {
                return (What::Mention(link), words);
            }
            // A word with a role is rather that than a name of one word, but for verbs and the like.
            let soft = matches!(
                role,
                Role::Verb | Role::Filler | Role::Beyond | Role::Ask | Role::Some | Role::Way(_)
            );
            let strong = link.column_score().max(link.table_score()) >= 0.95;
            if words > length || words == length && soft && strong {
                return (What::Mention(link), words);
            }
        }
        if let Some((role, length)) = phrase {
            // "or higher than" begins another comparison.
            let than = at.checked_add(length).and_then(|end| self.tokens.get(end));
            if matches!(role, Role::After(_))
                && than.and_then(Token::phrase).as_deref() == Some("than")
            {
                return (What::Role(Role::Or), 1);
            }
            return (What::Role(role), length);
        }
        match &token.kind {
            Kind::Number(number) => (What::Number(*number), 1),
            Kind::Quoted(text) => (What::Quoted(text.clone()), 1),
            _ => (What::Unknown, 1),
        }
    }

    /// The longest phrase of the lexicon.
    fn phrase(&self, at: usize) -> Option<(Role, usize)> {
        (1..=lexicon::LONGEST).rev().find_map(|count| {
            let words = self.tokens.get(at..at.checked_add(count)?)?;
            let words: Option<Vec<String>> = words.iter().map(Token::phrase).collect();
            Some((lexicon::role(&words?.join(" "))?, count))
        })
    }

    /// The longest words that are linked, of tables, columns and values together.
    fn mention(&self, at: usize) -> (Link, usize) {
        let most = LONGEST.min(self.tokens.len().saturating_sub(at));
        for count in (1..=most).rev() {
            let end = at.saturating_add(count);
            let Some(words) = self.tokens.get(at..end) else {
                continue;
            };
            let asks = |token: &Token| {
                token.phrase().and_then(|word| lexicon::role(&word)) == Some(Role::Ask)
            };
            if count > 1 && words.first().is_some_and(asks) {
                continue;
            }
            let mut link = self.named(at, words).unwrap_or_default();
            if self.may_be_value(words) {
                link.values = self.linker.values(self.text(at, end));
            }
            if !link.is_empty() {
                return (link, count);
            }
        }
        (Link::default(), 0)
    }

    fn named(&self, at: usize, words: &[Token]) -> Option<Link> {
        let inside = |word: &Token| matches!(&word.kind, Kind::Word { lower, .. } if INSIDE.contains(&lower.as_str()));
        if words.first().is_some_and(inside) || words.last().is_some_and(inside) {
            return None;
        }
        // "name of singers" is a name, of singers.
        if let Some(of) = words
            .iter()
            .rposition(|word| word.phrase().as_deref() == Some("of"))
            && let Some(after) = words.get(of.saturating_add(1)..)
        {
            let small = after.iter().take_while(|word| inside(word)).count();
            let after = after.get(small..).unwrap_or_default();
            let at = at
                .saturating_add(of)
                .saturating_add(1)
                .saturating_add(small);
            if self
                .named(at, after)
                .is_some_and(|link| link.table_score() > 0.9)
            {
                return None;
            }
        }
        let joins = |word: &Token| {
            let role = word.phrase().and_then(|word| lexicon::role(&word));
            matches!(role, Some(Role::And | Role::Or))
        };
        if words.last().is_some_and(joins) || words.first().is_some_and(joins) {
            return None;
        }
        // "eliminations by each team": the last word begins what follows.
        let after = at
            .checked_add(words.len())
            .and_then(|end| self.tokens.get(end));
        let each = after
            .and_then(Token::phrase)
            .is_some_and(|word| word == "each" || word == "every");
        if words.len() > 1 && each && words.last().and_then(Token::phrase).as_deref() == Some("by")
        {
            return None;
        }
        let numbers = words.iter().enumerate().skip(1).find(|(place, word)| {
            let next = words.get(place.saturating_add(1)).and_then(Token::phrase);
            word.phrase().as_deref() == Some("number") && next.as_deref() == Some("of")
        });
        let number = numbers.map(|(place, _)| place);
        let mut and = false;
        let mut sought: Vec<(String, Meanings)> = Vec::new();
        for (place, (word, meanings)) in words.iter().zip(self.meanings.iter().skip(at)).enumerate()
        {
            match &word.kind {
                // "total number of horses" for `total_horses`.
                _ if inside(word) => {}
                _ if Some(place) == number => {}
                // "authors and tutors" is one thing only where it is one name.
                _ if joins(word) => and = true,
                Kind::Word { stem, .. } => sought.push((stem.clone(), meanings.clone())),
                Kind::Number(number) if place > 0 && !meanings.is_empty() => {
                    sought.push((number.to_string(), meanings.clone()));
                }
                _ => return None,
            }
        }
        let link = self.linker.names(self.facts, &sought, &self.near);
        let mut link = link;
        if and {
            link.columns.clear();
            link.tables.retain(|(_, score)| *score >= 1.0);
        }
        if words.len() > 1 {
            // Together only where the words are more than each on its own.
            let of = words.iter().any(inside);
            link.columns.retain(|(at, score)| {
                let whole = *score > 0.9;
                let own = self.facts.column(*at).is_some_and(|column| {
                    sought.iter().all(|(_, meanings)| {
                        meanings.iter().any(|(stem, _)| column.stems.contains(stem))
                    })
                });
                whole && (!of || own) || *score >= 0.6 && !of
            });
            link.tables.retain(|(_, score)| *score > 0.5 && !of);
            // "mountains climbed" are no climbers.
            if words.last().is_some_and(verb) {
                link.tables.retain(|(_, score)| *score > 0.9);
                link.columns.retain(|(_, score)| *score >= 0.95);
            }
        }
        // What is "located" is no location.
        if let [word] = words
            && verb(word)
        {
            let said = word.phrase().unwrap_or_default();
            link.tables.retain(|(table, _)| self.says(*table, &said));
        }
        Some(link)
    }

    /// Whether a word is in the name of a table as it is said.
    fn says(&self, table: usize, word: &str) -> bool {
        let words = self.facts.table(table).map(|table| of_name(&table.name));
        words.is_some_and(|words| words.iter().any(|own| own.starts_with(word)))
    }

    /// "the first student" is the earliest one; a "first name" is none of that.
    fn ordinal(&self, at: usize, words: usize) -> Option<Role> {
        let last = match self.tokens.get(at)?.phrase()?.as_str() {
            "first" => false,
            "last" => true,
            _ => return None,
        };
        let next = self.mention(at.saturating_add(1)).0;
        let table = next.table_score() > 0.75 && next.table_score() >= next.column_score() - 0.05;
        (words < 2 && table).then_some(Role::Extreme(last, Some(Measure::Time)))
    }

    /// The role of "maximum" where "number of tickets" after it is a column.
    fn before_number(&self, at: usize, length: usize) -> Option<(What, usize)> {
        let before = length.checked_sub(2).filter(|before| *before > 0)?;
        let number = at.checked_add(before)?;
        let token = self.tokens.get(number)?;
        if token.phrase().as_deref() != Some("number") {
            return None;
        }
        let of = self.mention(number.saturating_add(2)).0;
        let numeric = of.columns.first().is_some_and(|(at, score)| {
            *score > 0.85
                && self
                    .facts
                    .column(*at)
                    .is_some_and(|column| column.holds.numeric() && !column.key && !column.foreign)
        });
        if self.mention(number).1 < 3 && !(numeric && of.table_score() < 0.6) {
            return None;
        }
        let words = self.tokens.get(at..number)?;
        let words: Option<Vec<String>> = words.iter().map(Token::phrase).collect();
        Some((What::Role(lexicon::role(&words?.join(" "))?), before))
    }

    fn may_be_value(&self, words: &[Token]) -> bool {
        let content = |token: &Token| match &token.kind {
            Kind::Word { lower, capital, .. } => {
                *capital && lower.len() > 1 || lexicon::role(lower).is_none()
            }
            Kind::Number(_) => words.len() > 1,
            Kind::Quoted(_) => false,
            Kind::Mark(_) => false,
        };
        let edge = |token: Option<&Token>| {
            token.is_some_and(|token| !matches!(token.kind, Kind::Mark(_) | Kind::Quoted(_)))
        };
        let role = |token: &Token| match &token.kind {
            Kind::Word { lower, .. } => lexicon::role(lower).is_some(),
            _ => false,
        };
        let first = words.first();
        edge(first)
            && edge(words.last())
            && words.iter().any(content)
            // "in France" is no value, but "The Hague" is one.
            && (!first.is_some_and(role) || words.len() > 1 && first.is_some_and(content))
            && words.iter().all(|token| !matches!(token.kind, Kind::Quoted(_)))
    }

    fn text(&self, at: usize, end: usize) -> &str {
        let first = self.tokens.get(at).map_or(0, |token| token.span.start);
        let last = end.checked_sub(1).and_then(|last| self.tokens.get(last));
        let last = last.map_or(first, |token| token.span.end);
        self.question.get(first..last).unwrap_or_default()
    }
}
