//! A prompt as a person writes it: a template in Markdown, with YAML front matter where its
//! version and its variables are to be kept track of.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::definition::{DefinitionError, split_front_matter};
use crate::graph::definition::ValueType;
use crate::graph::expression::{ExpressionError, Template};

/// A prompt: `prompts/NAME.md`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromptDefinition {
    /// What is in the front matter; nothing where there is none.
    pub settings: PromptSettings,
    /// The template.
    pub text: String,
}

/// The front matter of a prompt file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptSettings {
    /// Counts up with every change that changes answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it is made from, by name. Where this is given, it is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<IndexMap<String, ValueType>>,
}

impl PromptDefinition {
    /// A prompt without front matter.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            settings: PromptSettings::default(),
            text: text.into(),
        }
    }

    /// Reads a prompt file. `path` is for messages only.
    ///
    /// # Errors
    /// Front matter that does not end or does not parse, a variable that is used and not
    /// declared, and one that is declared and not used. A template that does not parse is left to
    /// [`PromptDefinition::template`].
    pub fn parse(path: &str, text: &str) -> Result<Self, DefinitionError> {
        let refuse = |line, column, message: String| DefinitionError {
            path: path.to_owned(),
            line,
            column,
            message,
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = text.replace("\r\n", "\n");
        if !text.starts_with("---\n") {
            return Ok(Self::plain(text.trim_end()));
        }
        let Some((front, body)) = split_front_matter(&text) else {
            let message = "the front matter has no end: close it with a line of `---`";
            return Err(refuse(1, 1, message.to_owned()));
        };
        let settings: PromptSettings = if front.trim().is_empty() {
            PromptSettings::default()
        } else {
            serde_norway::from_str(front).map_err(|error| {
                let place = error.location();
                let (line, column) = place.map_or((1, 1), |at| (at.line(), at.column()));
                // The opening line of dashes comes before the first line of YAML.
                refuse(line + 1, column, error.to_string())
            })?
        };
        let prompt = Self {
            settings,
            text: body.trim().to_owned(),
        };
        let body_line = text.lines().count() - body.trim_start().lines().count() + 1;
        let (Some(declared), Ok(template)) = (&prompt.settings.variables, prompt.template()) else {
            return Ok(prompt);
        };
        for name in template.names() {
            if !declared.contains_key(name) {
                let (line, column) = place_of(name, &prompt.text, |line, _| line.contains('{'));
                let message = format!(
                    "`{name}` is not among the `variables` of the front matter; declare it there, \
                     as in `{name}: string`"
                );
                return Err(refuse(body_line + line, column, message));
            }
        }
        for name in declared.keys() {
            if !template.names().contains(name) {
                let key = |_: &str, after: &str| {
                    after.trim_start_matches(['"', '\'', ' ']).starts_with(':')
                };
                let (line, column) = place_of(name, front, key);
                let message =
                    format!("`{name}` is declared and never used; take it out, or use it");
                return Err(refuse(line + 2, column, message));
            }
        }
        Ok(prompt)
    }

    /// The text as a template.
    ///
    /// # Errors
    /// A text that is none.
    pub fn template(&self) -> Result<Template, ExpressionError> {
        Template::parse(&self.text)
    }
}

/// Line, from 0, and column, from 1, of the first name that stands as a whole word and as it
/// should, told by its line and by what comes after it there.
fn place_of(name: &str, text: &str, should: impl Fn(&str, &str) -> bool) -> (usize, usize) {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let column = |line: &str| {
        line.match_indices(name).find_map(|(at, found)| {
            let (before, rest) = line.split_at_checked(at)?;
            let after = rest.get(found.len()..)?;
            let whole = !before.ends_with(part) && !after.starts_with(part);
            (whole && should(line, after)).then(|| before.chars().count() + 1)
        })
    };
    let mut places = text.lines().enumerate();
    let place = places.find_map(|(number, line)| Some((number, column(line)?)));
    place.unwrap_or((0, 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        PromptDefinition::parse("p.md", text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn front_matter_is_read_and_is_not_part_of_the_text() {
        let text = "---\nversion: 2\ndescription: Asks.\nvariables: {topic: string, passages: array}\n---\n\
                    About {{ topic }}:\n{% for passage in passages %}{{ passage.title }}{% endfor %}\n";
        let prompt = PromptDefinition::parse("p.md", text).unwrap();
        assert_eq!(prompt.settings.version, Some(2));
        let variables = prompt.settings.variables.unwrap();
        assert_eq!(variables.get("passages"), Some(&ValueType::Array));
        assert!(prompt.text.starts_with("About {{ topic }}"));
        let plain = PromptDefinition::parse("p.md", "Say {{ anything }}\n").unwrap();
        assert_eq!(plain, PromptDefinition::plain("Say {{ anything }}"));
        // Nothing said of variables, nothing checked.
        let text = "---\nversion: 1\n---\nSay {{ anything }}";
        assert_eq!(
            PromptDefinition::parse("p.md", text)
                .unwrap()
                .settings
                .version,
            Some(1)
        );
    }

    #[test]
    fn a_variable_that_is_used_and_not_declared_is_refused_where_it_stands() {
        let text = "---\nversion: 1\nvariables:\n  topic: string\n---\n\nThe topic and the place\n\
                    are {{ topic }} and {{ place }}.\n";
        let said = error(text);
        assert!(
            said.starts_with("p.md: line 8, column 24: `place`"),
            "{said}"
        );
    }

    #[test]
    fn a_variable_that_is_declared_and_not_used_is_refused_where_it_is_declared() {
        let text = "---\ndescription: The place of things.\nvariables:\n  topic: string\n  \
                    place: string\n---\n{{ topic }} in its place\n";
        let said = error(text);
        assert!(
            said.starts_with("p.md: line 5, column 3: `place` is declared"),
            "{said}"
        );
    }

    #[test]
    fn front_matter_with_mistakes_is_refused_with_its_line() {
        assert!(error("---\nversion: 1\nno end").contains("line 1, column 1"));
        assert!(error("---\nversion: one\n---\nx").contains("line 2"));
        assert!(error("---\nversion: 1\nvariable: {}\n---\nx").contains("`variable`"));
        assert!(error("---\nvariables: {a: text}\n---\n{{ a }}").contains("p.md: line 2"));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(---\n)?\\PC{0,80}(\n---\n)?\\PC{0,20}") {
            let _ = PromptDefinition::parse("p.md", &text);
        }
    }
}
