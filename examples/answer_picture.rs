//! Draws `docs/answer.svg` from a real run: `cargo run --example answer_picture > docs/answer.svg`.
//! Build the program first; the picture shows the first command of the README and its trace.

use std::error::Error;
use std::io::Write;
use std::process::Command;

const QUESTION: &str = "How do I answer questions from my own documents?";
/// Characters of a line of the picture.
const COLUMNS: usize = 104;
const LINE_HEIGHT: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let folder = program
        .parent()
        .and_then(std::path::Path::parent)
        .ok_or("no build folder")?;
    let run = |arguments: &[&str]| {
        Command::new(folder.join("ropewalk"))
            .args(arguments)
            .output()
    };
    // The first run embeds the documentation; the second shows what asking costs.
    run(&["ask", QUESTION])?;
    let output = run(&["ask", "--trace", QUESTION])?;
    let mut lines = vec![("prompt", format!("$ ropewalk ask --trace \"{QUESTION}\""))];
    for line in String::from_utf8(output.stdout)?.lines() {
        let class = if line.starts_with("  [") || line == "Sources:" {
            "dim"
        } else {
            "text"
        };
        lines.extend(wrapped(line).into_iter().map(|line| (class, line)));
    }
    lines.push(("text", String::new()));
    for line in String::from_utf8(output.stderr)?
        .lines()
        .filter(|line| !line.is_empty())
    {
        let cut: String = line.chars().take(COLUMNS).collect();
        lines.push(("trace", cut));
    }
    draw(&lines, &mut std::io::stdout().lock())?;
    Ok(())
}

fn wrapped(line: &str) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in line.split(' ') {
        let full = rows
            .last()
            .is_some_and(|row| !row.is_empty() && row.chars().count() + word.len() + 1 > COLUMNS);
        if full {
            rows.push(String::new());
        }
        if let Some(row) = rows.last_mut() {
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
    }
    rows
}

fn draw(lines: &[(&str, String)], out: &mut impl Write) -> std::io::Result<()> {
    let width = COLUMNS * 8 + 40;
    let height = lines.len() * LINE_HEIGHT + 40;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"13\">"
    )?;
    writeln!(
        out,
        "<style>.prompt{{fill:#7ee787;font-weight:bold}}.text{{fill:#e6edf3}}.dim{{fill:#8b949e}}\
         .trace{{fill:#79c0ff}}</style>"
    )?;
    writeln!(
        out,
        "<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>"
    )?;
    for (number, (class, line)) in lines.iter().enumerate() {
        let y = number * LINE_HEIGHT + 34;
        let text = line
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        writeln!(
            out,
            "<text x=\"20\" y=\"{y}\" class=\"{class}\" xml:space=\"preserve\">{text}</text>"
        )?;
    }
    writeln!(out, "</svg>")
}
