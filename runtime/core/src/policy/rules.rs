//! Rules as a person writes them, in TOML.

use std::collections::BTreeSet;
use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::examples::{self, Example};
use super::{Reason, Source, Subject, Verdict};
use crate::graph::expression::Expression;
use crate::tool::Permission;

/// Longest file, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Rules in one file.
const MOST_RULES: usize = 1_000;

/// The names that a condition may use.
const NAMES: [&str; 7] = [
    "server",
    "tool",
    "args",
    "hints",
    "untrusted",
    "private",
    "suspect",
];

/// What is wrong with a file of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct PolicyError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, where, and what to write instead.
    pub message: String,
}

/// Rules, in the order of their files. None at all is a policy as well: the defaults.
#[derive(Clone, Default)]
pub struct Policy {
    rules: Vec<Rule>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rules.iter().map(|rule| &rule.by);
        f.debug_list().entries(names).finish()
    }
}

#[derive(Clone)]
struct Rule {
    by: String,
    server: GlobMatcher,
    tools: Vec<GlobMatcher>,
    when: Option<Expression>,
    then: Permission,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "rule")]
    rules: Vec<Written>,
}

/// One rule of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    #[serde(default = "anything")]
    server: String,
    #[serde(default = "any_of_them")]
    tools: Vec<String>,
    #[serde(default)]
    when: Option<String>,
    then: Permission,
    why: String,
    #[serde(default, rename = "example")]
    examples: Vec<Example>,
}

fn anything() -> String {
    "*".to_owned()
}

fn any_of_them() -> Vec<String> {
    vec![anything()]
}

impl Policy {
    /// Reads a file of rules and tries its examples.
    ///
    /// # Errors
    /// When it is not TOML of the expected form (with line and column), a pattern or a condition
    /// makes no sense, a rule has no example that it decides on, or an example comes out
    /// otherwise.
    pub fn parse(text: &str, file: &str) -> Result<Self, PolicyError> {
        let wrong = |at: usize, message: String| PolicyError {
            file: file.to_owned(),
            line: line_of(text, at),
            message,
        };
        if text.len() > MOST_BYTES {
            let bytes = text.len();
            let message = format!("{bytes} bytes; {MOST_BYTES} are allowed");
            return Err(wrong(0, message));
        }
        let written: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            // The reader names the column, and shows the line.
            wrong(at, error.to_string())
        })?;
        if written.rules.len() > MOST_RULES {
            let rules = written.rules.len();
            let message = format!("{rules} rules; {MOST_RULES} are allowed");
            return Err(wrong(0, message));
        }
        let named = |rule: &Written, message: String| {
            let name = rule.name.get_ref();
            wrong(rule.name.span().start, format!("rule `{name}`: {message}"))
        };
        let mut names = BTreeSet::new();
        let mut policy = Self::default();
        for rule in &written.rules {
            if !names.insert(rule.name.get_ref()) {
                let message = "there is another of this name; rename one".to_owned();
                return Err(named(rule, message));
            }
            let compiled = rule
                .compiled(file)
                .map_err(|message| named(rule, message))?;
            policy.rules.push(compiled);
        }
        for (rule, compiled) in written.rules.iter().zip(&policy.rules) {
            examples::check(&policy, &compiled.by, &rule.examples)
                .map_err(|message| named(rule, message))?;
        }
        Ok(policy)
    }

    /// How many rules it has.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether it is the defaults alone.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Lets tools of a server run without being asked: what `allow` in a server's configuration
    /// says. The names are taken as they are, and `*` is all of them.
    #[must_use]
    pub fn allowing(mut self, server: &str, tools: &[String]) -> Self {
        let literal = |name: &str| glob(&globset::escape(name)).ok();
        let tools: Vec<GlobMatcher> = tools
            .iter()
            .filter_map(|tool| {
                if tool == "*" {
                    glob("*").ok()
                } else {
                    literal(tool)
                }
            })
            .collect();
        if let Some(server) = literal(server).filter(|_| !tools.is_empty()) {
            self.rules.push(Rule {
                by: "the server's `allow`".to_owned(),
                server,
                tools,
                when: None,
                then: Permission::Allow,
                why: "it may run without asking".to_owned(),
            });
        }
        self
    }

    /// The rules of both, these first.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self
    }

    /// Judges a call by the rules alone: the strictest of those that apply, or the default.
    pub fn judge(&self, subject: &Subject<'_>) -> Verdict {
        let mut scope = None;
        let mut reasons: Vec<Reason> = self
            .rules
            .iter()
            .filter_map(|rule| rule.word(subject, &mut scope))
            .collect();
        if reasons.is_empty() {
            let permission = subject.default_permission();
            let why = match permission {
                Permission::Allow => "read-only tools of Ropewalk's own servers run",
                _ => "no rule allows it",
            };
            reasons.push(Reason {
                by: "the default".to_owned(),
                source: Source::Default,
                permission,
                why: why.to_owned(),
            });
        }
        Verdict::of(reasons)
    }
}

impl Written {
    fn compiled(&self, file: &str) -> Result<Rule, String> {
        if self.tools.is_empty() {
            return Err("`tools` is empty; leave it out for all of them".to_owned());
        }
        if self.why.trim().is_empty() {
            return Err("`why` is empty; whoever is refused reads it".to_owned());
        }
        let when = self.when.as_deref().map(condition).transpose()?;
        let tools: Result<_, _> = self.tools.iter().map(|tool| glob(tool)).collect();
        Ok(Rule {
            by: format!("rule `{}` of {file}", self.name.get_ref()),
            server: glob(&self.server)?,
            tools: tools?,
            when,
            then: self.then,
            why: self.why.clone(),
        })
    }
}

/// The line of a place in a text, from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let compiled = GlobBuilder::new(pattern)
        .backslash_escape(true)
        .build()
        .map_err(|error| format!("the pattern `{pattern}`: {}", error.kind()))?;
    Ok(compiled.compile_matcher())
}

fn condition(text: &str) -> Result<Expression, String> {
    let expression = Expression::parse(text).map_err(|error| format!("`when`: {error}"))?;
    match expression
        .names()
        .iter()
        .find(|name| !NAMES.contains(&name.as_str()))
    {
        Some(name) => Err(format!(
            "`when` names `{name}`; there are: {}",
            NAMES.join(", ")
        )),
        None => Ok(expression),
    }
}

impl Rule {
    /// What it says of a call, if anything. The scope is made once for all rules.
    fn word(
        &self,
        subject: &Subject<'_>,
        scope: &mut Option<Map<String, Value>>,
    ) -> Option<Reason> {
        if !self.server.is_match(subject.server)
            || !self.tools.iter().any(|tool| tool.is_match(subject.tool))
        {
            return None;
        }
        let said = |permission, why: String| {
            Some(Reason {
                by: self.by.clone(),
                source: Source::Rule,
                permission,
                why,
            })
        };
        let Some(when) = &self.when else {
            return said(self.then, self.why.clone());
        };
        match when.holds(scope.get_or_insert_with(|| variables(subject))) {
            Ok(true) => said(self.then, self.why.clone()),
            Ok(false) => None,
            Err(error) => said(
                Permission::Deny,
                format!("its condition cannot be checked: {error}"),
            ),
        }
    }
}

fn variables(subject: &Subject<'_>) -> Map<String, Value> {
    let values = [
        json!(subject.server),
        json!(subject.tool),
        subject.arguments.clone(),
        json!(subject.believed()),
        json!(subject.exposure.untrusted),
        json!(subject.exposure.private),
        json!(subject.exposure.suspect),
    ];
    let names = NAMES.iter().map(|name| (*name).to_owned());
    names.zip(values).collect()
}
