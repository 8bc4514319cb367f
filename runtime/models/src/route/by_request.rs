//! One of several engines, by what is asked of it.

mod labels;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use regex::Regex;
use ropewalk_core::message::{ChatReply, ChatRequest, Message, PassedOver};
use ropewalk_core::tokens::TokenCount;
use serde::{Deserialize, Serialize};

use self::labels::Labels;
use super::{answered, misconfigured, together, too_long};
use crate::choose::MakeEmbedder;
use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};

/// How like its examples a question must be to have their label, as a cosine.
const DEFAULT_AT_LEAST: f32 = 0.35;

/// Which engine is for what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteConfig {
    /// The engine for what no rule and no label is for.
    pub default: String,
    /// Tried in order; the first that applies decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleConfig>,
    /// Kinds of questions, by label. A node may also name one itself: `engine: NAME/LABEL`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, ClassConfig>,
    /// How like an example a question must be to have its label, as a cosine (-1 to 1).
    pub at_least: f32,
}

impl Default for RouteConfig {
    fn default() -> Self {
        Self {
            default: String::new(),
            rules: Vec::new(),
            classes: BTreeMap::new(),
            at_least: DEFAULT_AT_LEAST,
        }
    }
}

/// A rule applies when all that it says is so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleConfig {
    /// The engine it leads to.
    pub engine: String,
    /// Whether tools are on offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// Whether the reply must fit a JSON schema or a grammar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<bool>,
    /// The request has more tokens than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_tokens: Option<u64>,
    /// A regular expression found in the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
}

/// A kind of question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassConfig {
    /// The engine for it.
    pub engine: String,
    /// Questions of this kind, in a person's words.
    pub examples: Vec<String>,
}

struct Rule {
    config: RuleConfig,
    matches: Option<Regex>,
}

/// Chooses among engines by what is asked.
pub struct ByRequest {
    info: EngineInfo,
    default: String,
    rules: Vec<Rule>,
    labels: Option<Labels>,
    engines: BTreeMap<String, Arc<dyn Engine>>,
}

impl RouteConfig {
    /// The names of all engines it may lead to.
    pub fn engines(&self) -> Vec<&str> {
        let rules = self.rules.iter().map(|rule| rule.engine.as_str());
        let classes = self.classes.values().map(|class| class.engine.as_str());
        let mut names: Vec<&str> = std::iter::once(self.default.as_str())
            .chain(rules)
            .chain(classes)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl ByRequest {
    /// A route over the engines it names.
    ///
    /// # Errors
    /// A rule without a condition, a pattern that is none, a label without examples, an engine
    /// that is not among `engines`.
    pub fn new(
        name: &str,
        config: &RouteConfig,
        engines: BTreeMap<String, Arc<dyn Engine>>,
        embedder: MakeEmbedder,
    ) -> Result<Self, EngineError> {
        let id = format!("route:{name}");
        let wrong = |message: String| misconfigured(&id, message);
        for engine in config.engines() {
            if !engines.contains_key(engine) {
                return Err(wrong(format!("there is no engine `{engine}`")));
            }
        }
        let rules = config
            .rules
            .iter()
            .enumerate()
            .map(|(number, rule)| Rule::new(rule, number + 1).map_err(wrong))
            .collect::<Result<_, _>>()?;
        let labels = match config.classes.is_empty() {
            true => None,
            false => Some(Labels::new(config, embedder).map_err(wrong)?),
        };
        Ok(Self {
            info: together(&id, engines.values().map(|engine| engine.info())),
            default: config.default.clone(),
            rules,
            labels,
            engines,
        })
    }

    /// The engine for a request, by name, and why.
    async fn choose(&self, request: &ChatRequest) -> Result<(String, String), EngineError> {
        let question = question(&request.messages);
        let tokens = || ropewalk_core::tokens::estimate(request).tokens;
        let rule = self
            .rules
            .iter()
            .position(|rule| rule.applies(request, question, tokens));
        if let Some((number, rule)) = rule.and_then(|at| Some((at + 1, self.rules.get(at)?))) {
            return Ok((rule.config.engine.clone(), format!("rule {number}")));
        }
        if let Some(labels) = &self.labels {
            let label = labels.of(question).await;
            let label = label.map_err(|message| EngineError::Internal {
                engine: self.info.id.clone(),
                message,
            })?;
            if let Some((label, engine, score)) = label {
                return Ok((engine, format!("label `{label}` at {score:.2}")));
            }
        }
        Ok((self.default.clone(), "default".to_owned()))
    }
}

impl Rule {
    fn new(config: &RuleConfig, number: usize) -> Result<Self, String> {
        let conditions = [
            config.tools.is_some(),
            config.schema.is_some(),
            config.over_tokens.is_some(),
            config.matches.is_some(),
        ];
        if !conditions.contains(&true) {
            return Err(format!(
                "rule {number} has no condition and would always apply; give `tools`, `schema`, \
                 `over_tokens` or `matches`, or make its engine the `default`"
            ));
        }
        let matches = config.matches.as_deref().map(Regex::new).transpose();
        Ok(Self {
            matches: matches.map_err(|error| format!("in rule {number}: {error}"))?,
            config: config.clone(),
        })
    }

    fn applies(&self, request: &ChatRequest, question: &str, tokens: impl Fn() -> u64) -> bool {
        let is = |wanted: Option<bool>, so: bool| wanted.is_none_or(|wanted| wanted == so);
        let held = request.response_schema.is_some() || request.grammar.is_some();
        is(self.config.tools, !request.tools.is_empty())
            && is(self.config.schema, held)
            && self
                .matches
                .as_ref()
                .is_none_or(|found| found.is_match(question))
            && self.config.over_tokens.is_none_or(|most| tokens() > most)
    }
}

/// The last thing that a person asked: what an agent says to its model in between, after results
/// of tools or after the question itself, is none, so that an agent stays with one engine.
fn question(messages: &[Message]) -> &str {
    let mut before: Option<&Message> = None;
    let mut question = "";
    for message in messages {
        let between = matches!(before, Some(Message::Tool { .. } | Message::User { .. }));
        if let Message::User { text } = message
            && !between
        {
            question = text;
        }
        before = Some(message);
    }
    question
}

#[async_trait]
impl Engine for ByRequest {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// By the engine with the largest window, whose turn it is when others are too small.
    fn count(&self, request: &ChatRequest) -> TokenCount {
        let largest = self
            .engines
            .values()
            .max_by_key(|engine| engine.info().context_tokens.unwrap_or(u64::MAX));
        match largest {
            Some(engine) => engine.count(request),
            None => ropewalk_core::tokens::estimate(request),
        }
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        let (name, why) = self.choose(&request).await?;
        tracing::debug!(engine = name, why, "chose an engine");
        let first = self.engines.get(&name);
        // Where the chosen one is too small, any other will do; the default first.
        let default = self.engines.get(&self.default);
        let mut candidates = first
            .into_iter()
            .chain(default)
            .chain(self.engines.values());
        let mut passed_over: Vec<PassedOver> = Vec::new();
        let engine = candidates.find(|engine| match too_long(&***engine, &request) {
            None => true,
            Some(reason) => {
                let engine = engine.info().id.clone();
                if !passed_over.iter().any(|known| known.engine == engine) {
                    passed_over.push(PassedOver { engine, reason });
                }
                false
            }
        });
        let engine = engine
            .or(first)
            .ok_or_else(|| misconfigured(&self.info.id, format!("there is no engine `{name}`")))?;
        let reply = engine.chat(request, deltas).await?;
        Ok(answered(reply, &**engine, passed_over))
    }
}
