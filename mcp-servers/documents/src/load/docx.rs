//! Word documents, turned into Markdown.

use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{markdown, stated_title};
use crate::document::{Document, LoadError};

fn malformed(path: &str, message: impl Into<String>) -> LoadError {
    LoadError::Malformed {
        path: path.to_owned(),
        place: String::new(),
        message: message.into(),
    }
}

/// A Word document: headings by style, lists, tables; turned into Markdown.
pub(super) fn docx(
    name: &str,
    path: String,
    bytes: &[u8],
    limit: u64,
) -> Result<Document, LoadError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| malformed(&path, format!("is not a DOCX file: {error}")))?;
    let body = part(&mut archive, &path, "word/document.xml", limit)?
        .ok_or_else(|| malformed(&path, "holds no word/document.xml; is it a Word document?"))?;
    let text = word_to_markdown(&path, &body)?;
    if text.trim().is_empty() {
        return Err(LoadError::Empty { path });
    }
    let core = part(&mut archive, &path, "docProps/core.xml", limit)?.unwrap_or_default();
    let mut document = markdown::markdown(name, path, text, "docx")?;
    if let Some(title) = element(&core, "dc:title").and_then(|title| stated_title(&title)) {
        document.title = title;
    }
    document.date =
        element(&core, "dcterms:modified").and_then(|date| date.get(..10).map(str::to_owned));
    Ok(document)
}

/// One file of the archive, unpacked up to the limit: a small archive can hold a huge file.
fn part(
    archive: &mut zip::ZipArchive<Cursor<&[u8]>>,
    path: &str,
    name: &str,
    limit: u64,
) -> Result<Option<String>, LoadError> {
    let file = match archive.by_name(name) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(malformed(path, format!("{name}: {error}"))),
    };
    let mut text = String::new();
    let mut bounded = file.take(limit + 1);
    bounded
        .read_to_string(&mut text)
        .map_err(|error| malformed(path, format!("{name} is damaged: {error}")))?;
    if text.len() as u64 > limit {
        let found = text.len() as u64;
        return Err(LoadError::TooLarge {
            path: path.to_owned(),
            found,
            limit,
        });
    }
    Ok(Some(text))
}

fn element(xml: &str, name: &str) -> Option<String> {
    let start = xml.find(&format!("<{name}"))?;
    let rest = xml.get(start..)?;
    let (_, rest) = rest.split_once('>')?;
    let (text, _) = rest.split_once("</")?;
    quick_xml::escape::unescape(text)
        .ok()
        .map(|text| text.into_owned())
}

#[derive(Default)]
struct Paragraph {
    text: String,
    heading: Option<usize>,
    list: bool,
}

fn word_to_markdown(path: &str, xml: &str) -> Result<String, LoadError> {
    let mut reader = Reader::from_str(xml);
    let mut out = String::new();
    let mut paragraph = Paragraph::default();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut tables = 0_usize;
    let mut in_text = false;
    loop {
        let broken = |error: String| malformed(path, format!("word/document.xml: {error}"));
        match reader
            .read_event()
            .map_err(|error| broken(error.to_string()))?
        {
            Event::Eof => break,
            Event::Start(tag) => match tag.name().as_ref() {
                "w:p" if tables == 0 => paragraph = Paragraph::default(),
                "w:t" => in_text = true,
                "w:tbl" => tables += 1,
                "w:tr" if tables == 1 => rows.push(Vec::new()),
                "w:tc" if tables == 1 => paragraph = Paragraph::default(),
                "w:pStyle" => style(&tag, &mut paragraph),
                "w:numPr" => paragraph.list = true,
                _ => {}
            },
            Event::Empty(tag) => match tag.name().as_ref() {
                "w:pStyle" => style(&tag, &mut paragraph),
                "w:tab" | "w:br" => paragraph.text.push(' '),
                _ => {}
            },
            Event::Text(text) if in_text => {
                paragraph.text.push_str(&text);
            }
            Event::GeneralRef(entity) if in_text => {
                let written = format!("&{};", &*entity);
                let text = quick_xml::escape::unescape(&written)
                    .map_err(|error| broken(error.to_string()))?;
                paragraph.text.push_str(&text);
            }
            Event::End(tag) => match tag.name().as_ref() {
                "w:t" => in_text = false,
                "w:p" if tables == 0 => write_paragraph(&mut out, &paragraph),
                "w:p" => paragraph.text.push(' '),
                "w:tc" if tables == 1 => {
                    if let Some(row) = rows.last_mut() {
                        row.push(paragraph.text.trim().replace('|', "\\|"));
                    }
                }
                "w:tbl" => {
                    tables = tables.saturating_sub(1);
                    if tables == 0 {
                        write_table(&mut out, &std::mem::take(&mut rows));
                        paragraph = Paragraph::default();
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    Ok(out)
}

fn style(tag: &BytesStart<'_>, paragraph: &mut Paragraph) {
    let value = tag
        .attributes()
        .flatten()
        .find(|attribute| attribute.key.as_ref() == "w:val");
    let Some(value) = value else { return };
    let style = value.value.to_lowercase();
    if style == "title" {
        paragraph.heading = Some(1);
    } else if let Some(level) = style.strip_prefix("heading") {
        paragraph.heading = Some(level.trim().parse().unwrap_or(1).clamp(1, 6));
    } else if style.contains("list") {
        paragraph.list = true;
    }
}

fn write_paragraph(out: &mut String, paragraph: &Paragraph) {
    let text = paragraph.text.trim();
    if text.is_empty() {
        return;
    }
    match (paragraph.heading, paragraph.list) {
        (Some(level), _) => out.push_str(&format!("{} {text}\n\n", "#".repeat(level))),
        (None, true) => out.push_str(&format!("- {text}\n")),
        (None, false) => out.push_str(&format!("\n{text}\n\n")),
    }
}

fn write_table(out: &mut String, rows: &[Vec<String>]) {
    let Some(header) = rows.first() else { return };
    let line = |row: &[String]| format!("| {} |\n", row.join(" | "));
    out.push('\n');
    out.push_str(&line(header));
    out.push_str(&line(&vec!["---".to_owned(); header.len()]));
    for row in rows.iter().skip(1) {
        out.push_str(&line(row));
    }
    out.push('\n');
}
