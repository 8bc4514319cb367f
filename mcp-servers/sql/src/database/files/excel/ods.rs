//! How many cells there are in OpenDocument's sheets, which say `16384 times the same` in a few
//! bytes. A cell with a long text counts as several: it is held as often as it is there.

use std::io::BufRead;

use quick_xml::events::{BytesStart, Event};

/// Bytes of a text that count as a cell.
const CELL: u64 = 32;

/// Bytes of a cell's element without a text in it.
const ELEMENT: usize = 256;

/// The cells that a reader would hold for a `content.xml`, as far as it can be read.
pub(super) fn cells(content: impl BufRead) -> u64 {
    let mut reader = quick_xml::Reader::from_reader(content);
    let mut buffer = Vec::new();
    let mut sheet = Sheet::default();
    loop {
        buffer.clear();
        let (element, filled) = match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(element)) => (element, true),
            Ok(Event::Empty(element)) => (element, false),
            Ok(Event::End(element)) => {
                if element.local_name().as_ref() == "table-row" {
                    sheet.end_row();
                }
                continue;
            }
            Ok(Event::Text(text)) => {
                sheet.text(text.len());
                continue;
            }
            Ok(Event::CData(text)) => {
                sheet.text(text.len());
                continue;
            }
            Ok(Event::Eof) | Err(_) => {
                sheet.end_row();
                return sheet.cells;
            }
            Ok(_) => continue,
        };
        match element.local_name().as_ref() {
            "table" => (sheet.widest, sheet.blank_rows) = (0, 0),
            "table-row" => {
                sheet.rows = repeated(&element, "number-rows-repeated");
                if !filled {
                    sheet.end_row();
                }
            }
            "table-cell" | "covered-table-cell" => {
                let repeated = repeated(&element, "number-columns-repeated");
                sheet.blank = sheet.blank.saturating_add(repeated);
                sheet.repeated = 0;
                if filled || value(&element) {
                    sheet.repeated = repeated;
                    // A text may be in the element itself.
                    sheet.text(element.len().saturating_sub(ELEMENT));
                    // Blanks count where something comes after them.
                    sheet.row = sheet.row.saturating_add(sheet.blank);
                    sheet.blank = 0;
                }
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Sheet {
    cells: u64,
    /// Cells of the row, as far as its last that is filled, and the blank ones after that.
    row: u64,
    blank: u64,
    /// How often there is this cell, and the bytes of all texts of the row.
    repeated: u64,
    texts: u64,
    /// How often there is this row.
    rows: u64,
    widest: u64,
    /// Rows without cells since the last with any.
    blank_rows: u64,
}

impl Sheet {
    fn text(&mut self, bytes: usize) {
        let bytes = self.repeated.saturating_mul(bytes as u64);
        self.texts = self.texts.saturating_add(bytes);
    }

    fn end_row(&mut self) {
        if self.row == 0 {
            self.blank_rows = self.blank_rows.saturating_add(self.rows);
        } else {
            self.widest = self.widest.max(self.row);
            let rows = self.blank_rows.saturating_add(self.rows);
            let cells = self.widest.saturating_mul(rows);
            let texts = self.rows.saturating_mul(self.texts / CELL);
            self.cells = self.cells.saturating_add(cells).saturating_add(texts);
            self.blank_rows = 0;
        }
        (self.row, self.blank, self.rows) = (0, 0, 1);
        (self.repeated, self.texts) = (0, 0);
    }
}

fn repeated(element: &BytesStart<'_>, name: &str) -> u64 {
    let mut attributes = element.attributes().flatten();
    let repeated = attributes.find(|named| named.key.local_name().as_ref() == name);
    repeated
        .and_then(|repeated| repeated.value.parse().ok())
        .unwrap_or(1)
}

fn value(element: &BytesStart<'_>) -> bool {
    let mut attributes = element.attributes().flatten();
    attributes.any(|named| {
        let name = named.key.local_name();
        ["value-type", "formula"].contains(&name.as_ref())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_cells_are_counted() {
        let content = r#"<t:table><t:table-row><t:table-cell t:number-columns-repeated="3"/>
            <t:table-cell o:value-type="float"/><t:table-cell t:number-columns-repeated="9"/>
            </t:table-row><t:table-row t:number-rows-repeated="9"/><t:table-row
            t:number-rows-repeated="2"><t:table-cell t:number-columns-repeated="100"><p>x</p>
            </t:table-cell></t:table-row><t:table-row t:number-rows-repeated="1000000"/></t:table>"#;
        // Of the blanks and the text in each of the last cells, some forty bytes.
        let texts = 2 * (100 * 14 / CELL);
        assert_eq!(cells(content.as_bytes()), 4 + 100 * 11 + texts);
    }

    #[test]
    fn a_long_text_counts_as_often_as_it_is_there() {
        let text = "x".repeat(1 << 20);
        let content = format!(
            r#"<t:table><t:table-row><t:table-cell t:number-columns-repeated="16384"><p>{text}</p>
            </t:table-cell></t:table-row></t:table>"#
        );
        assert!(cells(content.as_bytes()) > 500_000_000);
    }
}
