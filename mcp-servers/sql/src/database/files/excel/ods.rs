//! How many cells there are in OpenDocument's sheets, which say `16384 times the same` in a few
//! bytes.

use std::io::BufRead;

use quick_xml::events::{BytesStart, Event};

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
                if filled || value(&element) {
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
    /// How often there is this row.
    rows: u64,
    widest: u64,
    /// Rows without cells since the last with any.
    blank_rows: u64,
}

impl Sheet {
    fn end_row(&mut self) {
        if self.row == 0 {
            self.blank_rows = self.blank_rows.saturating_add(self.rows);
        } else {
            self.widest = self.widest.max(self.row);
            let rows = self.blank_rows.saturating_add(self.rows);
            let cells = self.widest.saturating_mul(rows);
            self.cells = self.cells.saturating_add(cells);
            self.blank_rows = 0;
        }
        (self.row, self.blank, self.rows) = (0, 0, 1);
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
        assert_eq!(cells(content.as_bytes()), 4 + 100 * 11);
    }
}
