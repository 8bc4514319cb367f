//! Schemas, prompts, templates, expressions and arguments, and the names in them.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Compiler, near};
use crate::graph::definition::{Prompt, ValueType};
use crate::graph::diagnostic::Code;
use crate::graph::expression::{Expression, Template};
use crate::graph::ir::{Argument, ChannelId};
use crate::graph::library::Found;
use crate::prompt::PromptSettings;

impl Compiler<'_> {
    pub(super) fn schema(&mut self, schema: Option<&Value>, path: &str) {
        if let Some(schema) = schema
            && let Err(error) = jsonschema::validator_for(schema)
        {
            let message = format!("this is no JSON schema: {error}");
            self.error(Code::Schema, &format!("{path}.schema"), message, "");
        }
    }

    pub(super) fn prompt(
        &mut self,
        prompt: &Prompt,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Template> {
        let named = format!("{path}.file");
        let text = match (&prompt.text, &prompt.file) {
            (Some(text), None) => text.clone(),
            (None, Some(file)) => match self.library.prompt(file) {
                Found::Yes(prompt) => {
                    self.prompts.push((file.clone(), prompt.text.clone()));
                    self.declared(&prompt.settings, &named, names);
                    prompt.text
                }
                Found::No(known) => {
                    let message = format!("there is no prompt `{file}`");
                    self.error(Code::UnknownPrompt, &named, message, &near(file, &known));
                    return None;
                }
                Found::Broken(reason) => {
                    self.error(Code::UnknownPrompt, &named, reason, "mend that file");
                    return None;
                }
                Found::Unchecked => return None,
            },
            _ => {
                let hint = "write the text itself, or `file: NAME` for prompts/NAME.md";
                self.error(Code::Form, path, "a prompt is a text or a file", hint);
                return None;
            }
        };
        self.template(&text, path, names, reads)
    }

    /// What a prompt says of its variables fits the channels they are.
    fn declared(&mut self, settings: &PromptSettings, path: &str, names: &[&str]) {
        for (name, wanted) in settings.variables.iter().flatten() {
            if names.contains(&name.as_str()) {
                continue;
            }
            let Some(channel) = self.definition.channels.get(name) else {
                continue;
            };
            let held = channel.value_type;
            let number = (*wanted, held) == (ValueType::Number, ValueType::Integer);
            let any = *wanted == ValueType::Any || held == ValueType::Any;
            if held != *wanted && !any && !number {
                let message = format!(
                    "the prompt wants {} as `{name}`, and the channel holds {}",
                    wanted.words(),
                    held.words()
                );
                let hint = "mend the channel's type, or the `variables` of the prompt";
                self.error(Code::Type, path, message, hint);
            }
        }
    }

    pub(super) fn template(
        &mut self,
        text: &str,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Template> {
        match Template::parse(text) {
            Ok(template) => {
                self.named(template.names(), path, names, reads);
                Some(template)
            }
            Err(error) => {
                self.error(Code::Expression, path, error.to_string(), "");
                None
            }
        }
    }

    pub(super) fn expression(
        &mut self,
        text: &str,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Expression> {
        match Expression::parse(text) {
            Ok(expression) => {
                self.named(expression.names(), path, names, reads);
                Some(expression)
            }
            Err(error) => {
                let hint = "text in an expression stands in quotes: 'like this'";
                self.error(Code::Expression, path, error.to_string(), hint);
                None
            }
        }
    }

    /// What an expression names is a channel, or one of the names it has beside them.
    pub(super) fn named(
        &mut self,
        found: &[String],
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) {
        for name in found {
            if names.contains(&name.as_str()) {
                continue;
            }
            match self.channel_names.get(name) {
                Some(channel) => reads.push(*channel),
                None => {
                    let beside: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
                    let channels = self.definition.channels.keys();
                    let hint = self.meant(name, channels.chain(&beside));
                    let message = if super::RESERVED.contains(&name.as_str()) {
                        format!("`{name}` means nothing here")
                    } else {
                        format!("`{name}` is no channel")
                    };
                    self.error(Code::UnknownName, path, message, &hint);
                }
            }
        }
    }

    pub(super) fn arguments(
        &mut self,
        arguments: &IndexMap<String, Value>,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Argument> {
        let mut fields = Vec::with_capacity(arguments.len());
        for (name, value) in arguments {
            let path = format!("{path}.arguments.{name}");
            fields.push((name.clone(), self.argument(value, &path, names, reads)?));
        }
        Some(Argument::Object(fields))
    }

    pub(super) fn argument(
        &mut self,
        value: &Value,
        path: &str,
        names: &[&str],
        reads: &mut Vec<ChannelId>,
    ) -> Option<Argument> {
        Some(match value {
            Value::String(text) if text.contains('{') => {
                Argument::Made(self.template(text, path, names, reads)?)
            }
            Value::Array(items) => {
                let mut made = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    made.push(self.argument(item, &format!("{path}[{index}]"), names, reads)?);
                }
                Argument::List(made)
            }
            Value::Object(fields) => {
                let mut made = Vec::with_capacity(fields.len());
                for (name, field) in fields {
                    let path = format!("{path}.{name}");
                    made.push((name.clone(), self.argument(field, &path, names, reads)?));
                }
                Argument::Object(made)
            }
            fixed => Argument::Fixed(fixed.clone()),
        })
    }
}
