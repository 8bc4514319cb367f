//! Every format, good and bad.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::document::{Block, BlockKind};

fn blocks(name: &str, text: &str) -> Vec<Block> {
    from_text(name, text.to_owned())
        .unwrap()
        .blocks
        .map(Result::unwrap)
        .collect()
}

fn open_bytes(name: &str, bytes: &[u8]) -> Result<Vec<Block>, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let limits = LoadLimits {
        file_bytes: 4 << 20,
        line_bytes: 1 << 16,
    };
    open(&path, &limits)?.blocks.collect()
}

fn fails(name: &str, bytes: &[u8]) -> String {
    open_bytes(name, bytes).unwrap_err().to_string()
}

#[test]
fn markdown_has_blocks_headings_and_front_matter() {
    let text = "---\ntitle: Ropes\ndate: 2026-03-04\ntags: [a]\n---\n# One\n\nWords.\n\n\
        - a\n- b\n\n| x | y |\n| - | - |\n| 1 | 2 |\n\n## Two\n\n```sh\nrun\n```\n";
    let document = from_text("a.md", text.to_owned()).unwrap();
    assert_eq!(
        (document.title.as_str(), document.date.as_deref()),
        ("Ropes", Some("2026-03-04"))
    );
    assert_eq!(document.metadata["tags"][0], "a");
    let blocks: Vec<Block> = document.blocks.map(Result::unwrap).collect();
    let kinds: Vec<BlockKind> = blocks.iter().map(|block| block.kind).collect();
    use BlockKind::{Code, Heading, List, Prose, Table};
    assert_eq!(kinds, [Heading, Prose, List, Table, Heading, Code]);
    assert_eq!(blocks[5].heading_path, ["One", "Two"]);
    for block in &blocks {
        assert_eq!(
            &text[block.start as usize..block.end() as usize],
            block.text
        );
    }
}

#[test]
fn html_is_read_as_a_reader_would() {
    let text = "<html><head><title>A &amp; B page</title></head><body><nav>menu</nav>\
        <h1>Top</h1><p>Words <b>here</b>.</p><script>evil()</script><ul><li>x</li></ul></body>";
    let document = from_text("a.html", text.to_owned()).unwrap();
    let text: String = document
        .blocks
        .map(|block| block.unwrap().text + "\n")
        .collect();
    assert!(
        text.contains("Words **here**.") && text.contains("x"),
        "{text}"
    );
    assert!(!text.contains("menu") && !text.contains("evil"), "{text}");
}

#[test]
fn plain_text_rst_and_code_are_split_where_people_would() {
    assert_eq!(blocks("a.txt", "One\nline.\n\nTwo.\n\n- a\n- b\n").len(), 3);
    let rst = blocks(
        "a.rst",
        "Title\n=====\n\nWords::\n\n    code\n\nSub\n---\n\nMore.\n",
    );
    assert_eq!(rst[0].kind, BlockKind::Heading);
    assert_eq!(rst.last().unwrap().heading_path, ["Title", "Sub"]);
    assert!(rst.iter().any(|block| block.kind == BlockKind::Code));
    let code = blocks(
        "a.rs",
        "use a;\n\nfn one() {\n    1\n\n}\n\npub fn two() {}\n",
    );
    assert_eq!(code.len(), 3);
    assert_eq!(code[1].heading_path, ["fn one()"]);
    assert!(
        code[1].text.contains("\n\n}"),
        "an inner blank line stays: {code:?}"
    );
}

#[test]
fn records_are_blocks() {
    let rows = blocks("a.csv", "name;price\n\"rope; thin\";7\nwire;\n");
    assert_eq!(rows[0].text, "name: rope; thin\nprice: 7");
    assert_eq!(rows[1].text, "name: wire");
    assert_eq!(blocks("a.tsv", "a\tb\n1\t2\n")[0].text, "a: 1\nb: 2");
    let lines = blocks("a.jsonl", "{\"a\": {\"b\": 1}, \"c\": [1, 2]}\n\n\"x\"\n");
    assert_eq!(lines[0].text, "a.b: 1\nc: 1, 2");
    assert_eq!(blocks("a.json", "[{\"a\": 1}, {\"a\": 2}]").len(), 2);
}

fn docx(document: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("word/document.xml", options).unwrap();
    zip.write_all(document.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn word_documents_keep_headings_lists_and_tables() {
    let paragraph = |style: &str, text: &str| {
        format!(
            "<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
        )
    };
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", paragraph("Normal", text));
    let row = |a: &str, b: &str| format!("<w:tr>{}{}</w:tr>", cell(a), cell(b));
    let xml = format!(
        "<w:document><w:body>{}{}{}<w:tbl>{}{}</w:tbl></w:body></w:document>",
        paragraph("Heading1", "Refunds &amp; more"),
        paragraph("Normal", "Within 30 days."),
        paragraph("ListParagraph", "Keep the receipt"),
        row("Item", "Days"),
        row("Rope", "30"),
    );
    let blocks = open_bytes("a.docx", &docx(&xml)).unwrap();
    assert_eq!(blocks[0].text, "# Refunds & more");
    assert!(blocks.iter().any(|block| block.text == "Within 30 days."));
    assert!(blocks.iter().any(|block| block.kind == BlockKind::List));
    assert!(
        blocks
            .iter()
            .any(|block| block.kind == BlockKind::Table && block.text.contains("| Rope | 30 |")),
        "{blocks:#?}"
    );
}

/// The smallest PDF that says something; the reader rebuilds the table of offsets.
fn pdf(text: &str) -> Vec<u8> {
    let stream = format!("BT /F1 12 Tf 20 100 Td ({text}) Tj ET");
    let length = stream.len();
    pdf_of(
        &format!("<< /Length {length} >>"),
        stream.as_bytes(),
        "<< >>",
    )
}

fn pdf_of(dictionary: &str, stream: &[u8], information: &str) -> Vec<u8> {
    let drawing = [dictionary.as_bytes(), b"\nstream\n", stream, b"\nendstream"].concat();
    let objects: [&[u8]; 6] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R /Resources \
          << /Font << /F1 5 0 R >> >> >>",
        &drawing,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        information.as_bytes(),
    ];
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        offsets.push(out.len());
        out.extend(format!("{} 0 obj\n", number + 1).bytes());
        out.extend(*object);
        out.extend(b"\nendobj\n");
    }
    let table = out.len();
    out.extend(b"xref\n0 7\n0000000000 65535 f \n");
    for offset in offsets {
        out.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    let trailer =
        format!("trailer\n<< /Size 7 /Root 1 0 R /Info 6 0 R >>\nstartxref\n{table}\n%%EOF");
    out.extend(trailer.bytes());
    out
}

/// `bytes` as PDFs and archives compress them.
fn deflated(bytes: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    bytes.for_each(|part| encoder.write_all(&part).unwrap());
    encoder.finish().unwrap()
}

#[test]
fn a_pdf_gives_its_text_title_and_date() {
    let blocks = open_bytes("a.pdf", &pdf("Refunds take thirty days.")).unwrap();
    assert_eq!(blocks[0].text, "Refunds take thirty days.");

    let said = |information: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("yearly_report.pdf");
        let stream = b"BT /F1 12 Tf 20 100 Td (Words.) Tj ET";
        let dictionary = format!("<< /Length {} >>", stream.len());
        std::fs::write(&path, pdf_of(&dictionary, stream, information)).unwrap();
        let document = open(&path, &LoadLimits::default()).unwrap();
        (document.title, document.date)
    };
    let stated = "<< /Title (Annual Accounts) /CreationDate (D:20240501120000+02'00') >>";
    let day = Some("2024-05-01".to_owned());
    assert_eq!(said(stated), ("Annual Accounts".to_owned(), day));
    let utf16 = "<< /Title <FEFF00C400620063> >>";
    assert_eq!(said(utf16), ("\u{c4}bc".to_owned(), None));
    let junk = "<< /Title (Microsoft Word - a.doc) /CreationDate (yesterday) >>";
    assert_eq!(said(junk), ("yearly report".to_owned(), None));
}

#[test]
fn only_a_heading_above_all_others_is_a_title() {
    let title = |text: &str| {
        from_text("list_of-changes.md", text.to_owned())
            .unwrap()
            .title
    };
    assert_eq!(
        title("Words.\n\n# Changes\n\n## 1.0\n\n## 0.9\n"),
        "Changes"
    );
    assert_eq!(title("# 1.0\n\nNew.\n\n# 0.9\n\nOld.\n"), "list of changes");
    assert_eq!(
        title("## Contents\n\nWords.\n\n# Changes\n"),
        "list of changes"
    );
}

#[test]
fn a_page_states_its_title_and_date() {
    let page = |head: &str| {
        let text = format!("<HTML><head>{head}</head><body><p>Words.</p></body></HTML>");
        let document = from_text("some-page.html", text).unwrap();
        (document.title, document.date)
    };
    let head = "<TITLE>\n Opening\n hours </TITLE><meta name='date' content='2020-01-01'>\
                <meta content=\"2024-05-01T10:00:00Z\" property=\"article:published_time\">";
    let day = Some("2024-05-01".to_owned());
    assert_eq!(page(head), ("Opening hours".to_owned(), day));
    let junk = "<title>Untitled</title><meta name=date content=soon><meta";
    assert_eq!(page(junk), ("some page".to_owned(), None));
}

#[test]
fn small_files_that_unpack_to_huge_ones_are_refused() {
    let limits = LoadLimits {
        file_bytes: 1 << 20,
        ..LoadLimits::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert!((bytes.len() as u64) < limits.file_bytes);
        open(&path, &limits).err().unwrap().to_string()
    };
    let drawing = || std::iter::repeat_n(b"BT (x) Tj ET\n".repeat(1_000), 2_000);
    let stream = deflated(drawing());
    let once = format!("<< /Length {} /Filter /FlateDecode >>", stream.len());
    let message = refused("a.pdf", &pdf_of(&once, &stream, "<< >>"));
    assert!(
        message.contains("unpacks to more than 1048576 bytes"),
        "{message}"
    );
    let stream = deflated(std::iter::once(stream));
    let twice = format!(
        "<< /Length {} /Filter [/FlateDecode /FlateDecode] >>",
        stream.len()
    );
    let message = refused("a.pdf", &pdf_of(&twice, &stream, "<< >>"));
    assert!(
        message.contains("unpacks to more than 1048576 bytes"),
        "{message}"
    );

    let words = "rope ".repeat(1 << 20);
    let xml = format!("<w:document><w:p><w:r><w:t>{words}</w:t></w:r></w:p></w:document>");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("word/document.xml", options).unwrap();
    zip.write_all(xml.as_bytes()).unwrap();
    let message = refused("a.docx", &zip.finish().unwrap().into_inner());
    assert!(message.contains("raise --max-file-mib"), "{message}");
}

#[test]
fn what_nests_without_end_overflows_no_stack() {
    let deep = 100_000;
    for (open, close) in [("<div>", "</div>"), ("<b><i>", "</b>"), ("<p><b>", "</x>")] {
        let page = format!("{}words{}", open.repeat(deep), close.repeat(deep));
        let message = fails("a.html", page.as_bytes());
        assert!(message.contains("deep in each other"), "{open}: {message}");
    }
    let json = format!("{}1{}", "[".repeat(deep), "]".repeat(deep));
    assert!(fails("a.json", json.as_bytes()).contains("recursion limit"));
    for text in [
        "> ".repeat(deep),
        "[".repeat(deep),
        "*a ".repeat(deep),
        "- ".repeat(deep),
    ] {
        // Whatever it comes to, it comes to an end.
        let _ = open_bytes("a.md", format!("{text}words").as_bytes());
    }
    let arrays = format!("<< /Title {}{} >>", "[".repeat(deep), "]".repeat(deep));
    let _ = open_bytes("a.pdf", &pdf_of("<< /Length 0 >>", b"", &arrays));
    // What closes by itself is not deep.
    let list = format!("<ul>{}</ul>", "<li>One more<p>and more".repeat(5_000));
    assert!(!open_bytes("a.html", list.as_bytes()).unwrap().is_empty());
}

#[test]
fn an_endless_value_is_named_once() {
    let field = format!("a,b\n1,\"{}\"\n", "x".repeat(9 << 20));
    let message = fails("a.csv", field.as_bytes());
    assert!(message.contains("line 2 has more than"), "{message}");
    assert_eq!(message.matches("a.csv").count(), 1, "{message}");
}

#[test]
fn bad_files_say_what_is_wrong() {
    assert!(fails("a.md", b"\x89PNG\r\n\x1a\n\0\0").contains("binary file (a PNG image)"));
    assert!(fails("a.txt", b"ab\0cd").contains("binary file"));
    assert!(fails("a.md", b"one\ntwo \xFF").contains("line 2: byte 8 is not valid UTF-8"));
    assert!(fails("a.txt", b"one\ntwo \xFF").contains("line 2: byte 8 is not valid UTF-8"));
    assert!(fails("a.md", b"").contains("is empty"));
    assert!(fails("a.md", b" \n\n").contains("is empty"));
    assert!(fails("a.pdf", b"%PDF-1.4\nnonsense").contains("damaged"));
    assert!(fails("a.pdf", b"hello").contains("does not begin like a PDF"));
    assert!(fails("a.docx", b"hello").contains("not a DOCX"));
    assert!(fails("a.docx", &docx("<w:document><w:p>")).contains("is empty"));
    assert!(fails("a.json", b"{\"a\": }").contains("line 1, column 7"));
    assert!(fails("a.jsonl", b"{}\n{oops\n").contains("line 2, column 2"));
    assert!(fails("a.csv", b"a,b\n1,2,3\n").contains("line 2: 3 values, but the header names 2"));
    assert!(fails("a.xyz", b"x").contains("files of this kind are not read"));
    assert!(fails("a.md", b"---\na: [\n---\nx").contains("front matter is not YAML"));
    let long = vec![b'x'; 1 << 17];
    assert!(fails("a.txt", &long).contains("line 1 has more than 65536 bytes"));
    assert!(fails("a.csv", &long).contains("line 1 has more than 65536 bytes"));
    let big = vec![b'x'; (4 << 20) + 1];
    assert!(fails("a.md", &big).contains("4194305 bytes, and files of this kind are read up to"));
    let missing = open(Path::new("no/such/file.md"), &LoadLimits::default());
    assert!(
        missing
            .err()
            .unwrap()
            .to_string()
            .contains("cannot be read")
    );
}

#[test]
fn utf16_and_byte_order_marks_are_read() {
    let utf16: Vec<u8> = [0xFEFF_u16]
        .into_iter()
        .chain("# Ü".encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(open_bytes("a.md", &utf16).unwrap()[0].text, "# Ü");
    assert_eq!(
        open_bytes("a.md", "\u{feff}# Ü".as_bytes()).unwrap()[0].kind,
        BlockKind::Heading
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_answered(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        name in prop::sample::select(vec![
            "a.md", "a.txt", "a.rst", "a.html", "a.csv", "a.json", "a.jsonl", "a.py", "a.docx",
        ]),
    ) {
        let _ = open_bytes(name, &bytes);
    }

    #[test]
    fn any_text_is_answered(
        text in "[-=#|`>a-c\\[\\]{}\":,;<\n \t]{0,200}",
        name in prop::sample::select(vec![
            "a.md", "a.txt", "a.rst", "a.html", "a.csv", "a.json", "a.jsonl", "a.py",
        ]),
    ) {
        let _ = open_bytes(name, text.as_bytes());
    }
}
