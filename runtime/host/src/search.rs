//! The tools that fit a request, of hundreds: by words and by meaning.
//!
//! Words are ranked by BM25F: a hit in a tool's name counts more than one in its
//! description, and that more than one in its parameters. Meaning is the cosine between the
//! request and the tool's name and description. Both are brought to the range 0 to 1 for each
//! request and added with weights; decision 0016 says why.

use ropewalk_core::tool::ToolSpec;
use ropewalk_embed::{EmbedError, Embedder, Field, FieldIndex, cosine, terms, to_unit_range};
use serde_json::Value;

/// Share of meaning in a score; the rest is words.
const MEANING: f32 = 0.6;

/// What a tool's name, description and parameters count.
const FIELDS: [Field; 3] = [
    Field {
        weight: 2.0,
        length: 0.3,
    },
    Field {
        weight: 1.0,
        length: 0.6,
    },
    Field {
        weight: 0.5,
        length: 0.7,
    },
];

/// Bytes of a name and description that are embedded; models read no more than a few hundred words.
const MOST_EMBEDDED: usize = 4 << 10;

/// Nesting at which parameters are left out.
const MAX_DEPTH: usize = 16;

/// Parameters of one tool that count.
const MOST_PARAMETERS: usize = 500;

/// An index over tools, in the order in which they were given.
pub struct ToolIndex {
    words: FieldIndex,
    meanings: Option<(Embedder, Vec<Vec<f32>>)>,
}

/// An index together with the names of its tools.
pub struct Catalogue {
    names: Vec<String>,
    index: ToolIndex,
}

impl Catalogue {
    /// Reads the tools, as [`ToolIndex::new`] does.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn new(tools: Vec<ToolSpec>, embedder: Option<&Embedder>) -> Result<Self, EmbedError> {
        let index = ToolIndex::new(&tools, embedder)?;
        let names = tools.into_iter().map(|tool| tool.name).collect();
        Ok(Self { names, index })
    }

    /// Reads tools by words and by meaning; by words alone where the shipped model cannot be read.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn read(tools: Vec<ToolSpec>) -> Result<Self, String> {
        let embedder = Embedder::shipped()
            .inspect_err(|error| tracing::warn!(%error, "tools are found by their words alone"))
            .ok();
        Self::new(tools, embedder.as_ref()).map_err(|error| error.to_string())
    }

    /// Names of up to `count` tools for a request, best first, as [`ToolIndex::find`] does.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn find(&self, request: &str, count: usize) -> Result<Vec<String>, EmbedError> {
        let found = self.index.find(request, count)?;
        let names = found.iter().filter_map(|found| self.names.get(found.index));
        Ok(names.cloned().collect())
    }
}

/// A tool that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundTool {
    /// Its place among the tools of the index.
    pub index: usize,
    /// How well it fits beside the others, 0 to 1.
    pub score: f32,
}

impl ToolIndex {
    /// Reads the tools. Without an embedder words alone decide. Takes about a hundredth of a second
    /// a tool on one core, nearly all of it for meanings: not for an async thread.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn new(tools: &[ToolSpec], embedder: Option<&Embedder>) -> Result<Self, EmbedError> {
        let fields: Vec<[Vec<String>; 3]> = tools
            .iter()
            .map(|tool| {
                [
                    terms(&tool.name),
                    terms(&tool.description),
                    terms(&parameters(tool)),
                ]
            })
            .collect();
        let meanings = match embedder {
            None => None,
            Some(embedder) => {
                let texts: Vec<String> = tools.iter().map(embedded).collect();
                Some((embedder.clone(), embedder.embed(&texts)?))
            }
        };
        Ok(Self {
            words: FieldIndex::new(&fields, &FIELDS),
            meanings,
        })
    }

    /// Up to `count` tools for a request, best first; of two that fit equally the first one given
    /// comes first. It embeds the request: not for an async thread. None where nothing in the request speaks of any tool.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn find(&self, request: &str, count: usize) -> Result<Vec<FoundTool>, EmbedError> {
        let mut scores = self.words.scores(request);
        if let Some((embedder, meanings)) = &self.meanings {
            let request = embedder.embed(&[request])?;
            let request = request.first().map(Vec::as_slice).unwrap_or_default();
            let mut near: Vec<f32> = meanings
                .iter()
                .map(|meaning| cosine(request, meaning))
                .collect();
            to_unit_range(&mut near);
            to_unit_range(&mut scores);
            for (score, near) in scores.iter_mut().zip(near) {
                *score = MEANING * near + (1.0 - MEANING) * *score;
            }
        } else {
            to_unit_range(&mut scores);
        }
        let mut found: Vec<FoundTool> = scores
            .into_iter()
            .enumerate()
            .filter(|(_, score)| *score > 0.0)
            .map(|(index, score)| FoundTool { index, score })
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
        found.truncate(count);
        Ok(found)
    }
}

/// What is embedded of a tool: its name as words, and its description.
fn embedded(tool: &ToolSpec) -> String {
    let name = ropewalk_embed::words(&tool.name).join(" ");
    let mut text = format!("{name}. {}", tool.description);
    text.truncate(text.floor_char_boundary(MOST_EMBEDDED));
    text
}

/// Names and descriptions of parameters, nested ones included.
fn parameters(tool: &ToolSpec) -> String {
    let mut text = String::new();
    let mut left = MOST_PARAMETERS;
    add_parameters(&tool.input_schema, MAX_DEPTH, &mut left, &mut text);
    text
}

fn add_parameters(schema: &Value, depth: usize, left: &mut usize, text: &mut String) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if *left == 0 || depth == 0 {
            return;
        }
        *left -= 1;
        text.push_str(name);
        text.push(' ');
        if let Some(description) = property.get("description").and_then(Value::as_str) {
            text.push_str(description);
            text.push(' ');
        }
        add_parameters(property, depth - 1, left, text);
    }
    if depth > 0
        && let Some(items) = schema.get("items")
    {
        add_parameters(items, depth - 1, left, text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ropewalk_core::tool::ToolHints;
    use serde_json::json;

    use super::*;

    fn tool(name: &str, description: &str, input_schema: Value) -> ToolSpec {
        ToolSpec {
            name: name.to_owned(),
            description: description.to_owned(),
            input_schema,
            output_schema: None,
            hints: ToolHints::default(),
        }
    }

    fn tools() -> Vec<ToolSpec> {
        vec![
            tool("files__readFile", "Reads a file from the disk.", json!({})),
            tool(
                "mail__send",
                "Sends an e-mail message.",
                json!({"properties": {"to": {"description": "address of the recipient"}}}),
            ),
            tool(
                "weather__forecast",
                "Tells the weather of the next days.",
                json!({}),
            ),
            tool(
                "calendar__add",
                "Adds an event.",
                json!({"properties": {"guests": {"items": {"properties": {
                    "name": {"description": "who is invited to the meeting"}}}}}}),
            ),
        ]
    }

    fn names(index: &ToolIndex, request: &str) -> Vec<usize> {
        let found = index.find(request, 2).unwrap();
        found.iter().map(|found| found.index).collect()
    }

    #[test]
    fn words_are_found_in_names_descriptions_and_parameters() {
        let index = ToolIndex::new(&tools(), None).unwrap();
        assert_eq!(names(&index, "read the file"), [0]);
        assert_eq!(names(&index, "MESSAGES"), [1]);
        assert_eq!(names(&index, "the recipients"), [1]);
        assert_eq!(names(&index, "a meeting"), [3]);
        assert_eq!(names(&index, "zebra"), Vec::<usize>::new());
        assert_eq!(names(&index, ""), Vec::<usize>::new());
    }

    #[test]
    fn meaning_finds_what_no_word_says() {
        let index = ToolIndex::new(&tools(), Some(&Embedder::shipped().unwrap())).unwrap();
        assert_eq!(names(&index, "Will it rain on Sunday?")[0], 2);
        assert_eq!(
            names(&index, "open notes.txt and show me what is in it")[0],
            0
        );
    }

    #[test]
    fn no_tools_no_finds() {
        let index = ToolIndex::new(&[], Some(&Embedder::shipped().unwrap())).unwrap();
        assert!(index.find("anything", 5).unwrap().is_empty());
    }

    #[test]
    fn a_schema_without_end_ends() {
        let mut deep = json!({});
        for _ in 0..200 {
            deep = json!({"properties": {"a": deep}, "items": {}});
        }
        let index = ToolIndex::new(&[tool("t", "", deep)], None).unwrap();
        assert!(index.find("a b", 1).unwrap().len() <= 1);
    }

    proptest! {
        #[test]
        fn scores_are_in_order_and_in_range(request in "\\PC{0,40}", count in 0_usize..6) {
            let index = ToolIndex::new(&tools(), None).unwrap();
            let found = index.find(&request, count).unwrap();
            prop_assert!(found.len() <= count);
            prop_assert!(found.iter().all(|found| (0.0..=1.0).contains(&found.score)));
            prop_assert!(found.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}
