//! Workbooks.

use serde_json::json;

use super::made::{Folder, columns, ods, open, refused, rows, table, tables, xlsx, zip};

fn text(place: &str, text: &str) -> String {
    format!(r#"<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

#[tokio::test]
async fn a_sheet_is_a_table() {
    let sheet = format!(
        "<row r=\"3\">{}{}{}{}{}{}{}</row>\
         <row r=\"4\">{}<c r=\"C4\"><v>36</v></c><c r=\"D4\" s=\"1\"><v>45351</v></c>\
         <c r=\"E4\" s=\"2\"><v>45351.5</v></c><c r=\"F4\"><f>1+1.5</f><v>2.5</v></c>\
         <c r=\"G4\" t=\"b\"><v>1</v></c><c r=\"H4\" t=\"e\"><v>#DIV/0!</v></c></row>\
         <row r=\"5\"/>\
         <row r=\"6\">{}<c r=\"C6\"><v>41.0</v></c><c r=\"I6\" s=\"3\"><v>0.75</v></c></row>",
        text("B3", "name"),
        text("C3", "age"),
        text("D3", "day"),
        text("E3", "moment"),
        text("F3", "sum"),
        text("G3", "truth"),
        text("H3", "error"),
        text("B4", "00123"),
        text("B6", "Grace"),
    );
    let files = table("t.xlsx", xlsx(&[("People", &sheet), ("Empty", "")]))
        .await
        .unwrap();
    let named = [
        ("name", "TEXT"),
        ("age", "INTEGER"),
        ("day", "DATE TEXT"),
        ("moment", "TIMESTAMP TEXT"),
        ("sum", "REAL"),
        ("truth", "BOOLEAN"),
        ("error", "TEXT"),
        ("column_9", "TIME TEXT"),
    ];
    let named = named.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(columns(&files, "t").await, named);
    let null = json!(null);
    assert_eq!(
        rows(&files, "SELECT * FROM t").await,
        [
            vec![
                json!("00123"),
                json!(36),
                json!("2024-02-29"),
                json!("2024-02-29 12:00:00"),
                json!(2.5),
                json!(1),
                null.clone(),
                null.clone()
            ],
            vec![
                json!("Grace"),
                json!(41),
                null.clone(),
                null.clone(),
                null.clone(),
                null.clone(),
                null,
                json!("18:00:00")
            ],
        ]
    );
}

#[tokio::test]
async fn sheets_are_tables_of_their_own() {
    let sheet = |number: u8| {
        format!(
            "<row r=\"1\">{}</row><row r=\"2\"><c r=\"A2\"><v>{number}</v></c></row>",
            text("A1", "n")
        )
    };
    let (one, two) = (sheet(1), sheet(2));
    let folder = Folder::new();
    let book = xlsx(&[("2023", &one), ("it&apos;s 📈", &two)]);
    let path = folder.write("Sales figures.xlsx", book);
    let files = open(&[&path]).await.unwrap();
    assert_eq!(
        tables(&files).await,
        ["Sales_figures_2023", "Sales_figures_it_s_📈"]
    );
    let sql = "SELECT a.n, b.n FROM Sales_figures_2023 a, \"Sales_figures_it_s_📈\" b";
    assert_eq!(rows(&files, sql).await, [[json!(1), json!(2)]]);
    assert_eq!(files.origins()[1].sheet.as_deref(), Some("it's 📈"));
}

#[tokio::test]
async fn old_workbooks_are_read_too() {
    let files = table("t.xls", include_bytes!("people.xls")).await.unwrap();
    let named = [("name", "TEXT"), ("age", "REAL"), ("born", "DATE TEXT")];
    let named = named.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(columns(&files, "t").await, named);
    assert_eq!(
        rows(&files, "SELECT * FROM t").await,
        [
            [json!("Zoë"), json!(36.0), json!("1984-02-29")],
            [json!("00123"), json!(2.5), json!(null)]
        ]
    );
}

#[tokio::test]
async fn open_document_is_read_too() {
    let cell =
        |kind: &str, value: &str| format!("<table:table-cell office:value-type=\"{kind}\" {value}");
    let string = |text: &str| {
        cell(
            "string",
            &format!("><text:p>{text}</text:p></table:table-cell>"),
        )
    };
    let rows_of = [
        format!(
            "<table:table-row>{}{}{}</table:table-row>",
            string("name"),
            string("age"),
            string("born")
        ),
        format!(
            "<table:table-row>{}{}{}</table:table-row>",
            string("Ada"),
            cell("float", "office:value=\"36\"/>"),
            cell("date", "office:date-value=\"1815-12-10\"/>")
        ),
    ];
    let sheet = format!(
        "<table:table table:name=\"People\">{}</table:table>",
        rows_of.concat()
    );
    let files = table("t.ods", ods(&sheet)).await.unwrap();
    assert_eq!(
        rows(&files, "SELECT name, age, born FROM t").await,
        [[json!("Ada"), json!(36), json!("1815-12-10")]]
    );
}

#[tokio::test]
async fn a_few_bytes_that_say_many_cells_are_refused() {
    let row = "<table:table-row><table:table-cell table:number-columns-repeated=\"16384\" \
               office:value-type=\"float\" office:value=\"1\"/></table:table-row>";
    let sheet = format!(
        "<table:table table:name=\"x\">{}</table:table>",
        row.repeat(2_000)
    );
    assert_eq!(
        refused("t.ods", ods(&sheet)).await,
        "`t.ods` cannot be read as a workbook: its cells are more than the 20000000 that are read \
         of this kind of workbook; save it as .xlsx"
    );
    // Its first and its last cell.
    let far = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>\
               <row r=\"1048576\"><c r=\"XFD1048576\"><v>2</v></c></row>";
    let told = refused("t.xlsx", xlsx(&[("x", far)])).await;
    assert!(
        told.starts_with("`t.xlsx` has more than 2000 columns"),
        "{told}"
    );
    let far = far.replace("XFD", "B");
    let files = table("t.xlsx", xlsx(&[("x", &far)])).await.unwrap();
    assert_eq!(
        rows(&files, "SELECT * FROM t").await,
        [[json!(1), json!(null)], [json!(null), json!(2)]]
    );
}

#[tokio::test]
async fn what_is_no_workbook_is_told() {
    for name in ["t.xlsx", "t.xls", "t.xlsb", "t.ods"] {
        for content in [
            &b"not a workbook"[..],
            &zip(&[("a", "b")]),
            &[0xD0, 0xCF, 0x11, 0xE0, 0, 0],
        ] {
            let told = refused(name, content).await;
            let begin = format!("`{name}` cannot be read as a workbook: ");
            assert!(told.starts_with(&begin), "{told}");
        }
        assert_eq!(
            refused(name, "").await,
            format!("`{name}` has nothing in it; export it again, or leave it out")
        );
    }
    let nothing = refused("t.xlsx", xlsx(&[("x", "")])).await;
    assert_eq!(
        nothing,
        "`t.xlsx` has nothing in it; export it again, or leave it out"
    );
}
