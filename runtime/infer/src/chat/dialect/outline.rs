//! The JSON of calls, followed while it comes in.
//!
//! It is not parsed before it is complete. What is followed is where strings and brackets begin
//! and end, and with that the names of the calls and the stretches that are their arguments.

use serde_json::{Map, Value};

/// One JSON value: a call, an array of calls, or the arguments of a call whose name is known.
#[derive(Debug)]
pub(super) struct Outline {
    raw: String,
    /// Open brackets.
    depth: usize,
    /// The depth inside an object that is a call: 1, or 2 in an array. 0 where the value itself
    /// is the arguments.
    inside_call: usize,
    string: Option<Text>,
    expect: Expect,
    key: String,
    members: Vec<Member>,
    /// Members before this one are complete, and passed on.
    settled: usize,
    done: bool,
}

/// A string that is open.
#[derive(Debug, Clone, Copy)]
struct Text {
    start: usize,
    escaped: bool,
}

/// What comes next inside an object that is a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Key,
    Colon,
    Value,
    Rest,
}

/// What is known of one call.
#[derive(Debug, Default)]
struct Member {
    start: usize,
    end: Option<usize>,
    name: Option<String>,
    arguments: Option<(usize, Option<usize>)>,
    /// Bytes of the arguments that were passed on.
    sent: usize,
}

/// New characters of a call's arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    /// Which of the value's calls.
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) text: String,
}

/// A call that was read.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    pub(super) name: String,
    pub(super) arguments: Value,
    /// Whether the value said which arguments there are.
    pub(super) explicit: bool,
    /// Whether its arguments were passed on as fragments.
    pub(super) sent: bool,
}

impl Outline {
    pub(super) fn new() -> Self {
        Self {
            raw: String::new(),
            depth: 0,
            inside_call: 1,
            string: None,
            expect: Expect::Key,
            key: String::new(),
            members: Vec::new(),
            settled: 0,
            done: false,
        }
    }

    /// The arguments of this call.
    pub(super) fn arguments_of(name: String) -> Self {
        let member = Member {
            name: Some(name),
            ..Member::default()
        };
        Self {
            inside_call: 0,
            members: vec![member],
            ..Self::new()
        }
    }

    /// Takes in text up to the end of the value; how many bytes of it that were. A `<` outside of
    /// a string can only be a tag after a value that was never closed: it ends the value too.
    pub(super) fn feed(&mut self, text: &str) -> usize {
        for (at, character) in text.char_indices() {
            if self.done {
                return at;
            }
            if character == '<' && self.string.is_none() {
                self.done = true;
                return at;
            }
            let start = self.raw.len();
            self.raw.push(character);
            self.take(character, start);
        }
        text.len()
    }

    /// Whether the value is at its end.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// What was taken in.
    pub(super) fn raw(&self) -> &str {
        &self.raw
    }

    /// What of the arguments was not passed on yet. Arguments that are no object (yet) are held
    /// back, and so are those of a call without a name (yet).
    pub(super) fn fragments(&mut self, known: &dyn Fn(&str) -> bool) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        for (at, member) in self.members.iter_mut().enumerate().skip(self.settled) {
            let (Some(name), Some((start, end))) = (&member.name, member.arguments) else {
                continue;
            };
            let stretch = self.raw.get(start..end.unwrap_or(self.raw.len()));
            let stretch = stretch.unwrap_or("");
            if !stretch.starts_with('{') || !known(name) {
                continue;
            }
            if let Some(text) = stretch.get(member.sent..).filter(|text| !text.is_empty()) {
                fragments.push(Fragment {
                    at,
                    name: name.clone(),
                    text: text.to_owned(),
                });
                member.sent = stretch.len();
            }
        }
        self.settled = self.members.len().saturating_sub(1);
        fragments
    }

    /// Whether anything was passed on.
    pub(super) fn has_sent(&self) -> bool {
        self.members.iter().any(|member| member.sent > 0)
    }

    /// The calls; `None` in place of one that cannot be read. Empty where the value holds none.
    pub(super) fn calls(&self) -> Vec<Option<Parsed>> {
        self.members
            .iter()
            .map(|member| self.call(member))
            .collect()
    }

    fn call(&self, member: &Member) -> Option<Parsed> {
        let Some(name) = &member.name else {
            return self.nested_call(member);
        };
        let arguments = match member.arguments {
            Some((start, Some(end))) => as_object(self.raw.get(start..end)?)?,
            // The value broke off inside of them.
            Some((_, None)) => return None,
            None => Value::Object(Map::new()),
        };
        Some(Parsed {
            name: name.clone(),
            arguments,
            explicit: member.arguments.is_some(),
            sent: member.sent > 0,
        })
    }

    /// `{"type": "function", "function": {"name": ..., "arguments": ...}}`.
    fn nested_call(&self, member: &Member) -> Option<Parsed> {
        let text = self.raw.get(member.start..member.end?)?;
        let value: Value = serde_json::from_str(text).ok()?;
        let function = value.get("function")?;
        let arguments = function
            .get("arguments")
            .or_else(|| function.get("parameters"));
        Some(Parsed {
            name: function.get("name")?.as_str()?.to_owned(),
            arguments: as_object(&arguments?.to_string())?,
            explicit: true,
            sent: false,
        })
    }

    fn take(&mut self, character: char, start: usize) {
        if let Some(text) = &mut self.string {
            if text.escaped {
                text.escaped = false;
            } else if character == '\\' {
                text.escaped = true;
            } else if character == '"' {
                let begin = text.start;
                self.string = None;
                self.string_ended(begin);
            }
            return;
        }
        let in_call = self.depth == self.inside_call;
        match character {
            '"' => {
                self.value_begins(start);
                self.string = Some(Text {
                    start,
                    escaped: false,
                });
            }
            '{' | '[' => {
                self.value_begins(start);
                if self.depth == 0 && character == '[' && self.inside_call == 1 {
                    self.inside_call = 2;
                }
                self.depth += 1;
                if character == '{' && self.depth == self.inside_call {
                    self.expect = Expect::Key;
                    self.members.push(Member {
                        start,
                        ..Member::default()
                    });
                }
            }
            '}' | ']' => {
                if in_call {
                    self.value_ends(start);
                    if let Some(member) = self.members.last_mut() {
                        member.end.get_or_insert(self.raw.len());
                    }
                }
                self.depth = self.depth.saturating_sub(1);
                if self.depth == self.inside_call {
                    self.value_ends(self.raw.len());
                }
                self.done = self.depth == 0;
            }
            ',' if in_call => {
                self.value_ends(start);
                self.expect = Expect::Key;
            }
            ':' if in_call && self.expect == Expect::Colon => self.expect = Expect::Value,
            other if !other.is_whitespace() => self.value_begins(start),
            _ => {}
        }
    }

    fn string_ended(&mut self, begin: usize) {
        if self.depth != self.inside_call || self.inside_call == 0 {
            return;
        }
        let text = || serde_json::from_str::<String>(self.raw.get(begin..)?).ok();
        match self.expect {
            Expect::Key => {
                self.key = text().unwrap_or_default();
                self.expect = Expect::Colon;
            }
            Expect::Rest => {
                if self.key == "name" {
                    let name = text();
                    if let Some(member) = self.members.last_mut()
                        && member.name.is_none()
                    {
                        member.name = name;
                    }
                }
                self.value_ends(self.raw.len());
            }
            Expect::Colon | Expect::Value => {}
        }
    }

    fn value_begins(&mut self, at: usize) {
        let here = match self.inside_call {
            0 => self.depth == 0,
            inside => self.depth == inside && self.expect == Expect::Value,
        };
        if !here {
            return;
        }
        self.expect = Expect::Rest;
        let are_arguments =
            self.inside_call == 0 || matches!(self.key.as_str(), "arguments" | "parameters");
        if are_arguments
            && let Some(member) = self.members.last_mut()
            && member.arguments.is_none()
        {
            member.arguments = Some((at, None));
        }
    }

    fn value_ends(&mut self, at: usize) {
        if let Some(member) = self.members.last_mut()
            && let Some((_, end)) = &mut member.arguments
        {
            end.get_or_insert(at);
        }
    }
}

/// Arguments as an object: given as one, or as a text that is one; nothing is an empty one.
fn as_object(text: &str) -> Option<Value> {
    match serde_json::from_str(text.trim()).ok()? {
        Value::Null => Some(Value::Object(Map::new())),
        Value::String(inner) if inner.trim().is_empty() => Some(Value::Object(Map::new())),
        Value::String(inner) => serde_json::from_str(&inner).ok().filter(Value::is_object),
        value => Some(value).filter(Value::is_object),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Vec<Option<Parsed>>, String) {
        let mut outline = Outline::new();
        let mut sent = String::new();
        for character in text.chars() {
            outline.feed(&character.to_string());
            for fragment in outline.fragments(&|_| true) {
                sent.push_str(&fragment.text);
            }
        }
        (outline.calls(), sent)
    }

    fn names(calls: &[Option<Parsed>]) -> Vec<(&str, &Value)> {
        let calls = calls.iter().flatten();
        calls
            .map(|call| (call.name.as_str(), &call.arguments))
            .collect()
    }

    #[test]
    fn a_call_is_followed() {
        let arguments = json!({"a": [{"b": "}\"<\\"}], "name": "inner", "c": {"arguments": 1}});
        let text = format!(r#"{{"name": "t", "arguments": {arguments}}}"#);
        let (calls, sent) = read(&text);
        assert_eq!(names(&calls), [("t", &arguments)]);
        assert_eq!(sent, arguments.to_string());
    }

    #[test]
    fn arrays_strings_orders_and_omissions() {
        let (calls, sent) = read(
            r#"[{"name": "a", "arguments": "{\"x\": 1}"}, {"parameters": {"y": 2}, "name": "b"}, {"name": "c"}, {"type": "function", "function": {"name": "d", "arguments": {"z": 3}}}]"#,
        );
        let wanted = [json!({"x": 1}), json!({"y": 2}), json!({}), json!({"z": 3})];
        assert_eq!(
            names(&calls),
            [
                ("a", &wanted[0]),
                ("b", &wanted[1]),
                ("c", &wanted[2]),
                ("d", &wanted[3])
            ]
        );
        assert_eq!(sent, r#"{"y": 2}"#);
    }

    #[test]
    fn what_is_no_call_or_broken_is_none() {
        for text in [
            r#"{"name": "t", "arguments": {"a": 1"#,
            r#"{"name": "t", "arguments": {a: 1}}"#,
            r#"{"name": "t", "arguments": [1]}"#,
            r#"{"arguments": {}}"#,
            r#"{"name": 5, "arguments": {}}"#,
        ] {
            assert_eq!(read(text).0, [None], "{text}");
        }
        assert!(read("[1, 2]").0.is_empty());
    }

    #[test]
    fn a_missing_bracket_at_the_end_costs_nothing() {
        let (calls, _) = read(r#"{"name": "t", "arguments": {"a": 1}</tool_call>"#);
        assert_eq!(names(&calls), [("t", &json!({"a": 1}))]);
    }
}
