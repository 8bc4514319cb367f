//! Files made for a test, and what became of them.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use ropewalk_sql::database::{Cell, Engine, FileError, Files, Limits};
use ropewalk_sql::guard::Rules;
use tempfile::TempDir;

use crate::engine;

/// A folder that goes with the test.
pub struct Folder {
    pub path: PathBuf,
    _folder: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            path: folder.path().to_owned(),
            _folder: folder,
        }
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

pub async fn open(paths: &[&PathBuf]) -> Result<Files, FileError> {
    let paths: Vec<PathBuf> = paths.iter().copied().cloned().collect();
    Files::open(&paths, None, Rules::default()).await
}

/// The one table of a file.
pub async fn table(name: &str, content: impl AsRef<[u8]>) -> Result<Files, FileError> {
    let folder = Folder::new();
    let path = folder.write(name, content);
    open(&[&path]).await
}

/// What is said of a file that is no table, without where it is.
pub async fn refused(name: &str, content: impl AsRef<[u8]>) -> String {
    let folder = Folder::new();
    let path = folder.write(name, content);
    let error = open(&[&path]).await.err();
    let error = error
        .unwrap_or_else(|| panic!("{name} was read"))
        .to_string();
    error.replace(&format!("{}/", folder.path.display()), "")
}

pub async fn rows(files: &Files, sql: &str) -> Vec<Vec<Cell>> {
    let rows = engine::query(files, sql, &Limits::default()).await.unwrap();
    assert_eq!(rows.truncated, None);
    rows.rows
}

pub async fn tables(files: &Files) -> Vec<String> {
    let schema = files.schema().await.unwrap();
    schema.tables.into_iter().map(|table| table.name).collect()
}

pub async fn columns(files: &Files, table: &str) -> Vec<(String, String)> {
    let schema = files.schema().await.unwrap();
    let columns = &schema.table(table).unwrap().columns;
    columns
        .iter()
        .map(|column| (column.name.clone(), column.kind.clone()))
        .collect()
}

/// The kinds of the columns of table `t`.
pub async fn kinds(files: &Files) -> Vec<String> {
    let columns = columns(files, "t").await;
    columns.into_iter().map(|(_, kind)| kind).collect()
}

pub fn zip(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(*name, options).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A workbook of Excel's with these sheets, each with its rows as XML.
pub fn xlsx(sheets: &[(&str, &str)]) -> Vec<u8> {
    let mut entries = vec![(
        "[Content_Types].xml".to_owned(),
        r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"#.to_owned(),
    )];
    entries.push((
        "_rels/.rels".to_owned(),
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#.to_owned(),
    ));
    let mut listed = String::new();
    let mut related = String::new();
    for (at, (name, rows)) in sheets.iter().enumerate() {
        let id = at + 1;
        listed += &format!(r#"<sheet name="{name}" sheetId="{id}" r:id="rId{id}"/>"#);
        related += &format!(
            r#"<Relationship Id="rId{id}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{id}.xml"/>"#
        );
        entries.push((
            format!("xl/worksheets/sheet{id}.xml"),
            format!(
                r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
            ),
        ));
    }
    related += r#"<Relationship Id="rId900" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/>"#;
    entries.push((
        "xl/workbook.xml".to_owned(),
        format!(
            r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{listed}</sheets></workbook>"#
        ),
    ));
    entries.push((
        "xl/_rels/workbook.xml.rels".to_owned(),
        format!(
            r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{related}</Relationships>"#
        ),
    ));
    // The styles 1 to 4 show a day, a moment, a time and a length of time.
    entries.push((
        "xl/styles.xml".to_owned(),
        r#"<?xml version="1.0"?><styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/></numFmts><cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="21"/><xf numFmtId="46"/></cellXfs></styleSheet>"#.to_owned(),
    ));
    let entries: Vec<(&str, &str)> = entries
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_str()))
        .collect();
    zip(&entries)
}

/// A workbook of OpenDocument's with these tables as XML.
pub fn ods(tables: &str) -> Vec<u8> {
    let content = format!(
        r#"<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"#
    );
    zip(&[
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        (
            "META-INF/manifest.xml",
            r#"<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>"#,
        ),
        ("content.xml", &content),
    ])
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

/// The files in a folder whose names end so.
pub fn ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}
