//! Graphs as Mermaid flowcharts, for wherever Markdown shows them.
//!
//! Mermaid keeps no comments on nodes and has no room for long texts, so what does not fit is cut
//! short. Names are never ids: ids are counted.

use std::fmt::{self, Display, Write};

use crate::overlay::NodeState;
use crate::scene::{Kind, Line, Scene, Step};
use crate::svg::light;
use crate::words;

/// Letters of one label.
const MOST: usize = 60;

/// The whole picture.
pub(crate) fn draw(scene: &Scene) -> String {
    let mut chart = Chart::default();
    // Writing to a string does not fail.
    let _ = chart.whole(scene);
    chart.out
}

#[derive(Default)]
struct Chart {
    out: String,
    /// Links so far: Mermaid styles them by their number.
    links: usize,
    styles: String,
}

impl Chart {
    fn whole(&mut self, scene: &Scene) -> fmt::Result {
        writeln!(self.out, "flowchart TD")?;
        self.scene(scene, "n", 1)?;
        self.classes()?;
        let styles = std::mem::take(&mut self.styles);
        self.out.push_str(&styles);
        Ok(())
    }

    /// `prefix`: what the ids of this scene begin with.
    fn scene(&mut self, scene: &Scene, prefix: &str, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        if !scene.starts.is_empty() {
            writeln!(self.out, "{indent}{prefix}start(( )):::mark")?;
        }
        for (at, step) in scene.steps.iter().enumerate() {
            self.step(step, &format!("{prefix}{at}"), depth)?;
        }
        if !scene.starts.is_empty() {
            writeln!(self.out, "{indent}{prefix}end((( ))):::mark")?;
        }
        for to in &scene.starts {
            writeln!(self.out, "{indent}{prefix}start --> {prefix}{to}")?;
            self.links += 1;
        }
        for line in &scene.lines {
            self.line(line, prefix, &indent)?;
        }
        if !scene.starts.is_empty() {
            for from in &scene.ends {
                writeln!(self.out, "{indent}{prefix}{from} --> {prefix}end")?;
                self.links += 1;
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, id: &str, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        let name = Label(&step.name);
        let second = words::second_line(step);
        let second = Label(&second);
        if let Some(inner) = &step.inner {
            writeln!(
                self.out,
                "{indent}subgraph {id}[\"{name}<br/><small>{second}</small>\"]"
            )?;
            self.scene(inner, &format!("{id}x"), depth + 1)?;
            writeln!(self.out, "{indent}end")?;
            if let Some(class) = class(step) {
                writeln!(self.out, "{indent}class {id} {class}")?;
            }
            return Ok(());
        }
        let (open, close) = shape(step.kind);
        write!(
            self.out,
            "{indent}{id}{open}\"{name}<br/><small>{second}</small>\"{close}"
        )?;
        let class = class(step).unwrap_or(step.kind.word());
        writeln!(self.out, ":::{class}")
    }

    fn line(&mut self, line: &Line, prefix: &str, indent: &str) -> fmt::Result {
        let mut label = line.label.clone();
        if let Some(taken) = line.taken.filter(|taken| *taken > 1) {
            label.push(format!("taken {taken}×"));
        }
        let arrow = match (line.back, line.taken) {
            (true, _) => "-.->",
            (false, Some(1..)) => "==>",
            (false, _) => "-->",
        };
        write!(self.out, "{indent}{prefix}{} {arrow}", line.from)?;
        if !label.is_empty() {
            let parts: Vec<String> = label.iter().map(|text| Label(text).to_string()).collect();
            write!(self.out, "|\"{}\"|", parts.join("<br/>"))?;
        }
        writeln!(self.out, " {prefix}{}", line.to)?;
        let style = match (line.on_error, line.taken) {
            (_, Some(0)) => Some("stroke:#8c959f,stroke-width:1px,opacity:0.5"),
            (true, _) => Some("stroke:#cf222e"),
            _ => None,
        };
        if let Some(style) = style {
            writeln!(self.styles, "  linkStyle {} {style}", self.links)?;
        }
        self.links += 1;
        Ok(())
    }

    fn classes(&mut self) -> fmt::Result {
        for kind in Kind::ALL {
            let (fill, border) = light(kind);
            let word = kind.word();
            writeln!(
                self.out,
                "  classDef {word} fill:{fill},stroke:{border},color:#1f2328"
            )?;
        }
        for (state, look) in [
            (
                "failed",
                "fill:#ffdcd8,stroke:#cf222e,color:#1f2328,stroke-width:2px",
            ),
            (
                "running",
                "fill:#ddf4ff,stroke:#0969da,color:#1f2328,stroke-width:3px",
            ),
            (
                "waiting",
                "fill:#ffffff,stroke:#8c959f,color:#57606a,stroke-dasharray:3 3",
            ),
            (
                "skipped",
                "fill:#ffffff,stroke:#8c959f,color:#57606a,opacity:0.5",
            ),
            ("mark", "fill:#57606a,stroke:#57606a"),
        ] {
            writeln!(self.out, "  classDef {state} {look}")?;
        }
        Ok(())
    }
}

/// What is put around a text to make a shape of it.
fn shape(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Agent | Kind::Model => ("(", ")"),
        Kind::Tool => ("[", "]"),
        Kind::Map => ("[[", "]]"),
        Kind::Graph => ("[[", "]]"),
        Kind::Human => ("([", "])"),
        Kind::Function => ("[/", "/]"),
        Kind::Set => ("[", "]"),
    }
}

/// The class of a state that looks unlike what is done.
fn class(step: &Step) -> Option<&'static str> {
    match step.run.as_ref()?.state {
        NodeState::Done => None,
        NodeState::Failed => Some("failed"),
        NodeState::Running => Some("running"),
        NodeState::Waiting => Some("waiting"),
        NodeState::Skipped => Some("skipped"),
    }
}

/// A text for between quotes. Mermaid reads labels as Markdown and as HTML; every sign that means
/// something to either is written as its number.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = words::cut(self.0, MOST);
        // An empty label is a fault to Mermaid.
        if text.is_empty() {
            return f.write_str("#160;");
        }
        let mut before = None;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let between = inside(before) && inside(rest.peek().copied());
            let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
            let plain = match c {
                '_' | '-' => {
                    between || (inside(before) && rest.peek() == Some(&'_')) || before == Some('_')
                }
                '.' => digit(before) && digit(rest.peek().copied()),
                ' ' | ',' | '=' | '?' | '/' | '(' => true,
                c => c.is_alphanumeric() || !c.is_ascii(),
            };
            if plain {
                f.write_char(c)?;
            } else {
                write!(f, "#{};", u32::from(c))?;
            }
            before = Some(c);
        }
        Ok(())
    }
}
