//! `ropewalk prompts`: which prompts there are, and what a changed one changes.

use std::path::Path;

use anyhow::{Context, anyhow};
use ropewalk_core::prompt::PromptDefinition;
use ropewalk_engine::definitions::{Definitions, PromptFile, PromptOrigin};
use serde::Serialize;
use serde_json::json;
use similar::TextDiff;

use crate::arguments::Prompts;
use crate::progress::{print, say};
use crate::{Ending, session};

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

pub(crate) fn run(prompts: Prompts) -> anyhow::Result<Ending> {
    let definitions = Definitions::new(session::folders());
    match prompts {
        Prompts::List { json } => list(&definitions, json),
        Prompts::Diff { prompt, other } => diff(&definitions, &prompt, other.as_deref()),
    }
}

#[derive(Serialize)]
struct Listed {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    description: String,
    variables: Vec<String>,
    /// `shipped`, `override` or `user`.
    from: &'static str,
    /// The user's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

fn list(definitions: &Definitions, json: bool) -> anyhow::Result<Ending> {
    let mut listed = Vec::new();
    for name in definitions.names("prompts", "md") {
        if let Some(file) = definitions.prompt_file(&name)? {
            listed.push(describe(name, file));
        }
    }
    let sound = listed.iter().all(|prompt| prompt.problem.is_none());
    if json {
        print(&json!({"prompts": listed}).to_string());
    } else {
        let longest = listed.iter().map(|prompt| prompt.name.chars().count());
        let width = longest.max().unwrap_or(0);
        for prompt in &listed {
            print(&line(prompt, width));
        }
    }
    Ok(if sound { Ending::Done } else { Ending::Failed })
}

fn describe(name: String, file: PromptFile) -> Listed {
    let parsed = PromptDefinition::parse(&file.path, &file.text);
    let (settings, used, problem) = match parsed {
        Err(error) => (Default::default(), Vec::new(), Some(error.to_string())),
        Ok(prompt) => match prompt.template() {
            Ok(template) => (prompt.settings, template.names().to_vec(), None),
            Err(error) => {
                let problem = format!("{}: {error}", file.path);
                (prompt.settings, Vec::new(), Some(problem))
            }
        },
    };
    let variables = match settings.variables {
        Some(declared) => declared.into_keys().collect(),
        None => used,
    };
    Listed {
        name,
        version: settings.version,
        description: settings.description,
        variables,
        from: match file.from {
            PromptOrigin::Shipped => "shipped",
            PromptOrigin::Overrides(_) => "override",
            PromptOrigin::User => "user",
        },
        path: (file.from != PromptOrigin::Shipped).then_some(file.path),
        problem,
    }
}

fn line(prompt: &Listed, width: usize) -> String {
    let name = &prompt.name;
    let version = match prompt.version {
        Some(version) => format!("version {version}"),
        None => "no version".to_owned(),
    };
    let from = match (&prompt.path, prompt.from) {
        (Some(path), "override") => format!("{path} in place of the shipped one"),
        (Some(path), _) => path.clone(),
        (None, _) => "shipped".to_owned(),
    };
    let rest = match &prompt.problem {
        Some(problem) => format!("CANNOT BE USED: {problem}"),
        None => prompt.variables.join(", "),
    };
    format!("{name:width$}  {version:10}  {from}  {rest}")
}

fn diff(definitions: &Definitions, prompt: &str, other: Option<&str>) -> anyhow::Result<Ending> {
    let (old, new) = match other {
        Some(other) => (text(definitions, prompt)?, text(definitions, other)?),
        None => {
            let file = definitions
                .prompt_file(prompt)?
                .ok_or_else(|| unknown(definitions, prompt))?;
            match file.from {
                PromptOrigin::Overrides(shipped) => (
                    (format!("shipped prompts/{prompt}.md"), shipped.to_owned()),
                    (file.path, file.text),
                ),
                PromptOrigin::Shipped => {
                    say(&format!(
                        "{prompt} is as shipped; a file prompts/{prompt}.md here would replace it"
                    ));
                    return Ok(Ending::Done);
                }
                PromptOrigin::User => {
                    say(&format!(
                        "{prompt} is yours alone: none of that name is shipped"
                    ));
                    return Ok(Ending::Done);
                }
            }
        }
    };
    let difference = TextDiff::from_lines(&old.1, &new.1);
    let difference = difference
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&old.0, &new.0)
        .to_string();
    if difference.is_empty() {
        say("no difference");
    } else {
        print(difference.trim_end());
    }
    Ok(Ending::Done)
}

/// Where a prompt is, and what is in it: a file, or a name.
fn text(definitions: &Definitions, prompt: &str) -> anyhow::Result<(String, String)> {
    if Path::new(prompt).is_file() {
        let text =
            std::fs::read_to_string(prompt).with_context(|| format!("cannot read {prompt}"))?;
        return Ok((prompt.to_owned(), text));
    }
    let file = definitions.prompt_file(prompt)?;
    let file = file.ok_or_else(|| unknown(definitions, prompt))?;
    Ok((file.path, file.text))
}

fn unknown(definitions: &Definitions, prompt: &str) -> anyhow::Error {
    let known = definitions.names("prompts", "md").join(", ");
    anyhow!("there is no prompt `{prompt}`: no such file, and none of these: {known}")
}
