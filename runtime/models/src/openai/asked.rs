//! A request as both protocols say it: sampling decided, schemas shaped, names within bounds.

use ropewalk_core::message::{ChatRequest, Sampling};
use ropewalk_core::tool::{ToolCall, ToolSpec};
use serde_json::{Value, json};

use super::adapt::{AnswerForm, Asking, ToolForm};
use super::config::OpenAiConfig;
use super::dialect::Dialect;
use super::kept::Turns;
use super::names::Names;
use super::reply::AddedNulls;
use super::schema::{Nulls, Shaped};

/// A request, ready to be written in either protocol.
pub(super) struct Asked<'a> {
    /// The conversation and what is wanted.
    pub request: &'a ChatRequest,
    /// The model's name.
    pub model: &'a str,
    /// Whether the reply is to come piece by piece.
    pub stream: bool,
    /// The endpoint's dialect.
    pub dialect: Dialect,
    /// What it is known not to take.
    pub asking: &'a Asking,
    /// Tool names.
    pub names: &'a Names,
    /// What goes back with earlier turns.
    pub turns: &'a Turns,
    /// The request's sampling, with the configuration's where it says nothing.
    pub sampling: Sampling,
    /// The schema of the answer as the dialect takes it.
    pub answer: Option<Shaped>,
    /// How the answer is held to it.
    pub form: AnswerForm,
    /// The tools on offer.
    pub tools: Vec<Tool>,
}

/// A tool as the endpoint sees it.
pub(super) struct Tool {
    /// Its name on the wire.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The schema of its arguments; none where there are none and the dialect wants none.
    pub parameters: Option<Value>,
    /// Whether calls are held to it; none where the dialect does not ask.
    pub strict: Option<bool>,
}

/// The protocol or the dialect has no words for what is wanted: what to do instead.
#[derive(Debug)]
pub(super) struct NotSayable(pub String);

impl<'a> Asked<'a> {
    pub(super) fn new(
        request: &'a ChatRequest,
        config: &'a OpenAiConfig,
        dialect: Dialect,
        asking: &'a Asking,
        names: &'a Names,
        turns: &'a Turns,
    ) -> (Self, AddedNulls) {
        let mut nulls = AddedNulls::default();
        let form = match &request.response_schema {
            // There it must be an object; this says nothing about other schemas.
            Some(schema)
                if dialect == Dialect::OpenAi && schema.get("type") != Some(&json!("object")) =>
            {
                AnswerForm::Prompt
            }
            _ => asking.answer,
        };
        let answer = request.response_schema.as_ref().map(|schema| {
            let shaped = Shaped::of(schema, dialect, form == AnswerForm::Strict);
            if shaped.strict {
                nulls.answer = Some(Nulls::of(schema));
            }
            shaped
        });
        let tools = request
            .tools
            .iter()
            .map(|spec| {
                let shaped = Shaped::of_arguments(
                    &spec.input_schema,
                    dialect,
                    asking.tools == ToolForm::Strict,
                );
                if shaped.strict {
                    nulls
                        .tools
                        .insert(spec.name.clone(), Nulls::of(&spec.input_schema));
                }
                tool(spec, shaped, dialect, asking.tools, names)
            })
            .collect();
        let asked = Self {
            request,
            model: &config.model,
            stream: config.stream,
            dialect,
            asking,
            names,
            turns,
            sampling: request.sampling.or(&config.sampling),
            answer,
            form,
            tools,
        };
        (asked, nulls)
    }

    /// The schema in words, where the endpoint takes it in no better form.
    pub(super) fn instructions(&self) -> Option<String> {
        let schema = self.request.response_schema.as_ref()?;
        (self.form >= AnswerForm::Object).then(|| {
            format!(
                "Answer with JSON alone, no other words, that satisfies this JSON schema:\n{schema}"
            )
        })
    }
}

fn tool(spec: &ToolSpec, shaped: Shaped, dialect: Dialect, form: ToolForm, names: &Names) -> Tool {
    let mut description = spec.description.clone();
    let mut parameters = Some(shaped.schema);
    if form == ToolForm::Described {
        let schema = &spec.input_schema;
        description = format!("{description}\n\nArguments, as a JSON schema: {schema}");
        parameters = Some(json!({"type": "object", "properties": {}}));
    }
    let nothing = |schema: &Value| {
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.is_none_or(|properties| properties.is_empty())
    };
    if dialect == Dialect::Gemini {
        // An object without properties is refused there; no schema at all is not.
        parameters = parameters.filter(|schema| !nothing(schema));
    }
    let description = description.trim().to_owned();
    Tool {
        name: names.wire(&spec.name),
        description: Some(description).filter(|text| !text.is_empty()),
        parameters,
        // OpenAI's two protocols differ in what they take silence for.
        strict: (dialect == Dialect::OpenAi).then_some(shaped.strict),
    }
}

/// A call's arguments as text. Arguments that were no object go back as one: some endpoints refuse
/// their own mistakes.
pub(super) fn raw_arguments(call: &ToolCall) -> String {
    match &call.arguments {
        Value::Object(_) => call.arguments.to_string(),
        Value::String(raw) => json!({"invalid_json": raw}).to_string(),
        other => json!({"invalid_arguments": other}).to_string(),
    }
}
