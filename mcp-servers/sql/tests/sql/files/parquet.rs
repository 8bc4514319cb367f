//! Parquet files.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::made::{columns, kinds, refused, rows, table};

/// Writes one column of a row group.
type Write = Box<dyn Fn(&mut SerializedColumnWriter<'_>)>;

/// A column with a value in each row.
fn full<T: DataType>(values: Vec<T::T>) -> Write {
    Box::new(move |column| {
        let levels = vec![1; values.len()];
        let column = column.typed::<T>();
        column.write_batch(&values, Some(&levels), None).unwrap();
    })
}

/// A column with levels.
fn levelled<T: DataType>(values: Vec<T::T>, full: &[i16], again: Option<&[i16]>) -> Write {
    let (full, again) = (full.to_vec(), again.map(<[i16]>::to_vec));
    Box::new(move |column| {
        let column = column.typed::<T>();
        let written = column.write_batch(&values, Some(&full), again.as_deref());
        written.unwrap();
    })
}

fn file(schema: &str, groups: &[Vec<Write>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder();
    let properties = properties.set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    for columns in groups {
        let mut group = writer.next_row_group().unwrap();
        for write in columns {
            let mut column = group.next_column().unwrap().unwrap();
            write(&mut column);
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

/// A file with the same text in so many rows.
pub fn repeated(text: String, rows: usize) -> Vec<u8> {
    let texts = vec![ByteArray::from(text.into_bytes()); rows];
    let column = full::<ByteArrayType>(texts);
    file("message m { optional binary t (STRING); }", &[vec![column]])
}

fn texts(texts: &[&str]) -> Vec<ByteArray> {
    texts.iter().map(|text| ByteArray::from(*text)).collect()
}

#[tokio::test]
async fn all_kinds_of_values_are_read() {
    let schema = "message m {
        optional boolean truth;
        optional int32 small (INTEGER(8, true));
        optional int32 unsigned (INTEGER(32, false));
        optional int64 huge (INTEGER(64, false));
        optional int32 day (DATE);
        optional int32 time (TIME(MILLIS, true));
        optional int64 moment (TIMESTAMP(MICROS, true));
        optional int64 nanos (TIMESTAMP(NANOS, false));
        optional int96 old;
        optional float float;
        optional double double;
        optional int64 price (DECIMAL(18, 2));
        optional fixed_len_byte_array(16) long (DECIMAL(38, 4));
        optional binary text (STRING);
        optional binary json (JSON);
        optional binary raw;
        optional fixed_len_byte_array(16) id (UUID);
    }";
    let mut old = Int96::new();
    old.set_data(500_000_000, 0, 2_440_588);
    let fixed = |bytes: &[u8]| FixedLenByteArray::from(bytes.to_vec());
    let group = || -> Vec<Write> {
        vec![
            full::<BoolType>(vec![true]),
            full::<Int32Type>(vec![-7]),
            full::<Int32Type>(vec![-1]),
            full::<Int64Type>(vec![-1]),
            full::<Int32Type>(vec![19_782]),
            full::<Int32Type>(vec![45_000_000]),
            full::<Int64Type>(vec![1_500_000]),
            full::<Int64Type>(vec![-1]),
            full::<Int96Type>(vec![old]),
            full::<FloatType>(vec![0.1]),
            full::<DoubleType>(vec![0.1]),
            full::<Int64Type>(vec![-1_250]),
            full::<FixedLenByteArrayType>(vec![fixed(&i128::MAX.to_be_bytes())]),
            full::<ByteArrayType>(texts(&["é\n"])),
            full::<ByteArrayType>(texts(&["{\"a\": 1}"])),
            full::<ByteArrayType>(vec![ByteArray::from(vec![0, 0xFF])]),
            full::<FixedLenByteArrayType>(vec![fixed(&[0x12; 16])]),
        ]
    };
    let files = table("t.parquet", file(schema, &[group(), group()]))
        .await
        .unwrap();
    assert_eq!(
        kinds(&files).await,
        [
            "BOOLEAN",
            "INTEGER",
            "INTEGER",
            "TEXT",
            "DATE TEXT",
            "TIME TEXT",
            "TIMESTAMP TEXT",
            "TIMESTAMP TEXT",
            "TIMESTAMP TEXT",
            "REAL",
            "REAL",
            "REAL",
            "TEXT",
            "TEXT",
            "JSON TEXT",
            "BLOB",
            "TEXT"
        ]
    );
    let row = vec![
        json!(1),
        json!(-7),
        json!(4_294_967_295_u32),
        json!("18446744073709551615"),
        json!("2024-02-29"),
        json!("12:30:00"),
        json!("1970-01-01 00:00:01.5"),
        json!("1969-12-31 23:59:59.999999999"),
        json!("1970-01-01 00:00:00.5"),
        json!(0.1),
        json!(0.1),
        json!(-12.5),
        json!("17014118346046923173168730371588410.5727"),
        json!("é\n"),
        json!("{\"a\": 1}"),
        json!("0x00ff"),
        json!("12121212-1212-1212-1212-121212121212"),
    ];
    assert_eq!(rows(&files, "SELECT * FROM t").await, [row.clone(), row]);
}

#[tokio::test]
async fn what_is_missing_is_null_in_batches_of_any_size() {
    let schema = "message m { required int32 n; optional int64 even; optional double real; }";
    let (count, mut groups): (i32, Vec<Vec<Write>>) = (5_000, Vec::new());
    for _ in 0..2 {
        let levels: Vec<i16> = (0..count).map(|n| i16::from(n % 2 == 0)).collect();
        let even: Vec<i64> = (0..i64::from(count)).filter(|n| n % 2 == 0).collect();
        let real = vec![f64::NAN; even.len()];
        groups.push(vec![
            full::<Int32Type>((0..count).collect()),
            levelled::<Int64Type>(even, &levels, None),
            levelled::<DoubleType>(real, &levels, None),
        ]);
    }
    let files = table("t.parquet", file(schema, &groups)).await.unwrap();
    let sql = "SELECT count(*), sum(n), count(even), sum(even), count(real), \
               count(*) FILTER (WHERE n % 2 = 0 AND n IS NOT even) FROM t";
    let sum = 2 * 5_000 * 4_999 / 2;
    let even = sum / 2 - 2_500;
    assert_eq!(
        rows(&files, sql).await,
        [[
            json!(10_000),
            json!(sum),
            json!(5_000),
            json!(even),
            json!(0),
            json!(0)
        ]]
    );
}

#[tokio::test]
async fn what_is_nested_is_json() {
    let schema = "message m {
        required int64 id;
        optional group tags (LIST) { repeated group list { optional binary element (STRING); } }
        optional group at { required double x; optional int32 day (DATE); }
        required int64 last;
    }";
    let group = vec![
        full::<Int64Type>(vec![1, 2, 3]),
        levelled::<ByteArrayType>(texts(&["a", "\"b\""]), &[3, 3, 0, 1], Some(&[0, 1, 0, 0])),
        levelled::<DoubleType>(vec![1.5, 2.0], &[1, 0, 1], None),
        levelled::<Int32Type>(vec![19_782], &[2, 0, 1], None),
        full::<Int64Type>(vec![4, 5, 6]),
    ];
    let files = table("t.parquet", file(schema, &[group])).await.unwrap();
    let named = [
        ("id", "INTEGER"),
        ("tags", "JSON TEXT"),
        ("at", "JSON TEXT"),
        ("last", "INTEGER"),
    ];
    let named = named.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(columns(&files, "t").await, named);
    assert_eq!(
        rows(&files, "SELECT * FROM t").await,
        [
            [
                json!(1),
                json!("[\"a\",\"\\\"b\\\"\"]"),
                json!("{\"x\":1.5,\"day\":\"2024-02-29\"}"),
                json!(4)
            ],
            [json!(2), json!(null), json!(null), json!(5)],
            [
                json!(3),
                json!("[]"),
                json!("{\"x\":2.0,\"day\":null}"),
                json!(6)
            ],
        ]
    );
    let sql = "SELECT value FROM t, json_each(t.tags)";
    assert_eq!(rows(&files, sql).await, [[json!("a")], [json!("\"b\"")]]);
}

#[tokio::test]
async fn what_is_no_parquet_file_is_told() {
    let whole = file(
        "message m { required int64 n; }",
        &[vec![full::<Int64Type>((0..10_000).collect())]],
    );
    let half = &whole[..whole.len() / 2];
    for content in [&b"a,b\n1,2\n"[..], b"PAR1", half] {
        let told = refused("t.parquet", content).await;
        let begin = "`t.parquet` cannot be read as Parquet: ";
        assert!(told.starts_with(begin), "{told}");
    }
    let mut damaged = whole;
    damaged[20..200].fill(0xAA);
    let told = refused("t.parquet", damaged).await;
    assert!(told.starts_with("`t.parquet` cannot be read as"), "{told}");
    assert_eq!(
        refused("t.parquet", "").await,
        "`t.parquet` has nothing in it; export it again, or leave it out"
    );
}
